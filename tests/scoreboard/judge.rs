//! Lost, duplicated, falsely successful: judged from the outside record and from what the API says at the end.
//!
//! Pure, so that the judge is judged too (`tests/results/judged.rs`).

use crate::record::Line;
use slipway::wire::TaskState;
use std::collections::{BTreeMap, BTreeSet};

/// What the API says of a task once the faults are over and everything had its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) state: TaskState,
    /// The number of its last attempt.
    pub(crate) attempt: u32,
}

/// What was found, each with the story of its task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Acknowledged, and not there or not ended.
    pub(crate) lost: Vec<String>,
    /// Two commands of one task at once, or an attempt that ran after its successor had started.
    pub(crate) duplicated: Vec<String>,
    /// Stored as succeeded, though that attempt never recorded that it was about to exit with 0.
    pub(crate) false_successes: Vec<String>,
}

impl Findings {
    /// The same with what was found elsewhere.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.lost.extend(other.lost);
        self.duplicated.extend(other.duplicated);
        self.false_successes.extend(other.false_successes);
        self
    }

    /// All stories.
    pub(crate) fn stories(&self) -> impl Iterator<Item = &String> {
        self.lost.iter().chain(&self.duplicated).chain(&self.false_successes)
    }
}

/// Judges one history. `lines` stand in the order in which they were written; `stored` is all that the API lists.
pub(crate) fn judge(acknowledged: &[i64], lines: &[Line], stored: &BTreeMap<i64, Stored>) -> Findings {
    let mut by_task: BTreeMap<i64, Vec<&Line>> = BTreeMap::new();
    for line in lines {
        by_task.entry(line.task).or_default().push(line);
    }
    let known: BTreeSet<_> = acknowledged.iter().chain(by_task.keys()).chain(stored.keys()).copied().collect();
    let acknowledged: BTreeSet<_> = acknowledged.iter().copied().collect();
    let mut findings = Findings::default();
    for task in known {
        let (own, at_the_end) = (by_task.remove(&task).unwrap_or_default(), stored.get(&task).copied());
        let story = |what: &str| story(task, what, &own, at_the_end);
        if acknowledged.contains(&task) && !at_the_end.is_some_and(|stored| stored.state.is_terminal()) {
            findings.lost.push(story("lost"));
        }
        if let Some(why) = twice(&own) {
            findings.duplicated.push(story(&why));
        } else if at_the_end.is_none() && !acknowledged.contains(&task) {
            findings.duplicated.push(story("ran, though no task of this number is stored"));
        }
        let ended = |attempt| own.iter().any(|line| line.attempt == attempt && line.word == "end");
        if at_the_end.is_some_and(|stored| stored.state == TaskState::Succeeded && !ended(stored.attempt)) {
            findings.false_successes.push(story("stored as succeeded without an end on record"));
        }
    }
    findings
}

/// Why the lines of one task show two commands; none where they show one at a time.
fn twice(lines: &[&Line]) -> Option<String> {
    let mut last: Option<&Line> = None;
    let mut begun = BTreeSet::new();
    for line in lines {
        if line.word == "start" && !begun.insert(line.attempt) {
            return Some(format!("attempt {} started twice", line.attempt));
        }
        match last {
            Some(before) if line.attempt < before.attempt => {
                return Some(format!("attempt {} ran on after attempt {} had started", line.attempt, before.attempt));
            }
            Some(before) if line.attempt == before.attempt && line.uid != before.uid => {
                return Some(format!("two processes ran attempt {}", line.attempt));
            }
            _ => last = Some(line),
        }
    }
    None
}

fn story(task: i64, what: &str, lines: &[&Line], stored: Option<Stored>) -> String {
    let lines: Vec<_> = lines.iter().map(|line| format!("  {} {} {} {}", line.attempt, line.word, line.uid, line.at)).collect();
    let stored = stored.map_or_else(|| "not stored".to_owned(), |stored| format!("{} by attempt {}", stored.state, stored.attempt));
    format!("task {task}: {what}; {stored}; on record:\n{}", lines.join("\n"))
}
