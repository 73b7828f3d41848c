//! A program that the agent runs for itself, beside the command.

use super::processes::used_us;
use crate::agent::{environment::Vars, raw, tree::Tree};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use std::{
    io,
    os::unix::process::CommandExt,
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{net::unix::pipe::Receiver, process::Child, time::timeout};
use tokio_util::sync::CancellationToken;

/// How long an end by force may take. A process that waits for a driver may not be able to die at all.
const END: Duration = Duration::from_secs(1);

/// What such programs are told of the agent's environment: where they and their libraries are.
const KEPT: [&str; 2] = ["PATH", "LD_LIBRARY_PATH"];

/// What all helpers share.
#[derive(Clone, Debug)]
pub(super) struct Helpers {
    tree: Tree,
    env: Vars,
    /// Processor time of those that were reaped, in µs: this process's children used it, and the command did not.
    pub(super) used_us: Arc<AtomicU64>,
    /// When all of them are to end.
    pub(super) stop: CancellationToken,
}

/// One at work. It is no part of the attempt's tree, dies with this process, and when it is dropped.
pub(super) struct Helper {
    child: Child,
    pid: i32,
    helpers: Helpers,
    pub(super) output: Receiver,
}

impl Helpers {
    pub(super) fn new(tree: Tree, agents: &Vars) -> Self {
        let kept = agents.iter().filter(|(name, _)| KEPT.iter().any(|kept| name == kept));
        let env = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        Self { tree, env, used_us: Arc::default(), stop: CancellationToken::new() }
    }

    /// Starts a program in a process group of its own.
    pub(super) fn start(&self, program: &Path, args: &[&str]) -> io::Result<Helper> {
        let (reader, writer) = io::pipe()?;
        let output = Receiver::from_owned_fd(reader.into())?;
        let mut command = std::process::Command::new(program);
        command.args(args).env_clear().envs(&self.env).env("LC_ALL", "C").current_dir("/");
        command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::null()).process_group(0);
        raw::subordinate(&mut command);
        let mut command = tokio::process::Command::from(command);
        let child = command.kill_on_drop(true).spawn()?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).ok_or(io::ErrorKind::NotFound)?;
        self.tree.lend(pid);
        Ok(Helper { child, pid, helpers: self.clone(), output })
    }
}

impl Helper {
    /// Ends it and all that is in its group. One that cannot die is left to init, which waits for it.
    pub(super) async fn end(mut self) {
        self.kill();
        // Read before it is reaped, while its entry stands.
        let used = used_us(self.pid);
        if timeout(END, self.child.wait()).await.is_ok_and(|waited| waited.is_ok()) {
            self.helpers.used_us.fetch_add(used, Ordering::Relaxed);
            self.helpers.tree.forget(self.pid);
        }
    }

    /// It is not reaped yet, so the group is still its own.
    fn kill(&self) {
        let _ = killpg(Pid::from_raw(self.pid), Signal::SIGKILL);
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        if self.child.id().is_some() {
            self.kill();
        }
    }
}
