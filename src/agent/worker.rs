//! The agent's inner process: one attempt from start to finish.

use super::{
    Ambient, Exit, clean, command,
    finish::{bequeath, finish},
    link, log,
    log::Log,
    raw, signals,
    supervise::{Bounds, supervise},
    tree::Tree,
};
use crate::{
    crash_point,
    wire::{
        Assignment, FinishRequest,
        handoff::{Testament, files},
    },
};
use nix::{sys::signal::SigSet, unistd::Pid};
use std::{fs, path::Path, process::ExitCode, sync::Arc, time::Duration};
use tokio_util::task::AbortOnDropHandle;

/// Carries the attempt in `dir` to its end and returns the agent's exit code.
///
/// `init` is the process id of the [`super::init`] that started this process. Call it from the main thread of a process
/// that has no other: the command lives only as long as the thread that starts it.
pub fn work(dir: &Path, init: i32, ambient: &Ambient) -> ExitCode {
    match carry(dir, Pid::from_raw(init), ambient) {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => {
            tracing::error!("{exit}");
            exit.code()
        }
    }
}

fn carry(dir: &Path, init: Pid, ambient: &Ambient) -> Result<(), Exit> {
    // Init blocks signals until it can take them; here and in the command they come as usual.
    SigSet::empty().thread_set_mask().map_err(|e| Exit::Fault(format!("cannot unblock signals: {e}")))?;
    raw::die_with_parent().map_err(|e| Exit::Fault(format!("cannot be tied to init: {e}")))?;
    let tree = Tree::of_worker(init).ok_or_else(|| Exit::Fault("init is gone".into()))?;
    let assignment = read_assignment(&dir.join(files::ASSIGNMENT))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Exit::Fault(format!("cannot start the runtime: {e}")))?;
    // One thread polls everything, so this span is around every line that the agent writes.
    let span = tracing::info_span!("attempt", task = %assignment.task, attempt = %assignment.attempt);
    let _here = span.enter();
    let end = runtime.block_on(attempt(dir, &assignment, ambient, tree));
    clean::clean(dir);
    end
}

fn read_assignment(path: &Path) -> Result<Assignment, Exit> {
    let read = || serde_json::from_slice(&fs::read(path)?).map_err(std::io::Error::from);
    read().map_err(|e| Exit::setup(format!("cannot read {}: {e}", path.display())))
}

async fn attempt(dir: &Path, assignment: &Assignment, ambient: &Ambient, tree: Tree) -> Result<(), Exit> {
    let mut signals = signals::listen()?;
    crash_point!("agent.start");
    let open = async {
        let (link, started) = link::connect(assignment, ambient).await?;
        crash_point!("agent.started");
        let prepared = command::prepare(dir, assignment, &started, ambient)?;
        link::first_beat(&link).await?;
        crash_point!("agent.beaten");
        Ok((Arc::new(link), started, prepared))
    };
    let (link, started, prepared) = tokio::select! {
        biased;
        () = signals.drain.cancelled() => return Err(Exit::setup("told to stop before the command began")),
        opened = open => opened?,
    };
    let log = Arc::new(Log::new(started.log_limit_bytes, dir.join(files::SPOOL)));
    // The start token is spent; no need for the command to find it.
    let _ = fs::remove_file(dir.join(files::ASSIGNMENT));

    let bounds = Bounds { timeout: started.timeout_seconds.map(Duration::from_secs), grace: Duration::from_secs(started.grace_seconds) };
    let over = link.over.clone();
    let run = async {
        let _upload = AbortOnDropHandle::new(tokio::spawn(log::upload(link.clone(), log.clone())));
        let result = supervise(prepared, bounds, &link, &log, &mut signals, tree).await;
        crash_point!("agent.ended");
        log.close();
        let result = FinishRequest::new(result, log.sum());
        let testament = Testament { task: assignment.task, attempt: assignment.attempt, result: Some(result.clone()), fault: None };
        if let Err(error) = bequeath(dir, &testament) {
            // The server may still be told.
            tracing::error!(%error, "the result cannot be written to disk");
        }
        crash_point!("agent.result");
        finish(&link, &log, &result).await
    };
    let end = tokio::select! {
        biased;
        end = run => end,
        () = over.cancelled() => Err(Exit::Over("superseded or cancelled".into())),
    };
    crash_point!("agent.finished");
    // After a finish there is nothing left; after anything else the command must not outlive its attempt.
    tree.kill_all().await;
    end
}
