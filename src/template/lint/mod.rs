//! What is wrong with a queue's Job before anyone meets it: what would be refused, what would never run, what users trip over.
//!
//! The rules look at the Job as a runner would make it, so a runner's layers may heal a queue or break it. What belongs to a
//! rule's table is in `gpu`; the codes that tasks are told too are those of docs/REASONS.md.

mod devices;
mod fit;
mod nodes;
mod pod;

use super::{Fault, Layer, Origins};
use crate::domain::Node;
use serde::{Deserialize, Serialize};
use serde_json::Value;

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

/// One thing found in a Job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// How grave it is.
    pub level: Level,
    /// What it is, in one word that stays: `MigProfileUnknown`.
    pub code: &'static str,
    /// Where: an RFC 6901 pointer into the Job.
    pub pointer: String,
    /// What was found there.
    pub found: String,
    /// What it means.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fix: String,
    /// The layer that set it; none where nobody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<Layer>,
}

impl Finding {
    /// What keeps a queue from making a Job at all.
    #[must_use]
    pub fn of_fault(fault: Fault) -> Self {
        let Fault { pointer, message } = fault;
        Self { level: Level::Error, code: "TemplateInvalid", pointer, found: String::new(), message, fix: String::new(), layer: None }
    }
}

/// Finds what is wrong with a Job, the gravest first. `nodes` are those of the runner that would create it; none where it
/// reports none, and then what depends on them is not judged.
#[must_use]
pub fn lint(job: &Value, origins: &Origins, nodes: Option<&[Node]>) -> Vec<Finding> {
    let mut found = Findings { origins, list: Vec::new() };
    let template = &job["spec"]["template"];
    pod::rules(job, &mut found);
    devices::rules(template, &mut found);
    if let Some(nodes) = nodes {
        nodes::rules(template, nodes, &mut found);
    }
    found.list.sort_by_key(|finding| finding.level);
    found.list
}

/// What was found so far.
struct Findings<'a> {
    origins: &'a Origins,
    list: Vec<Finding>,
}

/// The place of the pod template in a Job.
const TEMPLATE: &str = "/spec/template";

impl Findings<'_> {
    /// Adds one. `at` leads into the pod template.
    #[expect(clippy::needless_pass_by_value, reason = "what is found is a number, a text or a reference to one")]
    fn add(
        &mut self,
        level: Level,
        code: &'static str,
        at: &str,
        found: impl ToString,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let pointer = format!("{TEMPLATE}{at}");
        // Of the whole pod nobody in particular is the author.
        let layer = self.origins.first(&pointer).filter(|_| at.matches('/').count() > 1);
        self.list.push(Finding { level, code, pointer, found: found.to_string(), message: message.into(), fix: fix.into(), layer });
    }
}

/// The containers of a pod template with their pointers: those that run at once, then those that come before.
fn containers(template: &Value) -> impl Iterator<Item = (String, &Value)> {
    ["containers", "initContainers"].into_iter().flat_map(move |field| {
        let all = template["spec"][field].as_array().into_iter().flatten().enumerate();
        all.map(move |(i, container)| (format!("/spec/{field}/{i}"), container))
    })
}

/// The text of a quantity, which may stand as a number.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
