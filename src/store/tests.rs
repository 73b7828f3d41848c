//! The conformance suite of the seam: every operation, as its callers use it, on a real database.

mod arrays;
mod attempts;
mod batches;
mod depth;
mod evidence;
mod harness;
mod model;
mod parents;
mod plans;
mod queues;
mod retention;
mod submits;
mod waiting;
