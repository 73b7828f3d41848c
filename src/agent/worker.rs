//! The agent's inner process: one attempt from start to finish.

use super::{
    Ambient, Exit, clean, command,
    finish::finish,
    inside, link,
    link::Link,
    log,
    log::{Log, Tee},
    mask,
    mask::Mask,
    notebook, outputs,
    place::Place,
    raw, setup,
    setup::{Lent, Site},
    signals,
    signals::Signals,
    supervise::{Bounds, Task, supervise},
    tree::Tree,
    usage::Meter,
};
use crate::{
    crash_point,
    domain::pod,
    wire::{
        Assignment, AttemptResult, FinishRequest, Notes, Phase, Reason, Sources, StartResponse, StoppedBy,
        handoff::{MAX_MESSAGE, files},
    },
};
use nix::{sys::signal::SigSet, unistd::Pid};
use secrecy::ExposeSecret;
use std::{path::Path, process::ExitCode, sync::Arc, time::Duration};
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

/// Carries the attempt in `place` to its end and returns the agent's exit code.
///
/// `init` is the process id of the [`super::init`] that started this process. Call it from the main thread of a process
/// that has no other: the command lives only as long as the thread that starts it.
#[must_use]
pub fn work(place: &Place, init: i32, ambient: &Ambient) -> ExitCode {
    place.shield();
    match carry(place, Pid::from_raw(init), ambient) {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => exit.end(place),
    }
}

fn carry(place: &Place, init: Pid, ambient: &Ambient) -> Result<(), Exit> {
    // Init blocks signals until it can take them; here and in the command they come as usual.
    SigSet::empty().thread_set_mask().map_err(|e| Exit::Fault(format!("cannot unblock signals: {e}")))?;
    raw::die_with_parent().map_err(|e| Exit::Fault(format!("cannot be tied to init: {e}")))?;
    let tree = Tree::of_worker(init).ok_or_else(|| Exit::Fault("init is gone".into()))?;
    let assignment = place.assignment()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Exit::Fault(format!("cannot start the runtime: {e}")))?;
    // The work is all in one thread, so this span is around every line that the agent writes.
    let span = tracing::info_span!("attempt", task = %assignment.task, attempt = %assignment.attempt);
    let _here = span.enter();
    let echo = place.tee();
    let end = runtime.block_on(attempt(place, &assignment, ambient, &tree, echo.clone()));
    if let Some(echo) = echo {
        echo.flush(Duration::from_millis(assignment.times.drain_output_ms / 5));
    }
    clean::clean(place);
    end
}

/// Sources that are reached with the authorities of the runner's installation too.
fn trusting(sources: Sources, own: Option<&str>) -> Sources {
    let both = [own, sources.ca_bundle.as_deref()].into_iter().flatten().collect::<Vec<_>>().join("\n");
    Sources { ca_bundle: Some(both).filter(|both| !both.is_empty()), ..sources }
}

async fn attempt(place: &Place, assignment: &Assignment, ambient: &Ambient, tree: &Tree, echo: Option<Tee>) -> Result<(), Exit> {
    let mut signals = signals::listen()?;
    crash_point!("agent.start");
    let (link, started) = tokio::select! {
        biased;
        () = signals.drain.cancelled() => return Err(Exit::setup("told to stop before the start")),
        started = link::connect(assignment, ambient) => started?,
    };
    crash_point!("agent.started");
    let mut prepared = command::prepare(place, assignment, &started, ambient)?;
    tokio::select! {
        biased;
        // The attempt is started: its end is reported below, as that of a command which did not begin.
        () = signals.drain.cancelled() => {}
        beaten = link::first_beat(&link) => beaten?,
    }
    crash_point!("agent.beaten");
    let link = Arc::new(link);
    let secrets = mask::gather(place, &ambient.env, &[assignment.start_token.expose_secret(), &started.attempt_token]);
    let silence = Duration::from_millis(link.times.log_flush_ms);
    let log = Log::new(started.log_limit_bytes, place.at(files::SPOOL), echo).masked_by(Mask::new(&secrets), silence);
    let log = Arc::new(log);
    secrets.warnings().iter().for_each(|warning| log.notice(warning));
    place.spend();

    let bounds = Bounds {
        timeout: started.timeout_seconds.map(Duration::from_secs),
        grace: Duration::from_secs(started.grace_seconds),
        alone: place.is_pod(),
    };
    let over = link.over.clone();
    let run = async {
        let _upload = AbortOnDropHandle::new(tokio::spawn(log::upload(link.clone(), log.clone())));
        let beat = AbortOnDropHandle::new(tokio::spawn(link::beat(link.clone())));
        let tell = AbortOnDropHandle::new(tokio::spawn(notebook::tell(link.clone())));
        let _inside = AbortOnDropHandle::new(tokio::spawn(inside::open(place, &mut prepared, &link)));
        let meter = Meter::start(link.clone(), place.is_pod(), &ambient.env, &assignment.env, tree);
        let sources = trusting(started.sources.clone(), assignment.ca.as_deref());
        let site = Site::new(place, &link, &log, &sources, assignment.cache.as_ref());
        let bequeath = |result: &AttemptResult| {
            let result = FinishRequest::new(result.clone(), log.sum());
            if let Err(error) = place.bequeath_result((assignment.task, assignment.attempt), result) {
                // The server may still be told.
                tracing::error!(path = %place.testament.display(), %error, "the result cannot be written");
            }
        };
        let began = link.clock.monotonic();
        let result = match set_up(&started, &site, &mut prepared, &signals, tree).await {
            // What is lent is lent until the command has ended.
            Ok(_lent) => {
                let left = Duration::from_millis(link.times.setup_limit_ms).saturating_sub(link.clock.monotonic().saturating_sub(began));
                let dir = prepared.cwd.clone();
                let task = Task { command: prepared, checkpoint: &started.ending.checkpoint, bounds };
                let result = supervise(task, &link, &log, &mut signals, tree).await;
                if !started.ending.outputs.is_empty() {
                    // What is kept may take a while, in which the pod may go.
                    bequeath(&result);
                    keep(&started, &dir, left, result.stopped_by, &link, &log, &signals).await;
                }
                result
            }
            Err(unprepared) => unprepared,
        };
        meter.stop().await;
        // While the end is told, an answer to a heartbeat could only say that there is none to tell.
        drop((beat, tell));
        crash_point!("agent.ended");
        log.close();
        bequeath(&result);
        crash_point!("agent.result");
        let mut result = FinishRequest::new(result, log.sum());
        result.notes = Some(link.notebook.read(Notes::clone)).filter(|notes| !notes.is_empty()).map(Box::new);
        finish(place, &link, &log, &result).await
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

/// What an agent has for the outputs once its command was stopped or somebody wants it gone: half of what its pod leaves it.
const HURRY: Duration = Duration::from_secs(pod::END_ALLOWANCE_SECONDS / 2);

/// Keeps the outputs, within what set-up left of the time that both may take together.
async fn keep(
    started: &StartResponse,
    dir: &Path,
    left: Duration,
    stopped_by: Option<StoppedBy>,
    link: &Arc<Link>,
    log: &Log,
    signals: &Signals,
) {
    let patience = if stopped_by.is_some() { HURRY } else { left.max(Duration::from_mins(1)) };
    let hurried = async {
        tokio::select! {
            () = link.cancel.cancelled() => {}
            () = signals.drain.cancelled() => {}
        }
        sleep(HURRY).await;
    };
    tokio::select! {
        biased;
        () = outputs::keep(&started.ending.outputs, dir, started.output_limit_bytes, patience, link, log) => {}
        () = hurried => log.notice("outputs: not all was sent before the attempt had to end"),
    }
}

/// Prepares code and environment; the result of the attempt where the command is not to begin. Then nothing of the set-up
/// lives any more.
async fn set_up(
    started: &StartResponse,
    site: &Site<'_>,
    command: &mut command::Prepared,
    signals: &Signals,
    tree: &Tree,
) -> Result<Lent, AttemptResult> {
    if started.setup.is_empty() && started.sources.is_empty() {
        return Ok(Lent::default());
    }
    if !started.setup.is_empty() {
        site.link.phase.send_replace(Phase::Setup);
    }
    let failed = |fault: setup::Fault| {
        let mut message = site.log.clear(&fault.message);
        message.truncate(message.floor_char_boundary(MAX_MESSAGE));
        site.log.notice(&format!("{}: {message}", fault.reason));
        AttemptResult { setup_failed: Some(fault.reason), message: Some(message), ..AttemptResult::default() }
    };
    let stopped = |by: StoppedBy| AttemptResult {
        stopped_by: Some(by),
        message: Some("stopped while code and environment were prepared".into()),
        ..AttemptResult::default()
    };
    let limit = Duration::from_millis(site.link.times.setup_limit_ms);
    let done = tokio::select! {
        biased;
        () = site.link.cancel.cancelled() => Err(stopped(StoppedBy::Cancel)),
        () = signals.drain.cancelled() => Err(stopped(StoppedBy::Drain)),
        () = site.link.silenced() => Err(stopped(StoppedBy::Silence)),
        () = sleep(limit) => {
            let message = format!("code and environment were not ready after {} s", limit.as_secs());
            Err(failed(setup::Fault { reason: Reason::SetupFailed, message }))
        }
        done = setup::set_up(&started.setup, site, command) => done.map_err(failed),
    };
    // A program that the set-up left behind is none of the command's.
    tree.end_all(Duration::from_millis(site.link.times.drain_output_ms / 10)).await;
    setup::forget_credentials(site);
    done
}
