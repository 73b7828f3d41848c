//! How a server is, for those who may know more than whether it is ready.

use super::{AttemptNumber, QueueName, Reason, RunnerName, TaskId, Timestamp};
use serde::{Deserialize, Serialize};

/// How the server is: the answer to `GET /health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// Its version.
    pub version: String,
    /// Its clock.
    pub at: Timestamp,
    /// Its database.
    pub database: DatabaseHealth,
    /// Where it keeps the bytes of logs, uploads and outputs; servers before 0.2 do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<BytesHealth>,
    /// What should get on and does not, as far as the caller may see it; at most 100.
    #[serde(default)]
    pub stuck: Vec<Stuck>,
}

/// Something that should get on and does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Stuck {
    /// What is wrong: `RunnerBehind` (of a queue), `RunnerBlind` (of a runner), `AttemptOverdue` (of an attempt).
    pub code: Reason,
    /// Since when.
    pub since: Timestamp,
    /// The queue from which nothing is claimed, or of the attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// The runner.
    pub runner: RunnerName,
    /// The task that is due, or of the attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// The attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptNumber>,
    /// One sentence for people.
    pub message: String,
}

/// How the place is where a server keeps bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct BytesHealth {
    /// Its address; none for the data directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// How long it took to write, read and delete an object, in milliseconds; none for the data directory, and where that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
}

/// How a server's database is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DatabaseHealth {
    /// Which: `sqlite`.
    pub kind: String,
    /// The newest migration that it has had.
    pub schema: i64,
    /// The newest migration that the server knows.
    pub known_schema: i64,
    /// How long a read took, in milliseconds.
    pub read_ms: u64,
    /// How long a write took from its request to its place on the disk, in milliseconds.
    pub commit_ms: u64,
}
