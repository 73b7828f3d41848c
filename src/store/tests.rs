//! The conformance suite of the seam: every operation, as its callers use it, on a real database.

mod attempts;
mod harness;
mod queues;
mod submits;
