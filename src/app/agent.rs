//! The agent's role, shared by every program that can take it: `run DIR` for a process runner; `install DIR`, `run` and
//! `gate` in pods. `work` is the inner process that `run` starts.

use super::ambient::{SystemClock, SystemRng};
use crate::{
    agent::{Ambient, Place, Pod, gate, init, install, say, work},
    domain::pod::POD_UID,
};
use std::{
    ffi::{OsStr, OsString},
    io::Write,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::Arc,
};
use tracing::Level;

/// What the agent calls itself.
const VERSION: &str = concat!("slipway-agent ", env!("CARGO_PKG_VERSION"));

/// By this name the very same program is found also after its file was replaced.
const OWN: &str = "/proc/self/exe";

const USAGE: &str = "usage: slipway-agent install DIR | run [DIR] | gate | version";

/// Takes the role that `args` name; `again` are the arguments with which this program comes here. The process must have
/// one thread.
#[must_use]
pub fn main(args: &[OsString], again: &[&str]) -> ExitCode {
    let text: Vec<_> = args.iter().map(|arg| arg.to_str().unwrap_or_default()).collect();
    match text.as_slice() {
        ["install", _] => bring(Path::new(&args[1])),
        ["run", ..] => located(&args[1..]).map_or_else(usage, |at| outer(&at, again)),
        ["work", .., init] => match (located(&args[1..args.len() - 1]), init.parse()) {
            (Some(at), Ok(init)) => inner(&at, init),
            _ => usage(),
        },
        ["gate", ..] => located(&args[1..]).filter(At::is_pod).map_or_else(usage, |at| pass(&at)),
        ["version"] => print(VERSION),
        words => say(words, &std::env::vars_os().collect()).unwrap_or_else(usage),
    }
}

/// The place that arguments name.
enum At {
    Directory(PathBuf),
    /// With a root that tests set.
    Pod(PathBuf),
}

/// Nothing is a pod, one word a directory; `--root DIR` is a pod whose paths begin there, for tests.
fn located(args: &[OsString]) -> Option<At> {
    match args {
        [] => Some(At::Pod("/".into())),
        [dir] if dir != "--root" => Some(At::Directory(dir.into())),
        [flag, root] if flag == "--root" => Some(At::Pod(root.into())),
        _ => None,
    }
}

impl At {
    fn is_pod(&self) -> bool {
        matches!(self, Self::Pod(_))
    }

    /// The arguments that name it.
    fn words(&self) -> Vec<&OsStr> {
        match self {
            Self::Directory(dir) => vec![dir.as_os_str()],
            Self::Pod(root) if root == Path::new("/") => vec![],
            Self::Pod(root) => vec!["--root".as_ref(), root.as_os_str()],
        }
    }

    fn place(&self) -> Place {
        match self {
            Self::Directory(dir) => Place::directory(dir),
            Self::Pod(root) => Place::pod(Pod {
                root: root.clone(),
                uid: variable(POD_UID).and_then(|uid| uid.into_string().ok()).unwrap_or_default(),
                // Where it cannot be told it cannot be worked in either.
                cwd: std::env::current_dir().unwrap_or_else(|_| "/".into()),
            }),
        }
    }
}

fn outer(at: &At, again: &[&str]) -> ExitCode {
    prepare(at);
    let mut worker = Command::new(OWN);
    worker.arg0("slipway-agent").args(again).arg("work").args(at.words());
    init(&at.place(), worker)
}

fn inner(at: &At, init: i32) -> ExitCode {
    prepare(at);
    work(&at.place(), init, &ambient())
}

fn pass(at: &At) -> ExitCode {
    prepare(at);
    gate(&at.place(), &ambient())
}

fn bring(dir: &Path) -> ExitCode {
    let at = At::Pod("/".into());
    prepare(&at);
    install(&at.place(), Path::new(OWN), dir, VERSION)
}

fn print(line: &str) -> ExitCode {
    match writeln!(std::io::stdout(), "{line}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}\n{}", crate::agent::SAYINGS);
    ExitCode::from(2)
}

/// The agent speaks to its standard error. A runner leads that into `agent.log`; in a pod it stands among the command's
/// output, so there only what matters is said.
fn prepare(at: &At) {
    let level = if at.is_pod() { Level::WARN } else { Level::INFO };
    let _ =
        tracing_subscriber::fmt().log_internal_errors(false).with_writer(std::io::stderr).with_ansi(false).with_max_level(level).try_init();
    #[cfg(debug_assertions)]
    if let Some(point) = variable("SLIPWAY_CRASH_POINT").and_then(|v| v.into_string().ok()) {
        crate::domain::crash::arm(&point);
    }
}

fn ambient() -> Ambient {
    Ambient {
        clock: Arc::new(SystemClock),
        rng: Arc::new(SystemRng),
        env: std::env::vars_os().collect(),
        program: VERSION.replace(' ', "/"),
    }
}

#[expect(clippy::disallowed_methods, reason = "the app reads the environment for the other rooms")]
fn variable(key: &str) -> Option<OsString> {
    std::env::var_os(key)
}
