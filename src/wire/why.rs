//! Why a task is where it is.

use super::{AttemptNumber, Finding, Phase, ReasonClass, TaskId, TaskState, Timestamp};
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
    /// The strongest class among the blocking reasons; absent where nothing blocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<ReasonClass>,
    /// Every reason, blocking ones first; empty for a task that runs or succeeded.
    pub reasons: Vec<Finding>,
}
