//! The agent and the process runner as real processes, against a small scripted server.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

#[path = "../support/luggage.rs"]
mod luggage;
#[path = "../support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "other layers use more of it")]
mod support;

mod commands;
mod conda;
mod container;
mod images;
mod inside;
mod load;
mod masks;
mod pods;
mod private;
mod reach;
mod runner;
mod server;
mod ssh;
mod usage;

use server::{Recipe, Server};
use slipway::wire::{
    Assignment, AttemptRef, Ending, Setup, Sources, Work,
    handoff::{MARKER, files, marker},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::process::{Child, Command};

/// The agent under test.
const AGENT: &str = env!("CARGO_BIN_EXE_slipway-agent");

/// A task that runs a shell script.
fn sh(script: &str) -> Recipe {
    command(&["/bin/sh", "-c", script])
}

/// A task that runs a program.
fn command(words: &[&str]) -> Recipe {
    Recipe {
        work: Work::Command(words.iter().map(|w| (*w).to_owned()).collect()),
        env: BTreeMap::new(),
        setup: Setup::default(),
        ending: Ending::default(),
        resume: None,
        sources: Sources::default(),
        timeout_seconds: None,
        grace_seconds: 20,
        log_limit_bytes: 1 << 30,
        self_stop: None,
        gpus: 0,
    }
}

/// An agent at work, and the directory of its attempt.
struct Agent {
    dir: tempfile::TempDir,
    process: Child,
    marker: String,
}

impl Agent {
    /// Starts an agent for an attempt as a runner would.
    fn start(server: &Server, of: AttemptRef) -> Self {
        Self::start_with(server, of, |_| {})
    }

    /// The same with an environment or arguments of its own.
    fn start_with(server: &Server, of: AttemptRef, change: impl FnOnce(&mut Command)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let uid = format!("test-{}", std::process::id()) + &dir.path().display().to_string().replace('/', "-");
        let assignment = Assignment {
            url: server.url.clone(),
            ca: None,
            task: of.task,
            attempt: of.attempt,
            start_token: format!("start-{of}").into(),
            uid: uid.clone(),
            env: [("CUDA_VISIBLE_DEVICES".to_owned(), "3".to_owned())].into(),
            cache: None,
            times: server.times.clone(),
        };
        std::fs::write(dir.path().join(files::ASSIGNMENT), serde_json::to_vec(&assignment).unwrap()).unwrap();
        let marker = marker(of, &uid);
        let log = std::fs::File::create(dir.path().join(files::AGENT_LOG)).unwrap();
        let mut command = Command::new(AGENT);
        command.arg("run").arg(dir.path()).env(MARKER, &marker).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        change(&mut command);
        Self { dir, process: command.spawn().unwrap(), marker }
    }

    /// Waits for its end and returns its exit code; then nothing of the attempt may live.
    async fn ended(&mut self) -> Option<i32> {
        let status = tokio::time::timeout(Duration::from_mins(1), self.process.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("the agent hangs: {}", self.log())).unwrap();
        assert_eq!(marked(&self.marker), Vec::<i32>::new(), "processes are left: {}", self.log());
        for name in [files::SCRATCH, files::HOME, files::TMP, files::SPOOL] {
            assert!(!self.dir.path().join(name).exists() || status.code() == Some(99), "{name} is left: {status} {}", self.log());
        }
        status.code()
    }

    fn init(&self) -> i32 {
        i32::try_from(self.process.id().unwrap()).unwrap()
    }

    /// The agent's inner process; orphans of the command are init's children too.
    fn worker(&self) -> i32 {
        children(self.init()).into_iter().find(|pid| is_worker(*pid)).unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join(files::AGENT_LOG)).unwrap_or_default()
    }
}

impl Drop for Agent {
    /// A test that fails leaves nothing behind either: without its worker, init ends everything and itself.
    fn drop(&mut self) {
        if self.process.id().is_some() {
            kill_marked(&self.marker);
        }
    }
}

/// Whether a process is the inner one of an agent.
fn is_worker(pid: i32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"slipway-agent\0work"))
}

/// A claimed attempt of `recipe`, run by an agent.
fn run(server: &Server, recipe: Recipe) -> (AttemptRef, Agent) {
    let of = server.claimed(recipe);
    (of, Agent::start(server, of))
}

fn proc_entries() -> impl Iterator<Item = (i32, PathBuf)> {
    std::fs::read_dir("/proc").unwrap().flatten().filter_map(|e| Some((e.file_name().to_str()?.parse().ok()?, e.path())))
}

/// The living processes that carry the marker.
fn marked(marker: &str) -> Vec<i32> {
    let wanted = format!("{MARKER}={marker}");
    let carries = |path: &Path| std::fs::read(path.join("environ")).is_ok_and(|env| env.split(|b| *b == 0).any(|v| v == wanted.as_bytes()));
    proc_entries().filter(|(_, path)| carries(path)).map(|(pid, _)| pid).collect()
}

/// Kills whatever carries the marker, and what descends from it.
fn kill_marked(marker: &str) {
    for pid in marked(marker) {
        for pid in children(pid).into_iter().chain([pid]) {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
    }
}

fn children(of: i32) -> Vec<i32> {
    let parent = |path: &Path| -> Option<i32> {
        let stat = std::fs::read_to_string(path.join("stat")).ok()?;
        stat[stat.rfind(')')? + 2..].split(' ').nth(1)?.parse().ok()
    };
    proc_entries().filter(|(_, path)| parent(path) == Some(of)).map(|(pid, _)| pid).collect()
}

fn kill(pid: i32, signal: nix::sys::signal::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
}
