//! Runners claim attempts and carry them: observe, plan (pure), act.

pub mod process;
