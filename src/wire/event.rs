//! Events and log pieces as they are streamed.

use super::{AttemptNumber, EventId, TaskId, Timestamp};
use serde::{Deserialize, Serialize};

/// What happened. Clients must accept kinds they do not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub enum EventKind {
    /// A task was submitted.
    #[serde(rename = "task.submitted")]
    TaskSubmitted,
    /// A task's name, labels or priority changed.
    #[serde(rename = "task.changed")]
    TaskChanged,
    /// It got another place among its user's own; `data.to`, `data.before` or `data.after`.
    #[serde(rename = "task.moved")]
    TaskMoved,
    /// An operator put it before every priority, or took that back; `data.boosted`.
    #[serde(rename = "task.boosted")]
    TaskBoosted,
    /// A runner took it; `data.runner`.
    #[serde(rename = "attempt.claimed")]
    AttemptClaimed,
    /// The agent passed the exclusive start.
    #[serde(rename = "attempt.started")]
    AttemptStarted,
    /// The attempt reached a phase; `data.phase`.
    #[serde(rename = "attempt.phase")]
    AttemptPhase,
    /// It was given back before its start; no budget charged. With `data.reason` it found no place, and the task is held
    /// for a while.
    #[serde(rename = "attempt.returned")]
    AttemptReturned,
    /// It ended and another follows; `data` as in `task.ended`.
    #[serde(rename = "attempt.ended")]
    AttemptEnded,
    /// An operator gave it up without proof; `data.reason`.
    #[serde(rename = "attempt.abandoned")]
    AttemptAbandoned,
    /// Its agent was silent for so long that it has stopped the command by itself, as queues that are `idempotent` ask.
    #[serde(rename = "attempt.superseded")]
    AttemptSuperseded,
    /// Its pause is over.
    #[serde(rename = "task.queued")]
    TaskQueued,
    /// Somebody asked to stop it; `actor`.
    #[serde(rename = "task.cancelRequested")]
    TaskCancelRequested,
    /// It ended; `data.state`, `data.class`, `data.reason`, `data.exitCode`, `data.signal`.
    #[serde(rename = "task.ended")]
    TaskEnded,
    /// A queue was created or replaced; `data.queue`.
    #[serde(rename = "queue.applied")]
    QueueApplied,
    /// A queue was paused; `data.queue`, `data.reason`.
    #[serde(rename = "queue.paused")]
    QueuePaused,
    /// A queue takes no new tasks from now on; `data.queue`, `data.reason`.
    #[serde(rename = "queue.draining")]
    QueueDraining,
    /// A queue was resumed, which ends a pause and a drain; `data.queue`.
    #[serde(rename = "queue.resumed")]
    QueueResumed,
    /// A queue was deleted; `data.queue`.
    #[serde(rename = "queue.deleted")]
    QueueDeleted,
    /// A budget was created or replaced; `data.budget`.
    #[serde(rename = "budget.applied")]
    BudgetApplied,
    /// A budget was deleted; `data.budget`.
    #[serde(rename = "budget.deleted")]
    BudgetDeleted,
    /// Events after this id were removed by the retention of a queue: read anew what they told of.
    #[serde(rename = "resync")]
    Resync,
    /// A kind of a newer version.
    #[serde(other, rename = "unknown")]
    Unknown,
}

/// One event. Its id is also the cursor: `Last-Event-ID` resumes after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The position in the log of events.
    pub id: EventId,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
    /// The task it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// The attempt it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptNumber>,
    /// Who did it, where somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The particulars of the kind.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub data: serde_json::Value,
}

/// One page of the events of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct EventList {
    /// The events, oldest first.
    pub items: Vec<Event>,
    /// Whether none of the task's events were removed by the retention of its queue.
    pub complete: bool,
    /// Opens the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Which page of events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::IntoParams))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventQuery {
    /// Rows per page, 1 to 1,000; default 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// The `nextCursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A piece of a task's log in an SSE stream (`event: log`; `id` is `attempt:next`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LogChunk {
    /// The attempt it belongs to.
    pub attempt: AttemptNumber,
    /// The offset of its first byte.
    pub offset: u64,
    /// The offset after its last byte; a gap notice is longer or shorter than the gap.
    pub next: u64,
    /// The bytes, base64.
    pub b64: String,
}
