//! Moving a task among its user's own, and boosting it before all others.

use super::TaskId;
use serde::{Deserialize, Serialize};

/// Where a task goes among its user's own tasks of the same queue and priority; the body of `POST /tasks/{id}/move`. Exactly
/// one of its members is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MoveRequest {
    /// Before or behind all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<MoveEnd>,
    /// Right before this one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<TaskId>,
    /// Right behind this one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<TaskId>,
}

/// An end of the row of a user's tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum MoveEnd {
    /// The next to be served.
    Front,
    /// The last of those submitted so far.
    Back,
}

/// Puts a task before every priority, or takes that back; the body of `POST /tasks/{id}/boost`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BoostRequest {
    /// Whether it is boosted from now on.
    pub boost: bool,
}
