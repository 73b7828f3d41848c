//! How long what has ended is kept.

use serde::{Deserialize, Serialize};

/// How long an ended Job stays, in seconds, counted from the end that the server recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct KeepJobs {
    /// After a success; default 60.
    pub success: u64,
    /// After anything else; default 3,600.
    pub failure: u64,
}

impl Default for KeepJobs {
    fn default() -> Self {
        Self { success: 60, failure: 3_600 }
    }
}

/// How much is kept of ended tasks. Each figure bounds by itself: what is beyond any of them goes. Nothing goes within 25
/// hours of the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Keep {
    /// For so many days after the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
    /// Only of so many tasks, those that ended last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
}

/// The same of what is kept by age alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct KeepDays {
    /// For so many days after the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
}

/// What is kept of the ended tasks of a queue. Nothing is deleted unless it is asked for here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Retention {
    /// The tasks themselves, with everything of theirs.
    #[serde(skip_serializing_if = "is_default")]
    pub tasks: Keep,
    /// The bytes of their logs.
    #[serde(skip_serializing_if = "is_default")]
    pub logs: Keep,
    /// Their events.
    #[serde(skip_serializing_if = "is_default")]
    pub events: KeepDays,
}

impl Retention {
    /// Whether everything is kept.
    #[must_use]
    pub fn is_all(&self) -> bool {
        is_default(self)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
