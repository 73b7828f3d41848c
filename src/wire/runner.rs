//! Runners: who they are and what they offer.

use super::{AttemptRef, Footing, QueueName, RunnerName, RunnerState, Times, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Introduces a runner, on connect and after every restart; the body of `PUT /runners/{name}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegisterRequest {
    /// What it runs tasks as: `process`, `kubernetes`.
    pub kind: String,
    /// Minted once per data directory; replicas of one glue share theirs. Another live holder of the name gets
    /// `409 RUNNER_NAME_TAKEN`.
    pub instance: Uuid,
    /// Its version.
    pub version: String,
    /// How many attempts it carries at once.
    pub slots: u32,
    /// How many GPUs it has.
    #[serde(default)]
    pub gpus: u32,
    /// The queues it serves; `*` is all.
    pub queues: Vec<String>,
    /// What a glue adds to the templates of queues; absent for a process runner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterOffer>,
}

/// How a glue completes what queues ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterOffer {
    /// What people call the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The namespaces that its Jobs may stand in; the first is the default.
    pub namespaces: Vec<String>,
    /// The layer under every queue's template: a part of a `PodTemplateSpec`, as a queue's `podTemplate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<Object>))]
    pub base: Option<serde_json::Value>,
    /// The layers over the templates of some queues, by queue.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "server", schema(value_type = BTreeMap<String, Object>))]
    pub overlays: BTreeMap<QueueName, serde_json::Value>,
}

/// The server's answer to a registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RegisterResponse {
    /// The times to go by.
    pub times: Times,
    /// The installation: five characters minted with the database, part of every object's name.
    pub instance: String,
    /// To a glue: its attempts of the last day that ended before they started, the newest first and 1,000 at most. Where it died
    /// between making the Secret and the Job of one, nobody else knows of the Secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lapsed: Vec<AttemptRef>,
}

/// A runner as users see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Runner {
    /// Its name.
    pub name: RunnerName,
    /// What it runs tasks as.
    pub kind: String,
    /// Its version.
    pub version: String,
    /// How many attempts it carries at once.
    pub slots: u32,
    /// How many GPUs it has.
    pub gpus: u32,
    /// The queues it serves.
    pub queues: Vec<String>,
    /// The attempts it holds.
    pub active: u32,
    /// When it registered last.
    pub registered_at: Timestamp,
    /// When it was heard last; absent where not since the server started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<Timestamp>,
    /// How it stands, as it said last; absent where it does not tell, or has not since the server started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<RunnerState>,
    /// What it stands on in its cluster; absent where it is no glue, or has not told since the server started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footing: Option<Footing>,
    /// When it told that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footing_at: Option<Timestamp>,
}

/// All runners.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RunnerList {
    /// The runners, by name.
    pub items: Vec<Runner>,
}
