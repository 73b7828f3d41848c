//! The role of the tools.

use crate::tools::{Tool, run};
use clap::Parser;
use std::process::ExitCode;

/// Tools for building and testing Slipway
#[derive(Debug, Parser)]
#[command(name = "slipway-tools", version)]
struct Tools {
    #[command(subcommand)]
    tool: Tool,
}

/// Runs the tool that the command line names.
#[must_use]
pub fn main() -> ExitCode {
    match run(Tools::parse().tool) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
