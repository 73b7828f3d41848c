//! Why a task is where it is.

use super::{Amount, AttemptNumber, Finding, Forecast, Phase, QueueName, ReasonClass, TaskId, TaskState, Timestamp};
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
    /// Changes under which it would get on, as far as the caller may make them; at most 5, those first that would let it start now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instead: Vec<Instead>,
    /// Who has what it waits for, where its first reason is that others have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holders: Option<Holders>,
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

/// A change under which a task would get on, checked by the rules that place tasks. What cannot be known, as what others took of a
/// node, speaks for it only where a runner says that it has room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Instead {
    /// In this queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// With so many GPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<u32>,
    /// Whether it would be claimed at once; else it would fit, and wait for its turn.
    pub now: bool,
}

/// Who has what a task waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Holders {
    /// Tasks that the caller may see, at most 10: those first that have to end first, then those without a limit, the oldest first.
    pub items: Vec<Holder>,
    /// How many there are, those of other queues included that the caller may not see.
    pub total: u64,
}

/// A task that has a place which others wait for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// The task.
    pub task: TaskId,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its queue.
    pub queue: QueueName,
    /// Who submitted it.
    pub user: String,
    /// What it counts for in GPUs.
    pub gpus: Amount,
    /// Since when its attempt has its place.
    pub since: Timestamp,
    /// When it has to be over by the limits of its time, the grace period included; absent where it has none, or has not started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_by: Option<Timestamp>,
}
