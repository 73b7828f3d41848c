//! How many tasks came and went, as the commits of this process know it: nobody has to read the events for it again.

use super::events::NewEvent;
use serde_json::Value;
use std::collections::BTreeMap;

/// Counts since the store was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tasks that were submitted, by queue.
    pub submitted: BTreeMap<String, u64>,
    /// Tasks that ended.
    pub ended: BTreeMap<TaskEnd, u64>,
}

/// How tasks ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskEnd {
    /// The queue.
    pub queue: String,
    /// The state.
    pub state: String,
    /// The reason code; empty where there is none.
    pub reason: String,
}

impl Tally {
    /// What the events of a batch tell.
    pub(super) fn of(events: &[NewEvent]) -> Self {
        let mut tally = Self::default();
        for event in events {
            let word = |name: &str| event.data.get(name).and_then(Value::as_str).unwrap_or_default();
            match event.kind {
                "task.submitted" => match tally.submitted.get_mut(word("queue")) {
                    Some(count) => *count += 1,
                    None => drop(tally.submitted.insert(word("queue").to_owned(), 1)),
                },
                "task.ended" => {
                    let end = TaskEnd { queue: word("queue").into(), state: word("state").into(), reason: word("reason").into() };
                    *tally.ended.entry(end).or_default() += 1;
                }
                _ => {}
            }
        }
        tally
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (queue, count) in &other.submitted {
            *self.submitted.entry(queue.clone()).or_default() += count;
        }
        for (end, count) in &other.ended {
            *self.ended.entry(end.clone()).or_default() += count;
        }
    }
}
