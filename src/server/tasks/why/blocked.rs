//! Reasons from what a task itself names: other tasks, a time of day, time limits.

use super::findings::verdict_of;
use crate::{
    domain::{Dependency, DependencyKind, Finding, Outcome, Quote, Reason, TaskState, UnixMs, reasons},
    wire::{TaskId, Timestamp, timestamp},
};

/// The most tasks that a sentence names.
const NAMED: usize = 5;

fn asked(kind: DependencyKind) -> &'static str {
    match kind {
        DependencyKind::Success => "must succeed",
        DependencyKind::Any => "must end",
    }
}

/// Tasks that it depends on have not ended. `state`: how each stands now.
pub(super) fn by_tasks(dependencies: &[Dependency], state: impl Fn(TaskId) -> Option<TaskState>) -> Option<Finding> {
    let open: Vec<&Dependency> = dependencies.iter().filter(|dependency| dependency.ended.is_none()).collect();
    let first = open.first()?;
    let stands = |d: &Dependency| state(d.on).map_or_else(|| "gone".to_owned(), |state| state.to_string());
    let mut named: Vec<String> = open.iter().take(NAMED).map(|d| format!("{} ({})", d.on, stands(d))).collect();
    if open.len() > NAMED {
        named.push(format!("{} more", open.len() - NAMED));
    }
    let quotes = open.iter().map(|d| Quote::new(format!("Task {}", d.on), format!("{}; it {} first", stands(d), asked(d.kind)))).collect();
    let tasks = if open.len() == 1 { "task" } else { "tasks" };
    let found = Finding::new(Reason::DependencyNotMet, format!("It waits for the {tasks} {}", named.join(", ")), quotes);
    Some(found.hint(format!("Nothing to do; what holds one of them up: slipway why {}", first.on)))
}

/// Its time has not come.
pub(super) fn until(at: Timestamp, submitted: UnixMs) -> Finding {
    let quotes = vec![Quote { at: Some(timestamp(submitted)), ..Quote::new("Task notBefore", format!("{at:.0}")) }];
    Finding::new(Reason::ScheduledLater, format!("It is not started before {at:.0}"), quotes)
}

/// A task that had to succeed before it did not; none where that is not why it ended.
pub(super) fn by_failure(dependencies: &[Dependency], outcome: &Outcome, at: Option<Timestamp>) -> Option<Finding> {
    let failed: Vec<&Dependency> = dependencies.iter().filter(|dependency| dependency.has_failed()).collect();
    let first = failed.first()?;
    let of = |d: &&Dependency| {
        let end = d.ended.map(|end| end.to_string()).unwrap_or_default();
        Quote { at, ..Quote::new(format!("Task {}", d.on), format!("{end}; it {} first", asked(d.kind))) }
    };
    let message = sentence(outcome, Reason::DependencyFailed);
    let found = Finding::new(Reason::DependencyFailed, message, failed.iter().map(of).collect());
    Some(found.hint(format!("See why that one did not: slipway why {}; then submit both again", first.on)))
}

/// A rule that it named ended it, and not an attempt.
pub(super) fn given_up(outcome: &Outcome, at: Option<Timestamp>) -> Option<Finding> {
    let reason = outcome.end.reason()?;
    let quotes = vec![Quote { at, ..Quote::new("Task", verdict_of(outcome)) }];
    Some(Finding::new(reason, sentence(outcome, reason), quotes))
}

fn sentence(outcome: &Outcome, reason: Reason) -> String {
    let text = outcome.result.message.clone().unwrap_or_else(|| reasons::entry(reason).meaning.trim_end_matches('.').to_owned());
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
