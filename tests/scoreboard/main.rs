//! The scoreboard: what happens to tasks under faults, one row per scenario, one line of JSON per row on stdout.
//!
//! `make scoreboard` runs the short form of each row, as `cargo test` does, and `make scoreboard-full ROW=2` the full form of one
//! (`docs/RELIABILITY.md`). Progress, and the story of what failed, go to stderr.

#[path = "../support/fleet/mod.rs"]
#[expect(unused_imports, reason = "rows need a part of it")]
mod fleet;
#[path = "../support/postgres.rs"]
#[expect(dead_code, reason = "rows need a part of it")]
mod postgres;
#[path = "../support/procs.rs"]
mod procs;
#[path = "../support/record.rs"]
mod record;
#[path = "../support/recorder.rs"]
mod recorder;
#[path = "../support/service.rs"]
#[expect(dead_code, reason = "rows need a part of it")]
mod service;
#[path = "../support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "rows need a part of it")]
mod support;
#[path = "../support/world.rs"]
#[expect(dead_code, reason = "rows need a part of it")]
mod world;

#[path = "../cluster/kit/mod.rs"]
#[expect(dead_code, unused_imports, unused_macros, reason = "rows need a part of it")]
mod kit;

mod api_proxy;
mod batch;
mod ended;
mod ground;
mod judge;
mod left;
mod logs;
mod options;
mod play;
mod pods;
mod proxy;
mod recovery;
mod row;
mod rows;
mod score;
mod site;
mod sound;
mod stage;
mod tail;

use options::Options;
use std::{path::Path, process::ExitCode};
use support::{eventually, within};

fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("scoreboard: {why}");
            return ExitCode::from(2);
        }
    };
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    if options.table {
        return play::write_table(&docs).map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS);
    }
    let code = play::play(&options, &rows::all(), &docs.join("reliability"));
    stage::close();
    code
}

fn failed(error: &std::io::Error) -> ExitCode {
    eprintln!("scoreboard: {error}");
    ExitCode::FAILURE
}
