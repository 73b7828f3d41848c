//! What a queue says of the objects of its tasks.

use super::Priority;
use serde::{Deserialize, Serialize};

/// What the tasks of a queue may change of their pods, beyond what every task may: command, arguments, environment,
/// labels, and a time limit below the queue's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Allow {
    /// Images that a task may name: patterns in which `*` stands for any text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// The most CPU that a task may ask for: a Kubernetes quantity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// The most memory that a task may ask for: a Kubernetes quantity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Environment variables that a task may set: patterns of names; none for every name that is safe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<String>>,
    /// Keys of the node selector that a task may set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub node_selector: Vec<String>,
    /// The highest priority that a task may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub highest_priority: Option<Priority>,
    /// The longest time limit that a task may set, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// Kubernetes Secrets whose values a task may use.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
}

impl Allow {
    /// Whether it says nothing.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A custom resource that a runner creates for a task in place of a Job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectTemplate {
    /// The object: `{apiVersion, kind, metadata?, spec…}`.
    #[cfg_attr(feature = "server", schema(value_type = Object))]
    pub manifest: serde_json::Value,
    /// For a kind whose end is not known by itself: the type of the condition in `status.conditions` that, being `True`,
    /// means success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succeeded: Option<String>,
    /// The same for failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}
