//! A task's way through its phases, told from its events. Pure: events in, lines out.

use super::{
    span::{between, span},
    style::{Marks, Tone, clean, paint},
};
use crate::wire::{Event, EventKind, Phase, Timestamp};
use std::time::Duration;

/// A line to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A phase is over.
    Done {
        /// The phase.
        what: &'static str,
        /// How long it took.
        took: Duration,
        /// Something worth knowing about it.
        note: Option<String>,
    },
    /// The command runs; its output follows.
    Running,
    /// Something out of the usual.
    Remark(String),
}

impl Line {
    /// The line as text.
    #[must_use]
    pub(crate) fn render(&self, marks: Marks) -> String {
        match self {
            Self::Done { what, took, note } => {
                let note = note.as_ref().map(|note| paint(Tone::Faint, &format!("   {note}"))).unwrap_or_default();
                format!("  {}{what:<10} {:>6}{note}", paint(Tone::Good, marks.done), span(*took))
            }
            Self::Running => format!("  {}running", paint(Tone::Busy, marks.doing)),
            Self::Remark(text) => format!("  {}{text}", paint(Tone::Warn, marks.remark)),
        }
    }
}

/// The line of a phase that goes on.
#[must_use]
pub(crate) fn going_on(what: &str, since: Duration, marks: Marks) -> String {
    format!("  {}{what:<10} {:>6}", paint(Tone::Busy, marks.doing), span(since))
}

/// Where a task is on its way.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    now: Option<(&'static str, Timestamp)>,
    // A claim has no line of its own: its time counts for the phase that comes after it.
    claimed: Option<Timestamp>,
}

impl Progress {
    /// The phase it is in, where that has a name.
    #[must_use]
    pub(crate) fn phase(&self) -> Option<&'static str> {
        self.now.map(|(what, _)| what)
    }

    /// Whether its command runs.
    #[must_use]
    pub(crate) fn running(&self) -> bool {
        self.phase() == Some("running")
    }

    /// Takes the next event and says what to show.
    pub(crate) fn on(&mut self, event: &Event) -> Vec<Line> {
        let text = |field: &str| event.data.get(field).and_then(|value| value.as_str()).map(clean);
        match event.kind {
            EventKind::TaskSubmitted => self.enter("queued", event.at),
            EventKind::TaskQueued => {
                let lines = self.leave(event.at, None);
                self.now = Some(("queued", event.at));
                lines
            }
            EventKind::AttemptClaimed => {
                let lines = self.leave(event.at, text("runner").map(|runner| format!("claimed by {runner}")));
                self.claimed = Some(event.at);
                lines
            }
            EventKind::AttemptStarted => self.enter("starting", event.at),
            EventKind::AttemptPhase => match text("phase").and_then(|phase| phase.parse().ok()) {
                Some(Phase::Scheduling) => self.enter("scheduling", event.at),
                Some(Phase::Pulling) => self.enter("pulling", event.at),
                Some(Phase::Starting) => self.enter("starting", event.at),
                Some(Phase::Setup) => self.enter("setup", event.at),
                Some(Phase::Running) => {
                    let mut lines = self.enter("running", event.at);
                    lines.push(Line::Running);
                    lines
                }
                _ => Vec::new(),
            },
            EventKind::AttemptReturned => {
                let unplaced = text("reason");
                self.now = Some((if unplaced.is_some() { "waiting" } else { "queued" }, event.at));
                vec![Line::Remark(match unplaced {
                    Some(reason) => format!("found no place ({reason}), held for a while so that others pass"),
                    None => "given back by its runner, queued again".into(),
                })]
            }
            EventKind::AttemptEnded => {
                self.now = Some(("waiting", event.at));
                let number = event.attempt.map(|n| format!(" {n}")).unwrap_or_default();
                let state = text("state").unwrap_or_else(|| "ended".into());
                let code = event.data.get("exitCode").and_then(serde_json::Value::as_i64).map(|code| format!("exit code {code}"));
                let facts: Vec<_> = [text("reason"), code].into_iter().flatten().collect();
                let facts = if facts.is_empty() { String::new() } else { format!(" ({})", facts.join(", ")) };
                vec![Line::Remark(format!("attempt{number} {state}{facts}, another follows"))]
            }
            EventKind::TaskCancelRequested => {
                let by = event.actor.as_deref().map(|actor| format!(" by {}", clean(actor))).unwrap_or_default();
                vec![Line::Remark(format!("cancel requested{by}"))]
            }
            EventKind::TaskEnded => {
                self.now = None;
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn enter(&mut self, what: &'static str, at: Timestamp) -> Vec<Line> {
        if self.phase() == Some(what) {
            return Vec::new();
        }
        let since = self.claimed.take().unwrap_or(at);
        let lines = self.leave(at, None);
        self.now = Some((what, since));
        lines
    }

    fn leave(&mut self, at: Timestamp, note: Option<String>) -> Vec<Line> {
        let over = self.now.take().filter(|(what, _)| *what != "running");
        over.map(|(what, since)| Line::Done { what, took: between(since, at), note }).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{AttemptNumber, EventId, TaskId};
    use serde_json::json;

    fn told(events: &[(EventKind, i64, serde_json::Value)], marks: Marks) -> String {
        let mut progress = Progress::default();
        let lines: Vec<_> = events
            .iter()
            .flat_map(|(kind, ms, data)| {
                progress.on(&Event {
                    id: EventId(*ms),
                    at: Timestamp::from_millisecond(*ms).unwrap(),
                    kind: *kind,
                    task: Some(TaskId(1042)),
                    attempt: Some(AttemptNumber(1)),
                    actor: Some("lena".into()),
                    data: data.clone(),
                })
            })
            .map(|line| line.render(marks))
            .collect();
        anstream::adapter::strip_str(&lines.join("\n")).to_string()
    }

    #[test]
    fn a_task_on_this_machine_goes_through_three_phases() {
        use EventKind as K;
        let events = [
            (K::TaskSubmitted, 0, json!(null)),
            (K::AttemptClaimed, 2_100, json!({"runner": "box-k3f9a"})),
            (K::AttemptStarted, 2_150, json!(null)),
            (K::AttemptPhase, 2_400, json!({"phase": "running"})),
            (K::AttemptPhase, 9_000, json!({"phase": "finishing"})),
            (K::TaskEnded, 9_100, json!({"state": "succeeded"})),
        ];
        insta::assert_snapshot!(told(&events, Marks::new(true)), @"
          ✔ queued         2s   claimed by box-k3f9a
          ✔ starting     0.3s
          ● running
        ");
        insta::assert_snapshot!(told(&events, Marks::new(false)), @"
          queued         2s   claimed by box-k3f9a
          starting     0.3s
          running
        ");
    }

    #[test]
    fn detours_are_told() {
        use EventKind as K;
        let events = [
            (K::TaskSubmitted, 0, json!(null)),
            (K::AttemptClaimed, 1_000, json!(null)),
            (K::AttemptPhase, 1_100, json!({"phase": "scheduling"})),
            (K::AttemptReturned, 61_000, json!(null)),
            (K::AttemptClaimed, 70_000, json!(null)),
            (K::AttemptPhase, 70_500, json!({"phase": "scheduling"})),
            (K::AttemptReturned, 300_000, json!({"reason": "InsufficientGPU"})),
            (K::TaskQueued, 360_000, json!(null)),
            (K::AttemptClaimed, 372_000, json!(null)),
            (K::AttemptPhase, 372_500, json!({"phase": "scheduling"})),
            (K::AttemptPhase, 374_000, json!({"phase": "pulling"})),
            (K::AttemptStarted, 415_000, json!(null)),
            (K::AttemptPhase, 415_200, json!({"phase": "running"})),
            (K::AttemptEnded, 500_000, json!({"state": "failed", "reason": "ExitNonZero", "exitCode": 1})),
            (K::TaskQueued, 501_000, json!(null)),
            (K::TaskCancelRequested, 502_000, json!(null)),
            (K::Unknown, 503_000, json!(null)),
        ];
        insta::assert_snapshot!(told(&events, Marks::new(true)));
    }
}
