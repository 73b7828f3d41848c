//! How a queue stands and goes.

use super::{Amount, RunnerName, Timestamp};
use serde::{Deserialize, Serialize};

/// How a queue stands and goes, as far as the server knows: in memory, from its start and the newest tasks before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct QueueStats {
    /// The GPUs that its live attempts count for.
    pub gpus: Amount,
    /// How many of its tasks its runners carry at once, where nothing else runs there: slots of process runners, and such pods on the
    /// nodes that glues tell of. Absent where nobody tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub places: Option<u64>,
    /// How long the last tasks waited that started; absent where none has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<Waits>,
    /// How many tasks started for the first time in each quarter of an hour of the last six hours, the present one last.
    pub starts: Vec<u32>,
    /// What became of the estimates that were given of its tasks' starts; absent where none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimates: Option<Estimates>,
    /// The runners that serve it.
    pub runners: Vec<QueueRunner>,
}

/// How long tasks waited from their submit to their first start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Waits {
    /// Half of them no longer than this, in seconds.
    pub p50_seconds: u64,
    /// Nine of ten.
    pub p90_seconds: u64,
    /// How many tasks, at most 50.
    pub of: u32,
}

/// How good estimates were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Estimates {
    /// The tasks that have started of which somebody was given an estimate; of each the first counts.
    pub told: u64,
    /// Of them those that had started when half should have.
    pub by_p50: u64,
    /// Those that had when nine of ten should have.
    pub by_p90: u64,
}

/// A runner that serves a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct QueueRunner {
    /// Its name.
    pub name: RunnerName,
    /// Whether it is at work: heard within the time that claims live.
    pub heard: bool,
    /// When it was heard last; absent where not since the server started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<Timestamp>,
}
