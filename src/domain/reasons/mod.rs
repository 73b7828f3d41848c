//! Why an attempt is where it is, from evidence: pure, the same for the glue, which acts by it, and for the server, which
//! shows it.
//!
//! Texts of the cluster are read only where no field says the same; what fits nothing known is [`Reason::Unknown`], with
//! all of it quoted. No evidence, no reason.

mod admission;
mod catalogue;
mod containers;
mod ended;
mod image;
mod patience;
mod pending;
mod placement;
mod quota;
mod scheduler;
mod stage;
#[cfg(test)]
mod tests;
mod text;

pub use catalogue::{Entry, entry, markdown};
pub use ended::{agentless, ended, quotes, refine};
pub use patience::{Patience, failure, patience};
pub use pending::{pending, verdict};
pub use stage::{Stage, on_its_way, stage};

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
    /// Who set the field at fault, and where: `queue, /spec/template/spec/nodeSelector/gpu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_by: Option<String>,
    /// The raw facts, quoted.
    pub evidence: Vec<Quote>,
}

impl Finding {
    /// A blocking reason with the class and the hint that its code has.
    #[must_use]
    pub fn new(code: Reason, message: impl Into<String>, evidence: Vec<Quote>) -> Self {
        let Entry { class, hint, .. } = entry(code);
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        Self { code, class, blocking: true, message: message.into(), hint, set_by: None, evidence }
    }

    /// The same with another class.
    #[must_use]
    pub fn class(mut self, class: ReasonClass) -> Self {
        self.class = class;
        self
    }

    /// The same with another next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same where it is not what holds the task up.
    #[must_use]
    pub fn beside(mut self) -> Self {
        self.blocking = false;
        self
    }
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

impl Quote {
    /// A fact whose moment nothing names.
    #[must_use]
    pub fn new(source: impl Into<String>, raw: impl Into<String>) -> Self {
        Self { source: source.into(), raw: raw.into(), at: None }
    }
}
