//! Runners claim attempts and carry them: observe, plan (pure), act.

#[cfg(feature = "glue")]
pub mod kubernetes;
mod link;
pub mod process;

pub use link::Refusal;
