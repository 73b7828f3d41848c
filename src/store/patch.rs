//! Changing a task that has not started.

use super::{
    work::{Held, Work},
    writer::Transition,
};
use crate::domain::{Labels, Priority, TaskId, TaskState};
use serde_json::json;
use std::collections::BTreeMap;

/// Changes name, labels and priority of a task that is waiting or queued, or of an array that has not ended. What is `None` stays.
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
        let open = held.kin.gated.is_some() && !state.is_terminal();
        if !open && !matches!(state, TaskState::Waiting | TaskState::Queued) {
            return Patched::Refused(state);
        }
        if let Some(name) = &self.name {
            held.name.clone_from(name);
        }
        merge_labels(&mut held.labels, &self.labels);
        held.priority = self.priority.unwrap_or(held.priority);
        held.described = true;
        let data = json!({ "name": held.name, "labels": held.labels, "priority": held.priority });
        work.event(held, "task.changed", Some(&self.by), data);
        Patched::Changed
    }
}
