//! Changing a task that has not started.

use super::{
    work::{Held, Work},
    writer::Transition,
};
use crate::domain::{Event, Labels, Priority, TaskId, TaskState, UnixMs};
use serde_json::json;
use std::collections::BTreeMap;

/// Changes name, labels, priority and time of a task that is waiting or queued, or of an array that has not ended. What is
/// `None` stays.
pub struct Patch {
    /// The task.
    pub task: TaskId,
    /// Who changes it.
    pub by: String,
    /// The new name; `Some(None)` removes it.
    pub name: Option<Option<String>>,
    /// Labels to set; `None` removes one. They are merged in the writer, so that changes at once lose nothing.
    pub labels: BTreeMap<String, Option<String>>,
    /// The new priority.
    pub priority: Option<Priority>,
    /// The time of day before which it is not started; `Some(None)` removes it.
    pub not_before: Option<Option<UnixMs>>,
}

/// Sets and removes labels as a JSON Merge Patch says.
pub fn merge_labels(labels: &mut Labels, changes: &BTreeMap<String, Option<String>>) {
    for (key, value) in changes {
        match value {
            Some(value) => drop(labels.insert(key.clone(), value.clone())),
            None => drop(labels.remove(key)),
        }
    }
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patched {
    /// It is stored.
    Changed,
    /// The task is in a state that takes no changes.
    Refused(TaskState),
    /// There is no such task.
    NotFound,
}

impl Transition for Patch {
    type Output = Patched;

    fn task(&self) -> TaskId {
        self.task
    }

    fn apply(&self, held: Option<&mut Held>, work: &mut Work<'_, '_>) -> Patched {
        let Some(held) = held else { return Patched::NotFound };
        let state = held.life.state();
        if !held.is_open_array() && !matches!(state, TaskState::Waiting | TaskState::Queued) {
            return Patched::Refused(state);
        }
        if let Some(name) = &self.name {
            held.name.clone_from(name);
        }
        merge_labels(&mut held.labels, &self.labels);
        held.priority = self.priority.unwrap_or(held.priority);
        held.described = true;
        if let Some(not_before) = self.not_before {
            held.not_before = not_before;
            held.touched = true;
        }
        let mut data = json!({ "name": held.name, "labels": held.labels, "priority": held.priority });
        if let Some(at) = held.not_before {
            data["notBefore"] = json!(at.0);
        }
        work.event(held, "task.changed", Some(&self.by), data);
        if let Some(not_before) = self.not_before {
            held.waits.not_before = not_before;
            if state == TaskState::Waiting {
                held.release(work);
            } else if not_before.is_some_and(|at| at > work.tx.now) {
                // A task that is queued takes it.
                let _ = held.take(Event::Postpone, None, work);
            }
        }
        Patched::Changed
    }
}
