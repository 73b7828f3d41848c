//! History as lines of JSON.

use super::{Attempt, AttemptNumber, FailureClass, Labels, QueueName, Reason, TaskId, TaskState, Timestamp};
use serde::{Deserialize, Serialize};

/// Which part of history to export.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::IntoParams))]
#[serde(deny_unknown_fields)]
pub struct ExportQuery {
    /// Only what was submitted (a task) or claimed (an attempt) at this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Only what was submitted or claimed before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Only of this queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
}

/// A line of `GET /export/attempts`: an attempt, without its evidence, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AttemptLine {
    /// The task.
    pub task: TaskId,
    /// Its queue.
    pub queue: QueueName,
    /// Who submitted it.
    pub user: String,
    /// The attempt.
    #[serde(flatten)]
    pub attempt: Attempt,
}

/// A line of `GET /export/usage`: what one attempt used, so far where it lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct UsageLine {
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: AttemptNumber,
    /// The task's queue.
    pub queue: QueueName,
    /// Who submitted it.
    pub user: String,
    /// The task's labels.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// What it had of GPUs.
    pub gpus: u32,
    /// When its slot was taken.
    pub claimed_at: Timestamp,
    /// When its agent started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When its slot was free again; absent while it lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// How it ended; absent while it lives, and where it was given back before its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<TaskState>,
    /// The class of its failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<FailureClass>,
    /// Why it ended so, or was given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Seconds from its claim to its end, or to now.
    pub slot_seconds: u64,
    /// The same, times its GPUs.
    pub gpu_seconds: u64,
}
