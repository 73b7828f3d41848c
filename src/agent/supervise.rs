//! From the command's start to the certainty that nothing of it is left.

use super::{
    checkpoint::Checkpoint,
    command,
    command::Prepared,
    link::{Link, Stopping},
    log,
    log::Log,
    oom::{self, Counter},
    signals::Signals,
    tree::Tree,
};
use crate::{
    crash_point,
    wire::{AttemptResult, Phase, StoppedBy, handoff::MAX_MESSAGE},
};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use std::{os::unix::process::ExitStatusExt, process::ExitStatus, sync::Arc, time::Duration};
use tokio::{
    net::unix::pipe::Receiver,
    process::Child,
    time::{sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

/// What bounds the command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// How long the command may run; none is no limit.
    pub(super) timeout: Option<Duration>,
    /// The time between SIGTERM and SIGKILL.
    pub(super) grace: Duration,
    /// Whether nobody else's processes are in the agent's cgroup.
    pub(super) alone: bool,
}

/// What is known of a command that is to run.
pub(super) struct Task<'a> {
    pub(super) command: Prepared,
    /// The program that saves what the command has, where it has one.
    pub(super) checkpoint: &'a [String],
    pub(super) bounds: Bounds,
}

/// Runs the command to its end. Afterwards none of its processes lives and the log holds what they wrote.
///
/// It waits for the process, not for its output: a grandchild that holds the pipe gets `drainOutputMs`, then it goes.
pub(super) async fn supervise(task: Task<'_>, link: &Arc<Link>, log: &Arc<Log>, signals: &mut Signals, tree: &Tree) -> AttemptResult {
    if let Some(stopped_by) = stopped_already(link, signals) {
        return AttemptResult { stopped_by: Some(stopped_by), message: Some("stopped before it began".into()), ..AttemptResult::default() };
    }
    let Task { command: prepared, checkpoint, bounds } = task;
    let saving = prepared.other(checkpoint);
    let kills = Counter::own();
    let before = kills.read();
    let (mut child, output, writer) = match command::spawn(prepared).and_then(|(child, output, writer)| {
        let output = Receiver::from_owned_fd(output.into());
        output.map(|output| (child, output, writer)).map_err(|e| command::NotStarted { exit_code: 126, message: format!("no pipe: {e}") })
    }) {
        Ok(both) => both,
        Err(mut not) => {
            not.message = log.clear(&not.message);
            tracing::info!("{}", not.message);
            log.notice(&not.message);
            not.message.truncate(not.message.floor_char_boundary(MAX_MESSAGE));
            return AttemptResult { exit_code: Some(not.exit_code), message: Some(not.message), ..AttemptResult::default() };
        }
    };
    crash_point!("agent.spawned");
    tracing::info!(pid = child.id(), "the command runs");
    let mut pump = AbortOnDropHandle::new(tokio::spawn(log::pump(output, log.clone())));
    link.phase.send_replace(Phase::Running);

    // Without a checkpoint nobody but the command holds the pipe.
    let checkpoint = saving.map(|program| (Checkpoint::new(program, writer), log));
    let (status, stopped_by) = wait(&mut child, bounds, link, signals, tree, checkpoint).await;
    let drain = Duration::from_millis(link.times.drain_output_ms);
    // Helpers that an ended command left behind may still have something to say; those of a stopped one were told.
    let read = stopped_by.is_none() && timeout(drain, &mut pump).await.is_ok();
    tree.end_all(drain / 10).await;
    // All writers are dead, so this is the end of the pipe, unless one of them passed it to a stranger.
    if !read && timeout(drain, &mut pump).await.is_err() {
        tracing::warn!("a process outside the attempt holds the command's output");
    }
    tracing::info!(?status, ?stopped_by, "the command ended");
    let (exit_code, signal) = (status.and_then(|s| s.code()), status.and_then(|s| s.signal()));
    let oom_killed = oom::explains(kills.read().saturating_sub(before), bounds.alone, exit_code, signal);
    AttemptResult { exit_code, signal, stopped_by, oom_killed, ..AttemptResult::default() }
}

fn stopped_already(link: &Link, signals: &Signals) -> Option<StoppedBy> {
    if link.cancel.is_cancelled() { Some(StoppedBy::Cancel) } else { signals.drain.is_cancelled().then_some(StoppedBy::Drain) }
}

/// Waits for the end of the command, and stops it where somebody or something asks for it.
async fn wait(
    child: &mut Child,
    bounds: Bounds,
    link: &Link,
    signals: &mut Signals,
    tree: &Tree,
    checkpoint: Option<(Checkpoint, &Arc<Log>)>,
) -> (Option<ExitStatus>, Option<StoppedBy>) {
    let limit = async {
        match bounds.timeout {
            Some(limit) => sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(limit);
    let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    let stopped_by = loop {
        tokio::select! {
            biased;
            status = child.wait() => return (status.ok(), None),
            () = link.cancel.cancelled() => break StoppedBy::Cancel,
            () = signals.drain.cancelled() => break StoppedBy::Drain,
            () = &mut limit => break StoppedBy::Timeout,
            () = link.silenced() => break StoppedBy::Silence,
            Some(signal) = signals.passed.recv() => {
                // Its leader is not reaped yet, so the group is still the command's.
                let _ = group.map(|group| killpg(group, signal));
            }
        }
    };
    // Where it has ended by itself in this very moment, its result counts.
    if let Ok(Some(status)) = child.try_wait() {
        return (Some(status), None);
    }
    tracing::info!(%stopped_by, "stopping the command");
    let grace = link.grace(bounds.grace);
    let until = link.clock.monotonic().saturating_add(grace);
    link.stopping.send_replace(Some(Stopping { by: stopped_by, until }));
    if let Some((checkpoint, log)) = checkpoint {
        checkpoint.take(stopped_by, grace, log).await;
    }
    tree.signal(Signal::SIGTERM);
    if let Ok(status) = timeout(until.saturating_sub(link.clock.monotonic()), child.wait()).await {
        return (status.ok(), Some(stopped_by));
    }
    tracing::info!("the command did not end within its grace period");
    tree.kill_all().await;
    (child.wait().await.ok(), Some(stopped_by))
}
