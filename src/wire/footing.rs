//! What a glue stands on in its cluster: what it was told, and which of its rights it lacks.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Tells what a glue stands on, in place of what was told before; the body of `PUT /runners/{name}/footing`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FootingReport {
    /// The instance that holds the runner's name.
    pub instance: Uuid,
    /// What it stands on.
    pub footing: Footing,
}

/// What a glue stands on in its cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Footing {
    /// The server's address as its pods call it.
    pub agent_url: String,
    /// The namespaces that its Jobs may stand in.
    pub namespaces: Vec<String>,
    /// Whether it tells the nodes of its cluster.
    pub reads_nodes: bool,
    /// Whether it asks its cluster about queues.
    pub checks_queues: bool,
    /// How many rights it needs: one is one verb on one resource in one namespace.
    pub needed: u32,
    /// Those that its cluster says it does not have, at most 2,000.
    pub missing: Vec<MissingRight>,
    /// Why its cluster did not say of all of them; absent where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

/// One right that a glue needs and does not have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MissingRight {
    /// Where; absent for the whole cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The API group; empty is the core.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// On what, in the words of a Role: `pods/log`.
    pub resource: String,
    /// To do what: `create`.
    pub verb: String,
    /// What it is needed for.
    pub why: String,
    /// What the cluster says about it; empty where it gives no reason.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub said: String,
}
