//! What a task depends on.

use super::{OnFailure, TaskId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The tasks that must end before another starts; at most 100 in all. One that has ended already counts at once.
///
/// They belong to the task that was submitted: a rerun has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DependsOn {
    /// These must succeed; `onFailure` says what happens where one does not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after_success: Vec<Dependee>,
    /// These must end, however.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after_any: Vec<Dependee>,
    /// What becomes of the task where one of `afterSuccess` does not succeed; default `cancel`. What that decides counts for
    /// the tasks that depend on this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
}

/// A task that another depends on: its id, or in a batch the `ref` of a task of the same batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(untagged, expecting = "expected the id of a task, or the ref of a task of the same batch")]
pub enum Dependee {
    /// A task that was submitted before.
    Id(TaskId),
    /// A task of the same batch.
    Ref(String),
}

impl fmt::Display for Dependee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Ref(name) => f.write_str(name),
        }
    }
}
