//! What is wrong with a queue's Job before anyone meets it: what would be refused, what would never run, what users trip over.
//!
//! The rules look at the Job as a runner would make it, so a runner's layers may heal a queue or break it. What belongs to a
//! rule's table is in `gpu`; the codes that tasks are told too are those of docs/REASONS.md.

mod devices;
mod fit;
mod nodes;
mod pod;

use super::{Fault, Level, Origins, TemplateFinding};
use crate::domain::Node;
use serde_json::Value;

/// What keeps a queue from making an object at all, as a finding.
#[must_use]
pub fn of_fault(fault: Fault) -> TemplateFinding {
    let Fault { pointer, message } = fault;
    TemplateFinding {
        level: Level::Error,
        code: "TemplateInvalid".into(),
        pointer,
        found: String::new(),
        message,
        fix: String::new(),
        said: String::new(),
        layer: None,
    }
}

/// Finds what is wrong with a Job, the gravest first. `nodes` are those of the runner that would create it; none where it
/// reports none, and then what depends on them is not judged.
#[must_use]
pub fn lint(job: &Value, origins: &Origins, nodes: Option<&[Node]>) -> Vec<TemplateFinding> {
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

/// How many Jobs of this kind run at once on these nodes, were they empty.
#[must_use]
pub fn places(job: &Value, nodes: &[Node]) -> u64 {
    let template = &job["spec"]["template"];
    let requests = fit::requests(template);
    let takes = |node: &&Node| {
        let spec = &template["spec"];
        node.ready && !node.cordoned && fit::selects(spec, node) && fit::repels(spec, node).is_none()
    };
    nodes.iter().filter(takes).map(|node| fit::room(node, &requests)).fold(0, u64::saturating_add)
}

/// What was found so far.
struct Findings<'a> {
    origins: &'a Origins,
    list: Vec<TemplateFinding>,
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
        let (code, found) = (code.into(), found.to_string());
        let (message, fix) = (message.into(), fix.into());
        self.list.push(TemplateFinding { level, code, pointer, found, message, fix, said: String::new(), layer });
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
