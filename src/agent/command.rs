//! The user's command: its files, its environment, its start.

use super::{Ambient, Exit, environment::Vars, place::Place, raw};
use crate::wire::{
    Assignment, StartResponse, Work,
    handoff::{MARKER, files, marker},
};
use std::{
    ffi::OsString,
    fs::{self, DirBuilder, OpenOptions},
    io::{self, PipeReader, PipeWriter, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::process::{Child, Command};

/// The name of a script in the scratch directory.
const SCRIPT: &str = "slipway-script";

/// A command ready to start.
#[derive(Clone)]
pub(super) struct Prepared {
    program: PathBuf,
    args: Vec<String>,
    pub(super) env: Vars,
    pub(super) cwd: PathBuf,
}

/// A command that could not be started: what a shell would exit with, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotStarted {
    /// 127 where there is no such program, 126 where it cannot be executed.
    pub(super) exit_code: i32,
    /// One line for people.
    pub(super) message: String,
}

/// Makes the directories and files and gathers arguments and environment.
///
/// The environment is what the place begins it with ([`Place::environment`]); over that the task's; over that what the
/// machine adds and what tells the command what it is ([`introduce`]). Nothing in it gives access to the server.
pub(super) fn prepare(place: &Place, assignment: &Assignment, started: &StartResponse, ambient: &Ambient) -> Result<Prepared, Exit> {
    let fault = |what: &Path, error: io::Error| Exit::setup(format!("cannot make {}: {error}", what.display()));
    for name in [files::SCRATCH, files::HOME, files::TMP] {
        let dir = place.at(name);
        DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(|e| fault(&dir, e))?;
    }
    let (program, args) = match &started.work {
        Work::Command(words) => {
            let (program, args) = words.split_first().ok_or_else(|| Exit::setup("the command is empty"))?;
            (PathBuf::from(program), args.to_vec())
        }
        Work::Entrypoint => return Err(Exit::setup("this agent starts commands; the task has none but its image's")),
        Work::Script(text) => {
            let path = place.at(files::SCRATCH).join(SCRIPT);
            write_script(&path, text).map_err(|e| fault(&path, e))?;
            if text.starts_with("#!") { (path, vec![]) } else { (PathBuf::from("/bin/sh"), vec![path.display().to_string()]) }
        }
    };
    let mut env = place.environment(ambient.env.clone());
    let mut set = |key: &str, value: String| env.insert(key.into(), value.into());
    for (key, value) in started.env.iter().chain(&assignment.env) {
        set(key, value.clone());
    }
    introduce(started, &mut set);
    set(MARKER, marker(assignment.attempt_ref(), &assignment.uid));
    Ok(Prepared { program, args, env, cwd: place.cwd() })
}

/// What a command may know of itself. The names of rank and world are as a task of several nodes has them; of one node they
/// are 0 and 1.
fn introduce(started: &StartResponse, set: &mut impl FnMut(&str, String) -> Option<OsString>) {
    set("SLIPWAY_TASK_ID", started.task.to_string());
    set("SLIPWAY_ATTEMPT_NUMBER", started.attempt.to_string());
    set("SLIPWAY_QUEUE", started.queue.to_string());
    set("SLIPWAY_GRACE_SECONDS", started.grace_seconds.to_string());
    set("SLIPWAY_RANK", "0".into());
    set("SLIPWAY_WORLD_SIZE", "1".into());
    let known = [
        ("SLIPWAY_TASK_NAME", started.name.clone()),
        ("SLIPWAY_TIMEOUT_SECONDS", started.timeout_seconds.map(|s| s.to_string())),
        ("SLIPWAY_RESUME", started.resume.clone()),
    ];
    for (name, value) in known {
        if let Some(value) = value {
            set(name, value);
        }
    }
}

impl Prepared {
    /// Another program in the same place and environment.
    pub(super) fn other(&self, words: &[String]) -> Option<Self> {
        let (program, args) = words.split_first()?;
        Some(Self { program: PathBuf::from(program), args: args.to_vec(), ..self.clone() })
    }
}

fn write_script(path: &Path, text: &str) -> io::Result<()> {
    // Left over from an agent that died before its first heartbeat.
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o700).open(path)?;
    file.write_all(text.as_bytes())
}

/// Starts it in a process group of its own; the pipe carries its output and errors in the order it writes them.
pub(super) fn spawn(prepared: Prepared) -> Result<(Child, PipeReader, PipeWriter), NotStarted> {
    let no_pipe = |error: io::Error| NotStarted { exit_code: 126, message: format!("no pipe: {error}") };
    let (reader, writer) = io::pipe().map_err(no_pipe)?;
    let child = spawn_into(prepared, writer.try_clone().map_err(no_pipe)?)?;
    Ok((child, reader, writer))
}

/// The same with a pipe that is there.
pub(super) fn spawn_into(prepared: Prepared, writer: PipeWriter) -> Result<Child, NotStarted> {
    let Prepared { program, args, env, cwd } = prepared;
    let start = || -> io::Result<Child> {
        let mut command = std::process::Command::new(&program);
        command.args(args).env_clear().envs(env).current_dir(cwd);
        command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        raw::subordinate(&mut command);
        Command::from(command).spawn()
    };
    start().map_err(|error| NotStarted {
        exit_code: if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 },
        message: format!("cannot start {}: {error}", program.display()),
    })
}
