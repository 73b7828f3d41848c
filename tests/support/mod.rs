//! What the tests with real processes share.

mod address;
mod dice;
mod front;
mod points;
mod program;
mod screen;
mod wait;

pub(crate) use address::free_address;
pub(crate) use dice::Dice;
pub(crate) use front::Front;
pub(crate) use points::crash_points;
pub(crate) use program::Program;
pub(crate) use screen::{Index, Screen, line, run, uv};
pub(crate) use wait::{eventually, within};
