//! What became of a task, in one line.

use super::{
    array,
    exit::{Exit, Failure},
    span::{between, span},
    style::{Marks, Tone, clean, paint},
};
use crate::wire::{Ended, Task, TaskState, Timestamp};

/// How it ended: `ExitNonZero, exit code 3: no such file`; empty where there is nothing to add to the state.
#[must_use]
pub(crate) fn particulars(ended: &Ended) -> String {
    let facts: Vec<_> = [
        ended.reason.filter(|reason| *reason != crate::wire::Reason::Cancelled).map(|reason| reason.to_string()),
        ended.exit_code.filter(|code| *code != 0).map(|code| format!("exit code {code}")),
        ended.signal.map(signal),
        (ended.log_complete == Some(false)).then(|| "log incomplete".to_owned()),
    ]
    .into_iter()
    .flatten()
    .collect();
    let facts = facts.join(", ");
    match ended.message.as_deref().map(clean) {
        Some(message) if facts.is_empty() => message,
        Some(message) => format!("{facts}: {message}"),
        None => facts,
    }
}

fn signal(number: i32) -> String {
    match nix::sys::signal::Signal::try_from(number) {
        Ok(signal) => signal.as_str().to_owned(),
        Err(_) => format!("signal {number}"),
    }
}

/// How a task ended; of an array what became of its elements.
fn told(task: &Task) -> String {
    let of_array = array::of(task).and(task.ended.as_ref()).map(|ended| ended.message.as_deref().map(clean).unwrap_or_default());
    of_array.or_else(|| task.ended.as_ref().map(particulars)).unwrap_or_default()
}

/// `failed: ExitNonZero, exit code 3`.
#[must_use]
pub(crate) fn sentence(task: &Task) -> String {
    let more = told(task);
    if more.is_empty() { task.state.to_string() } else { format!("{}: {more}", task.state) }
}

/// The line that ends a followed task: `✔ 1042 succeeded after 1m22s`.
#[must_use]
pub(crate) fn closing(task: &Task, marks: Marks) -> String {
    let (mark, tone) = match task.state {
        TaskState::Succeeded => (marks.done, Tone::Good),
        TaskState::Failed => (marks.failed, Tone::Bad),
        _ => (marks.failed, Tone::Warn),
    };
    let ran = task.finished_at.zip(task.started_at).map(|(end, start)| format!(" after {}", span(between(start, end))));
    let more = Some(told(task)).filter(|text| !text.is_empty()).map(|text| format!("  {text}"));
    format!("{}{}{}", paint(tone, &format!("{mark}{} {}", task.id, task.state)), ran.unwrap_or_default(), more.unwrap_or_default())
}

/// How long it has run, or ran, in its newest attempt.
#[must_use]
pub(crate) fn ran(task: &Task, now: Timestamp) -> Option<String> {
    let end = match (task.state, task.finished_at) {
        (TaskState::Active, _) => now,
        (_, Some(end)) => end,
        _ => return None,
    };
    task.started_at.map(|start| span(between(start, end)))
}

/// The failure of a command whose task did not succeed; none where it did.
pub(crate) fn failure(task: &Task, propagate: bool) -> Option<Failure> {
    let exit = Exit::of_task(task, propagate);
    let hint = match array::of(task) {
        Some(_) => format!("see its elements: slipway ls {} --state failed", task.id),
        None => format!("see its log: slipway logs {}", array::name(task)),
    };
    (exit != Exit::Ok).then(|| Failure::new(exit, format!("task {} {}", task.id, sentence(task))).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::testing::task, wire::Reason};

    #[test]
    fn an_end_is_told_in_one_line() {
        let failed = Task {
            ended: Some(Ended {
                reason: Some(Reason::ExitNonZero),
                exit_code: Some(3),
                message: Some("no\u{7} such file".into()),
                ..Ended::default()
            }),
            ..task(1042, TaskState::Failed)
        };
        assert_eq!(sentence(&failed), "failed: ExitNonZero, exit code 3: no\\u{7} such file");
        let killed = Ended { signal: Some(9), reason: Some(Reason::Cancelled), log_complete: Some(false), ..Ended::default() };
        assert_eq!(particulars(&killed), "SIGKILL, log incomplete");
        assert_eq!(sentence(&task(1, TaskState::Succeeded)), "succeeded");
        let message = Some("3 of 32 elements failed: 1040_2, 1040_5, 1040_9".to_owned());
        let sweep = Task {
            ended: Some(Ended { reason: Some(Reason::ExitNonZero), message, ..Ended::default() }),
            ..crate::cli::testing::array(1040, TaskState::Failed)
        };
        assert_eq!(sentence(&sweep), "failed: 3 of 32 elements failed: 1040_2, 1040_5, 1040_9");
        assert_eq!(failure(&sweep, true).unwrap().hints, ["see its elements: slipway ls 1040 --state failed"]);
        let plain = anstream::adapter::strip_str(&closing(&failed, Marks::new(true))).to_string();
        assert_eq!(plain, "✖ 1042 failed after 1m22s  ExitNonZero, exit code 3: no\\u{7} such file");
    }
}
