//! What is found in the object of a queue before any task meets it.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Who set a value of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Layer {
    /// What passes Pod Security "restricted", where nobody says otherwise.
    BuiltIn,
    /// What the runner lays under every queue.
    RunnerBase,
    /// The queue's template.
    Queue,
    /// What the runner lays over this queue.
    RunnerOverlay,
    /// The task.
    Task,
    /// What brings the agent.
    Inject,
    /// What must be so, whatever the others say.
    Enforce,
}

impl Layer {
    /// Whose it is, for people.
    #[must_use]
    pub const fn whose(self) -> &'static str {
        match self {
            Self::BuiltIn => "built in",
            Self::RunnerBase => "runner's base",
            Self::Queue => "queue",
            Self::RunnerOverlay => "runner's overlay",
            Self::Task => "task",
            Self::Inject => "Slipway: brings the agent",
            Self::Enforce => "Slipway: must be so",
        }
    }
}

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// No task would run.
    Error,
    /// Tasks may wait for ever, or be refused by some clusters.
    Warning,
    /// Worth knowing.
    Info,
}

/// One thing found in the object of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TemplateFinding {
    /// How grave it is.
    pub level: Level,
    /// What it is, in one word that stays: `MigProfileUnknown`.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub code: Cow<'static, str>,
    /// Where: an RFC 6901 pointer into the object.
    pub pointer: String,
    /// What was found there.
    pub found: String,
    /// What it means.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fix: String,
    /// What the cluster said, in its own words; empty where it was not asked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub said: String,
    /// The layer that set it; none where nobody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<Layer>,
}
