//! What was used, added up.

use super::{QueueName, Timestamp};
use serde::{Deserialize, Serialize};

/// What to add up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::IntoParams))]
#[serde(deny_unknown_fields)]
pub struct UsageQuery {
    /// By what, joined by commas: `user`, `queue`, and one `label:KEY`; default `user`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The begin of the stretch of time; default 30 days before its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Its end; default, and at most, now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Only of this queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
}

/// The answer to `GET /usage`: what attempts took of slots and GPUs in a stretch of time. Of an attempt that lay across its begin or
/// end only the part within it counts. Tasks that retention removed are missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct UsageReport {
    /// The begin.
    pub since: Timestamp,
    /// The end.
    pub until: Timestamp,
    /// By what, as asked for.
    pub by: Vec<String>,
    /// The sums, those with the most GPU-seconds first; at most 1,000.
    pub items: Vec<UsageSum>,
    /// Whether these are all.
    pub complete: bool,
}

/// One sum. Of `user`, `queue` and `label` those are there by which was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct UsageSum {
    /// Who submitted the tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The tasks' queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub queue: Option<QueueName>,
    /// The value of the label; absent also where tasks do not bear it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// How many tasks had an attempt out.
    pub tasks: u64,
    /// How many attempts those were.
    pub attempts: u64,
    /// Seconds from their claims to their ends.
    pub slot_seconds: u64,
    /// The same, each times the GPUs that its task asked for.
    pub gpu_seconds: u64,
    /// The part of that which went to attempts that failed or were cancelled.
    pub lost_gpu_seconds: u64,
}
