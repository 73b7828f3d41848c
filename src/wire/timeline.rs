//! Where a task's time went.

use super::{AttemptNumber, Ledger, Stretch, TaskId, TaskState, Timestamp};
use serde::{Deserialize, Serialize};

/// The answer to `GET /tasks/{id}/timeline`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    /// The task.
    pub task: TaskId,
    /// Where it stands.
    pub state: TaskState,
    /// Whether none of its events were removed by the retention of its queue; else what they told of is missing.
    pub complete: bool,
    /// Its life so far, oldest first, without gaps.
    pub spans: Vec<TimelineSpan>,
    /// The sums.
    pub ledger: Ledger,
}

/// One stretch of a task's life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TimelineSpan {
    /// What it did, or waited for.
    pub what: Stretch,
    /// The attempt that was out; absent while none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptNumber>,
    /// Its begin.
    pub from: Timestamp,
    /// Its end; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// How long it took so far, in ms.
    pub ms: u64,
}
