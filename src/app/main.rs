//! From the command line to a role.

use super::{
    agent, args,
    args::{Cli, Command, RunnerCommand},
    runner, serve,
    surroundings::{self, say},
    telemetry, up,
};
#[cfg(feature = "glue")]
use super::{args::GlueCommand, glue};
use crate::cli;
use clap::Parser;
use std::{ffi::OsString, path::Path, process::ExitCode};

/// Runs the program: parses the command line, runs the role or command, and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    if words.first().is_some_and(|word| word == "agent") {
        // Before any thread exists: the agent's outer process forks.
        return agent_role(&words[1..]);
    }
    let command = Cli::parse().command;
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(run(command)),
        Err(error) => {
            say(format_args!("error: cannot start: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// `agent run DIR`, started by a runner, and `agent work DIR PID`, started by that.
fn agent_role(words: &[OsString]) -> ExitCode {
    let text: Vec<_> = words.iter().map(|word| word.to_str()).collect();
    match (text.as_slice(), words) {
        ([Some("run"), _], [_, dir]) => agent::outer(Path::new(dir), &["agent", "work"]),
        ([Some("work"), _, Some(init)], [_, dir, _]) => match init.parse() {
            Ok(init) => agent::inner(Path::new(dir), init),
            Err(_) => usage(),
        },
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    say("usage: slipway agent run DIR (started by runners)");
    ExitCode::from(2)
}

async fn run(command: Command) -> ExitCode {
    #[cfg(debug_assertions)]
    if let Some(point) = surroundings::variable("SLIPWAY_CRASH_POINT") {
        crate::domain::crash::arm(&point);
    }
    let ended = match command {
        Command::User(command) => return user(*command).await,
        Command::Runner(args) => match args.command {
            Some(RunnerCommand::Ls(ls)) => return user(cli::Command::RunnerLs(ls)).await,
            None => {
                telemetry::start(&args.log, "info");
                runner::run(args).await.map(|()| ExitCode::SUCCESS)
            }
        },
        #[cfg(feature = "glue")]
        Command::Glue(args) => match args.command {
            Some(GlueCommand::Rbac(rbac)) => glue::rbac(&rbac).map(|()| ExitCode::SUCCESS),
            None => {
                telemetry::start(&args.log, glue::LOG);
                glue::run(args).await.map(|()| ExitCode::SUCCESS)
            }
        },
        Command::Server(args) => {
            telemetry::start(&args.log, "info");
            serve::run(args).await.map(|()| ExitCode::SUCCESS)
        }
        Command::Up(args) => {
            telemetry::start(&args.log, "warn");
            Box::pin(up::run(args)).await
        }
    };
    ended.unwrap_or_else(|error| {
        say(format_args!("error: {error:#}"));
        ExitCode::FAILURE
    })
}

async fn user(command: cli::Command) -> ExitCode {
    let around = surroundings::gather(args::root);
    ExitCode::from(cli::run(command, around).await.code())
}
