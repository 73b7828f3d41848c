//! `slipway template lint`

use super::{
    Of,
    sample::{Sample, load},
};
use crate::{
    cli::{
        context::{Context, Format},
        exit::{Exit, Failure},
        style::{Tone, clean, paint},
    },
    template::{Finding, Level, lint},
    wire::{Node, QueueName},
};
use serde::Serialize;

/// What was found in one queue.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Judged {
    queue: QueueName,
    /// The cluster whose nodes were looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<String>,
    pub(super) findings: Vec<Finding>,
}

/// Judges the queues of a file. It fails where one of them has an error: on every cluster, where several were looked at.
pub(super) async fn run(context: &Context, of: &Of, live: bool) -> Result<Exit, Failure> {
    let samples = load(context, of).await?.0;
    let clusters = if live { clusters(context).await? } else { Vec::new() };
    let mut all = Vec::new();
    let mut failed = false;
    for sample in samples.iter().filter(|sample| sample.queue.object.is_none()) {
        let judged: Vec<Judged> = match clusters.as_slice() {
            [] => vec![judge(sample, None)],
            several => several.iter().map(|cluster| judge(sample, Some(cluster))).collect(),
        };
        failed |= judged.iter().all(|judged| judged.findings.iter().any(|finding| finding.level == Level::Error));
        all.extend(judged);
    }
    match context.format() {
        Format::Json | Format::Yaml => context.print(&all, |_| Vec::new(), |_| String::new())?,
        Format::Table | Format::Name => context.console.text(&all.iter().map(text).collect::<String>())?,
    }
    Ok(if failed { Exit::Error } else { Exit::Ok })
}

/// What runners tell of their clusters, by name.
async fn clusters(context: &Context) -> Result<Vec<(String, Vec<Node>)>, Failure> {
    let told = context.client()?.nodes().await?.items;
    if told.is_empty() {
        return Err(Failure::new(Exit::Error, "no runner tells its nodes").hint("slipway nodes -h says how a glue does"));
    }
    Ok(told.into_iter().map(|of| (of.cluster.unwrap_or_else(|| of.runner.to_string()), of.nodes)).collect())
}

pub(super) fn judge(sample: &Sample, cluster: Option<&(String, Vec<Node>)>) -> Judged {
    let findings = match sample.render() {
        Ok(job) => lint(&job.manifest, &job.origins, cluster.map(|(_, nodes)| nodes.as_slice())),
        Err(faults) => faults.into_iter().map(Finding::of_fault).collect(),
    };
    Judged { queue: sample.name.clone(), cluster: cluster.map(|(name, _)| name.clone()), findings }
}

fn text(judged: &Judged) -> String {
    let on = judged.cluster.as_ref().map(|name| format!(" on {}", clean(name))).unwrap_or_default();
    let mut out = format!("{}{on}\n", paint(Tone::Strong, judged.queue.as_str()));
    if judged.findings.is_empty() {
        out += "  nothing found\n";
    }
    judged.findings.iter().for_each(|finding| out += &lines(finding));
    out
}

fn lines(finding: &Finding) -> String {
    let (tone, level) = match finding.level {
        Level::Error => (Tone::Bad, "error"),
        Level::Warning => (Tone::Warn, "warning"),
        Level::Info => (Tone::Faint, "info"),
    };
    let fix = if finding.fix.is_empty() { String::new() } else { format!("    fix: {}\n", clean(&finding.fix)) };
    let place = paint(Tone::Faint, &clean(&finding.pointer));
    let (found, message) = (clean(&finding.found), clean(&finding.message));
    format!("  {} {}  {found}\n    {message}\n{fix}    {place}\n", paint(tone, level), finding.code)
}
