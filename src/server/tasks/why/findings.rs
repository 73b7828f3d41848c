//! Reasons from the server's own state.

use crate::{
    domain::{Evidence, Finding, Outcome, QueueName, Quote, Reason, RunnerName, evidence::ApiRefusal, reasons},
    store::{ArrayRecord, AttemptRecord, EventRecord, LeaseRecord},
    template::Fault,
    wire::{AttemptNumber, Position, Runner, TaskId, Timestamp, timestamp},
};

pub(super) fn quote(source: impl Into<String>, raw: impl Into<String>, at: Option<Timestamp>) -> Quote {
    Quote { at, ..Quote::new(source, raw) }
}

/// An operator paused the queue.
pub(super) fn paused(queue: &QueueName, by: &str, reason: Option<&str>, at: Timestamp) -> Finding {
    let why = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    let quotes = vec![quote(format!("Queue {queue}"), format!("paused by {by}{why}"), Some(at))];
    Finding::new(Reason::QueuePaused, format!("{by} paused the queue {queue}{why}"), quotes)
        .hint(format!("Ask {by}, or resume it: slipway queue resume {queue}"))
}

/// A runner as far as a queue is concerned.
pub(super) struct Known {
    pub(super) runner: Runner,
    /// Whether it can carry what the queue describes: only a cluster has pods.
    pub(super) carries: bool,
    /// Whether it was heard of late.
    pub(super) heard: bool,
}

impl Known {
    /// Whether it draws from a queue and can carry what it describes.
    pub(super) fn serves(&self, queue: &QueueName) -> bool {
        self.carries && self.runner.queues.iter().any(|name| name == "*" || name == queue.as_str())
    }
}

/// No runner that was heard of late serves the queue; none where one does.
pub(super) fn no_runner(queue: &QueueName, runners: &[Known]) -> Option<Finding> {
    let serves = |known: &Known| known.serves(queue);
    if runners.iter().any(|known| known.heard && serves(known)) {
        return None;
    }
    let said = |Known { runner, carries, heard }: &Known| {
        let names = runner.queues.join(", ");
        let without = if *carries { "" } else { ", without pods" };
        let silent = if *heard { "" } else { ", not heard of late" };
        quote(format!("Runner {}", runner.name), format!("{}, serves {names}{without}{silent}", runner.kind), runner.seen_at)
    };
    let quotes = if runners.is_empty() { vec![quote("Runners", "none has registered", None)] } else { runners.iter().map(said).collect() };
    let silent: Vec<_> = runners.iter().filter(|known| serves(known)).map(|known| known.runner.name.as_str()).collect();
    let message = match silent.as_slice() {
        [] => format!("No runner serves the queue {queue}"),
        silent => format!("No runner that serves the queue {queue} has been heard of late: {}", silent.join(", ")),
    };
    Some(Finding::new(Reason::NoRunnerForQueue, message, quotes))
}

/// No runner that serves the queue can make a Job of it.
pub(super) fn unrenderable(queue: &QueueName, faults: &[Fault]) -> Finding {
    let quotes = faults.iter().map(|fault| quote(format!("Template {}", fault.pointer), fault.message.clone(), None)).collect();
    let first = faults.first().map(|fault| format!(": {fault}")).unwrap_or_default();
    Finding::new(Reason::TemplateInvalid, format!("The template of the queue {queue} makes no Job{first}"), quotes)
}

/// No cluster whose runner serves the queue takes objects of its kind; none where one does.
pub(super) fn unserved(queue: &QueueName, refusals: &[(RunnerName, ApiRefusal)]) -> Option<Finding> {
    let said = |(runner, refusal): &(RunnerName, ApiRefusal)| {
        let evidence = Evidence { refusal: Some(refusal.clone()), ..Evidence::default() };
        let finding = reasons::pending(&evidence).into_iter().next()?;
        let quotes =
            finding.evidence.iter().map(|q| quote(format!("Runner {runner}, {}", q.source), q.raw.clone(), q.at)).collect::<Vec<_>>();
        Some((finding, quotes))
    };
    let all: Vec<_> = refusals.iter().filter_map(said).collect();
    let first = all.first()?.0.clone();
    let message = format!("No runner makes what the queue {queue} asks for. {}", first.message);
    Some(Finding { message, evidence: all.into_iter().flat_map(|(_, quotes)| quotes).collect(), ..first })
}

/// The queue, as it is now, does not take the task.
pub(super) fn misfit(queue: &QueueName, reason: Reason, faults: &[Fault]) -> Finding {
    let quotes = faults.iter().map(|fault| quote(format!("Task {}", fault.pointer), fault.message.clone(), None)).collect();
    let first = faults.first().map(|fault| format!(": {fault}")).unwrap_or_default();
    Finding::new(reason, format!("The queue {queue} does not take the task as it is{first}"), quotes)
}

/// Others go first.
pub(super) fn behind(queue: &QueueName, place: Position) -> Finding {
    let Position { index, of } = place;
    let message = match index {
        1 => format!("It is the next to be claimed from the queue {queue}, as soon as a runner has room"),
        2 => format!("1 other of the queue {queue} is claimed before it"),
        3..=1_000 => format!("{} others of the queue {queue} are claimed before it", index - 1),
        _ => format!("More than 1,000 others of the queue {queue} are claimed before it"),
    };
    let at = if index > 1_000 { "1000+".to_owned() } else { index.to_string() };
    Finding::new(Reason::BehindInQueue, message, vec![quote(format!("Queue {queue}"), format!("position {at} of {of}"), None)])
}

/// A pause after an attempt that ended, or found no place: with what that one had to say.
pub(super) fn paused_for(last: &AttemptRecord, until: Timestamp) -> Vec<Finding> {
    let ended_at = last.ended_at.map(timestamp);
    let evidence = last.evidence.as_ref();
    let (what, before) = match (&last.ended, last.unplaced) {
        (Some((outcome, _)), _) => (
            format!("attempt {} ended: {}", last.attempt, verdict_of(outcome)),
            failed(last.attempt, outcome, ended_at, evidence).into_iter().collect(),
        ),
        (None, Some(reason)) => {
            (format!("attempt {} found no place: {reason}", last.attempt), evidence.map(reasons::pending).unwrap_or_default())
        }
        (None, None) => (format!("attempt {} was given back", last.attempt), Vec::new()),
    };
    let quotes = vec![quote(format!("Attempt {}", last.attempt), what.clone(), ended_at)];
    let pause = Finding::new(Reason::RetryBackoff, format!("The next attempt begins at {until:.0}; {what}"), quotes);
    let before = before.into_iter().map(Finding::beside);
    std::iter::once(pause).chain(before).collect()
}

/// All slots of its array are taken, and `before` other elements get the next ones.
pub(super) fn throttled(id: TaskId, array: &ArrayRecord, before: u32) -> Finding {
    let counts = array.counts;
    let most = array.spec.max_parallel.map_or_else(|| "any number".to_owned(), |most| most.to_string());
    let next = match before {
        0 => "it is the next".to_owned(),
        1 => "one other element goes first".to_owned(),
        n => format!("{n} other elements go first"),
    };
    let message = format!("The array {id} lets {most} of its elements out at once; {next}");
    let held = format!("maxParallel {most}; {} active, {} queued, {} waiting", counts.active, counts.queued, counts.waiting);
    Finding::new(Reason::ArrayThrottle, message, vec![quote(format!("Array {id}"), held, None)])
        .hint(format!("Nothing to do; the next element follows when one ends. All of them: slipway ls {id}"))
}

/// How an array ended; none where it succeeded.
pub(super) fn array_ended(outcome: &Outcome, at: Option<Timestamp>) -> Option<Finding> {
    let reason = outcome.end.reason().unwrap_or(Reason::Cancelled);
    let message = outcome.result.message.clone()?;
    Some(Finding::new(reason, message, vec![quote("Array", verdict_of(outcome), at)]).hint("See its elements: slipway ls TASK"))
}

/// A runner holds it and has not said more.
pub(super) fn claimed(lease: &LeaseRecord) -> Finding {
    let quotes = vec![quote(
        format!("Attempt {}", lease.attempt.attempt),
        format!("claimed by {}", lease.runner),
        Some(timestamp(lease.claimed_at)),
    )];
    Finding::new(Reason::Starting, format!("The runner {} is about to start it", lease.runner), quotes)
        .hint("Nothing to do; if it stays so, look at the runner: slipway runner ls")
}

/// Its agent has been silent beyond the limit.
pub(super) fn silent(lease: &LeaseRecord, last: Timestamp, evidence: Option<&Evidence>) -> Finding {
    let mut quotes = vec![quote("Heartbeat", "the last one", Some(last))];
    quotes.extend(evidence.map(reasons::quotes).unwrap_or_default());
    let node = evidence.and_then(|e| e.pod.as_ref()).and_then(|pod| pod.node.as_deref());
    let place = node.map(|node| format!(" on {node}")).unwrap_or_default();
    let message = format!("The agent{place} has been silent since {last:.0}; the attempt keeps its slot and may resume");
    Finding::new(Reason::HeartbeatLost, message, quotes)
        .hint(format!("See whether its machine is reachable; if it is gone for good: slipway abandon {} --reason TEXT", lease.attempt.task))
}

/// Somebody stopped it.
pub(super) fn cancelled(request: Option<&EventRecord>) -> Finding {
    let by = request.and_then(|event| event.actor.as_deref()).unwrap_or("somebody");
    let quotes = vec![quote("Event task.cancelRequested", format!("by {by}"), request.map(|event| timestamp(event.at)))];
    Finding::new(Reason::Cancelled, format!("Cancelled by {by}"), quotes)
}

/// How an attempt failed; none where it did not.
pub(super) fn failed(attempt: AttemptNumber, outcome: &Outcome, at: Option<Timestamp>, evidence: Option<&Evidence>) -> Option<Finding> {
    let reason = outcome.end.reason()?;
    let message = outcome.result.message.clone().unwrap_or_else(|| reasons::entry(reason).meaning.trim_end_matches('.').to_owned());
    let mut quotes = vec![quote(format!("Attempt {attempt}"), verdict_of(outcome), at)];
    quotes.extend(evidence.map(reasons::quotes).unwrap_or_default());
    Some(Finding::new(reason, message, quotes))
}

/// `ExitNonZero, class user, exit code 3`.
pub(super) fn verdict_of(outcome: &Outcome) -> String {
    let facts = [
        outcome.end.reason().map(|reason| reason.to_string()),
        outcome.end.class().map(|class| format!("class {class}")),
        outcome.result.exit_code.map(|code| format!("exit code {code}")),
        outcome.result.signal.map(|signal| format!("signal {signal}")),
        outcome.result.stopped_by.map(|by| format!("stopped by {by}")),
    ];
    facts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
