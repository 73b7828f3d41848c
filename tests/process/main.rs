//! Server, runner and agents as real processes, and what happens to them: `kill -9`, outages, hostile commands.
//!
//! What a test believes comes from outside: from the record that tasks write themselves (`recorder`), from `/proc`
//! (`procs`), and at the end from the public API.

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/bucket.rs"]
mod bucket;
#[path = "../support/postgres.rs"]
mod postgres;
#[path = "../support/procs.rs"]
mod procs;
#[path = "../support/record.rs"]
mod record;
#[path = "../support/recorder.rs"]
mod recorder;
#[path = "../support/service.rs"]
mod service;
#[path = "../support/world.rs"]
mod world;

mod arrays;
mod backup;
mod blobs;
mod callers;
mod cancels;
mod chains;
mod code;
mod crash_points;
mod database;
mod doctor;
mod document;
mod doubles;
mod durable;
mod endings;
mod follow;
mod hostile;
mod inside;
mod kills;
mod masks;
mod migrate;
mod moving;
mod objects;
mod resume;
mod screen;
mod server_faults;
mod several;
mod slow;
mod standby;
mod storm;
mod tls;

use support::{eventually, within};
