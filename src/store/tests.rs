//! The conformance suite of the seam: every operation, as its callers use it, on a real database.

mod arrays;
mod attempts;
mod batches;
mod copies;
mod deadlines;
mod dependencies;
mod depth;
mod evidence;
mod harness;
mod holders;
mod model;
mod moves;
mod order;
mod parents;
mod parked;
mod plans;
mod queues;
mod retention;
mod rules;
mod scenarios;
mod submits;
mod waiting;
mod watched;
