//! What a queue says of the objects of its tasks.

use serde::{Deserialize, Serialize};

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
