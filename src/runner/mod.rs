//! Runners claim attempts and carry them: observe, plan (pure), act.

mod link;
pub mod process;

pub use link::Refusal;
