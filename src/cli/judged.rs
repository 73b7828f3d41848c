//! What was found in queues before a task meets them, in the words of every command that shows it.

use super::style::{Tone, clean, paint};
use crate::{
    template::{Fault, of_fault},
    wire::{Level, QueueName, Rendering, TemplateFinding},
};
use serde::Serialize;

/// What was found in one queue.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Judged {
    pub(super) queue: QueueName,
    /// The cluster that was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cluster: Option<String>,
    pub(super) findings: Vec<TemplateFinding>,
}

impl Judged {
    /// What the server found for one runner.
    pub(super) fn of(queue: &QueueName, rendering: Rendering) -> Self {
        let faults = rendering.faults.into_iter().map(|fault| of_fault(Fault { pointer: fault.pointer, message: fault.message }));
        let findings = faults.chain(rendering.findings).collect();
        let cluster = rendering.cluster.or_else(|| rendering.runner.map(|runner| runner.to_string()));
        Self { queue: queue.clone(), cluster, findings }
    }

    /// The same with what is to be acted on: without what is only worth knowing.
    pub(super) fn grave(mut self) -> Self {
        self.findings.retain(|finding| finding.level != Level::Info);
        self
    }

    pub(super) fn has_error(&self) -> bool {
        self.findings.iter().any(|finding| finding.level == Level::Error)
    }

    /// The queue, then each finding.
    pub(super) fn text(&self) -> String {
        let on = self.cluster.as_ref().map(|name| format!(" on {}", clean(name))).unwrap_or_default();
        let mut out = format!("{}{on}\n", paint(Tone::Strong, self.queue.as_str()));
        if self.findings.is_empty() {
            out += "  nothing found\n";
        }
        self.findings.iter().for_each(|finding| out += &lines(finding));
        out
    }
}

/// The same where clusters say the same: then it is said once, of none of them.
pub(super) fn together(judged: Vec<Judged>) -> Vec<Judged> {
    let several = judged.len() > 1;
    match judged.split_first() {
        Some((first, rest)) if several && rest.iter().all(|other| other.findings == first.findings) => {
            judged.into_iter().take(1).map(|judged| Judged { cluster: None, ..judged }).collect()
        }
        _ => judged,
    }
}

fn lines(finding: &TemplateFinding) -> String {
    let (tone, level) = match finding.level {
        Level::Error => (Tone::Bad, "error"),
        Level::Warning => (Tone::Warn, "warning"),
        Level::Info => (Tone::Faint, "info"),
    };
    let line = |what: &str, text: &str| if text.is_empty() { String::new() } else { format!("    {what}: {}\n", clean(text)) };
    let place = paint(Tone::Faint, &clean(&finding.pointer));
    let (found, message) = (clean(&finding.found), clean(&finding.message));
    let (said, fix) = (line("said", &finding.said), line("fix", &finding.fix));
    format!("  {} {}  {found}\n    {message}\n{said}{fix}    {place}\n", paint(tone, level), clean(&finding.code))
}
