//! The `slipway-agent` program: the agent alone, small enough for every image.

use std::{ffi::OsString, process::ExitCode};

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    slipway::app::agent::main(&args, &[])
}
