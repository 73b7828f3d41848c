//! What clusters say of queues before a task meets them.

use super::{JobOrder, QueueName, TemplateFinding};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The queues that a runner on Kubernetes serves, for those that ask their cluster about them: the answer to
/// `GET /runners/{name}/checks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChecksDue {
    /// By name.
    pub items: Vec<CheckDue>,
}

/// One queue that a cluster may be asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CheckDue {
    /// The queue.
    pub queue: QueueName,
    /// A short text that changes with the queue's document and with the runner's layers: what is said of another one does
    /// not count.
    pub of: String,
    /// Whether the server has what the runner told of it.
    pub told: bool,
}

/// What the cluster is to be asked: the answer to `GET /runners/{name}/checks/{queue}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CheckOrder {
    /// The queue.
    pub queue: QueueName,
    /// As in [`CheckDue`].
    pub of: String,
    /// What a glue would make of a task without fields of its own; absent where that makes nothing: then there is nothing
    /// to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobOrder>,
}

/// What a runner's cluster says of queues, in place of what was told of the same ones before; the body of
/// `PUT /runners/{name}/checks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChecksReport {
    /// The instance that holds the runner's name.
    pub instance: Uuid,
    /// The queues that were asked about, at most 10,000.
    pub items: Vec<QueueCheck>,
}

/// What a cluster says of one queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QueueCheck {
    /// The queue.
    pub queue: QueueName,
    /// As in [`CheckOrder`].
    pub of: String,
    /// What was found, at most 50; every text of at most 2,048 bytes. Empty where the cluster takes it as it is.
    pub findings: Vec<TemplateFinding>,
}
