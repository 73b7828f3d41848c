//! The machines of clusters.

use super::{Node, RunnerName, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The nodes of a runner's cluster, all of them; the body of `PUT /runners/{name}/nodes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodesReport {
    /// The instance that holds the runner's name.
    pub instance: Uuid,
    /// The nodes, at most 10,000.
    pub nodes: Vec<Node>,
}

/// The nodes that a runner reported last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RunnerNodes {
    /// The runner.
    pub runner: RunnerName,
    /// What people call its cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// When it reported them.
    pub at: Timestamp,
    /// The nodes, by name.
    pub nodes: Vec<Node>,
}

/// The nodes of all runners that report them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct NodeList {
    /// By runner.
    pub items: Vec<RunnerNodes>,
}
