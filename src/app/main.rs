//! From the command line to a role.

use super::{
    admin, agent, args,
    args::{Cli, Command, RunnerCommand},
    completion, directed, runner, serve,
    surroundings::{self, say},
    telemetry, up,
};
#[cfg(feature = "glue")]
use super::{args::GlueCommand, glue};
use crate::cli;
use clap::Parser;
use std::{
    ffi::OsString,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

/// Runs the program: parses the command line, runs the role or command, and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let mut words: Vec<OsString> = std::env::args_os().collect();
    // By this name a task finds the program that carries it.
    let by_name = words.first().is_some_and(|name| Path::new(name).file_name() == Some("slipway-agent".as_ref()));
    words.drain(..1.min(words.len()));
    if words.first().is_some_and(|word| word == "agent") {
        // Before any thread exists: the agent's outer process forks.
        return agent::main(&words[1..], &["agent"]);
    }
    if by_name {
        return agent::main(&words, &["agent"]);
    }
    if let Some(answered) = completion::answered() {
        return answered;
    }
    let command = match parsed(words) {
        Ok(Some(command)) => command,
        Ok(None) => {
            let printed = io::stdout().write_all(cli::slurm::ALIASES.as_bytes());
            return if printed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        Err(why) => {
            say(format_args!("error: {why}"));
            return ExitCode::from(cli::Exit::Usage.code());
        }
    };
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(run(command)),
        Err(error) => {
            say(format_args!("error: cannot start: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// What is to be run; none where shell functions are asked for. What is wrong with the words themselves ends the program here.
fn parsed(words: Vec<OsString>) -> Result<Option<Command>, String> {
    let mut words = words;
    if words == ["--slurm-aliases"] {
        return Ok(None);
    }
    if words.first().is_some_and(|word| word == "slurm") {
        let typed: Option<Vec<_>> = words[1..].iter().map(|word| word.to_str().map(str::to_owned)).collect();
        let typed = typed.ok_or("what was typed is no text")?;
        words = cli::slurm::translated(&typed, |path| std::fs::read_to_string(path))?.into_iter().map(OsString::from).collect();
    }
    let cli = Cli::parse_from(std::iter::once(OsString::from("slipway")).chain(words.iter().cloned()));
    Ok(Some(directed::with_script(&words, cli)?.command))
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
            Some(RunnerCommand::Get(get)) => return user(cli::Command::RunnerGet(get)).await,
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
        Command::Admin(command) => Box::pin(admin::run(command)).await,
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
