//! Why an attempt is where it is, from evidence: pure, the same for the glue, which acts by it, and for the server, which
//! shows it.

use super::state::{Reason, words};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

words!(
    /// What a reason asks of people.
    ReasonClass {
        /// Nothing: it resolves itself.
        Wait = "wait",
        /// The request or the template has to change.
        Change = "change",
        /// An administrator has to act.
        Escalate = "escalate",
    }
);

/// One reason with what it rests on. No evidence, no reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The code.
    pub code: Reason,
    /// What it asks for.
    pub class: ReasonClass,
    /// Whether it is what holds the task up.
    pub blocking: bool,
    /// One sentence for people.
    pub message: String,
    /// One next step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The raw facts, quoted.
    pub evidence: Vec<Quote>,
}

/// A raw fact with its source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Quote {
    /// Where it stood: `PodScheduled`, `Event FailedMount`, `Container task`, `API create jobs`.
    pub source: String,
    /// What it said.
    pub raw: String,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>, format = DateTime))]
    pub at: Option<Timestamp>,
}
