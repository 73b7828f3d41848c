//! Why a task is where it is.

use super::{AttemptNumber, Finding, Forecast, Phase, QueueName, ReasonClass, TaskId, TaskState, Timestamp};
use serde::{Deserialize, Serialize};

/// The answer to `GET /tasks/{id}/why`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Why {
    /// The task.
    pub task: TaskId,
    /// Where it stands.
    pub state: TaskState,
    /// Its newest attempt; 0 before the first.
    pub attempt: AttemptNumber,
    /// The phase of its live attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Since when it stands there.
    pub since: Timestamp,
    /// Its place in the order of service, while it is queued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// When it is expected to start, while it is queued and nothing but its turn and others' ends are awaited; absent where there is
    /// no ground for an estimate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta: Option<Forecast>,
    /// The strongest class among the blocking reasons; absent where nothing blocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<ReasonClass>,
    /// Other queues that take it and have room for it now, as far as the caller may submit there; at most 3.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<QueueName>,
    /// Every reason, blocking ones first; empty for a task that runs or succeeded.
    pub reasons: Vec<Finding>,
}

/// A place in the order in which a queue's tasks are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Position {
    /// From 1. Exact to 1,000; 1,001 stands for every place behind that.
    pub index: u32,
    /// How many tasks of the queue are ready to be claimed, this one included.
    pub of: u64,
}
