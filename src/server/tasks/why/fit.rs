//! Reasons from the nodes of clusters: what would keep a pod from all of them even if they were empty.

use super::findings::quote;
use crate::{
    domain::{Finding, Level, Reason, RunnerName, TaskSpec, TemplateFinding, UnixMs},
    server::{orders, state::App},
    store::TaskRecord,
    template::{Facts, lint},
    wire::{NewQueue, timestamp},
};
use std::sync::Arc;

/// What the nodes that a runner told last show of the pod of one task.
pub(super) struct Seen {
    runner: RunnerName,
    at: UnixMs,
    findings: Vec<TemplateFinding>,
}

impl Seen {
    /// Whether a node has a place for it, as the cluster stands.
    pub(super) fn fits(&self) -> bool {
        self.findings.iter().any(|finding| finding.code == "Fits") && !self.findings.iter().any(|finding| finding.level == Level::Error)
    }

    /// What keeps the pod from every node, as reasons.
    fn reasons(&self) -> impl Iterator<Item = Finding> {
        self.findings.iter().filter(|finding| finding.level == Level::Error).filter_map(|finding| self.reason(finding))
    }

    fn reason(&self, finding: &TemplateFinding) -> Option<Finding> {
        let TemplateFinding { code, found, message, fix, .. } = finding;
        let code: Reason = code.parse().ok().filter(|code| is_of_nodes(*code))?;
        let sentence = match code {
            Reason::LabelWithoutDevices => format!("The node {found}: {message}"),
            Reason::NeverFits if finding.pointer.ends_with("/spec") => format!("No node is large enough: {message}"),
            _ => format!("The pod asks for {found}; {message}"),
        };
        let raw = format!("{found}: {message}");
        let mut reason = Finding::new(code, sentence, vec![quote(format!("Nodes of {}", self.runner), raw, Some(timestamp(self.at)))]);
        reason.set_by = finding.layer.map(|layer| format!("{}, {}", layer.whose(), finding.pointer));
        // That one says less than the catalogue.
        Some(if fix.is_empty() || code == Reason::NeverFits { reason } else { reason.hint(format!("Try: {fix}")) })
    }
}

/// The codes that rules on nodes share with reasons.
fn is_of_nodes(code: Reason) -> bool {
    is_for_ever(code) || matches!(code, Reason::NoNodeMatchesSelector | Reason::UntoleratedTaint)
}

/// What no end of other tasks resolves.
pub(super) fn is_for_ever(code: Reason) -> bool {
    use Reason as R;
    matches!(code, R::NeverFits | R::MigProfileNotAdvertised | R::DeviceNotAdvertised | R::LabelWithoutDevices)
}

/// What the scheduler says where nodes are full, and where they are too small as well: it does not tell the two apart.
fn is_full(code: Reason) -> bool {
    use Reason as R;
    matches!(
        code,
        R::InsufficientGpu
            | R::InsufficientCpu
            | R::InsufficientMemory
            | R::InsufficientStorage
            | R::InsufficientResource
            | R::Unschedulable
    )
}

/// Whether what is found is the scheduler's word on nodes.
pub(super) fn is_about_nodes(found: &[Finding]) -> bool {
    found.iter().any(|finding| is_full(finding.code) || is_of_nodes(finding.code))
}

/// Tells of a pod without a node what its cluster's nodes show beside the scheduler's word: that it will never fit, where the
/// scheduler says that nodes are full; of labels and taints who asked for them, and what there is instead.
pub(super) fn sharpen(found: &mut Vec<Finding>, seen: &Seen) {
    let full = found.iter().any(|finding| finding.blocking && is_full(finding.code));
    for reason in seen.reasons() {
        match found.iter_mut().find(|finding| finding.code == reason.code) {
            Some(same) => {
                let Finding { hint, set_by, evidence, .. } = reason;
                (same.hint, same.set_by) = (hint, set_by);
                same.evidence.extend(evidence);
            }
            None if full && is_for_ever(reason.code) => found.push(reason),
            None => {}
        }
    }
    // The scheduler says of each node what it met first, so that both words come together; the nodes show which of them keeps the
    // pod from all.
    let one_of = |code| matches!(code, Reason::NoNodeMatchesSelector | Reason::UntoleratedTaint);
    if let Some(all) = seen.reasons().map(|reason| reason.code).find(|code| one_of(*code)) {
        found.iter_mut().filter(|finding| one_of(finding.code) && finding.code != all).for_each(|finding| finding.blocking = false);
    }
    if found.iter().any(|finding| is_for_ever(finding.code)) {
        found.iter_mut().filter(|finding| is_full(finding.code)).for_each(|finding| finding.blocking = false);
    }
}

impl App {
    /// What the nodes of a runner's cluster show of a task's pod; none where the runner tells no nodes, or makes no pod of it.
    pub(super) fn seen_by_nodes(&self, runner: &RunnerName, task: &TaskRecord) -> Option<Seen> {
        let (spec, queue) = (&task.spec, self.queues.get(task.spec.queue.as_str())?);
        let facts =
            Facts { id: task.id.0, attempt: task.attempt.0, runner: Some(runner.as_str()), ..orders::facts(spec, &task.user, &queue) };
        self.on_nodes(runner, (spec, &queue), facts)
    }

    /// The same of a task that may not be there yet.
    pub(super) fn on_nodes(&self, runner: &RunnerName, (spec, queue): (&TaskSpec, &Arc<NewQueue>), facts: Facts<'_>) -> Option<Seen> {
        let (at, nodes) = self.nodes.of(runner).filter(|_| queue.object.is_none())?;
        let (doc, offer) = self.offer(runner)?;
        let prepared = self.templates.prepare((runner, &doc), &offer, (&spec.queue, queue), Some(&spec.overrides.variables));
        let made = prepared.as_ref().as_ref().ok()?.render(&orders::layer(spec, queue, facts)).ok()?;
        Some(Seen { runner: runner.clone(), at, findings: lint(&made.manifest, &made.origins, Some(&nodes)) })
    }

    /// That no cluster of a queued task's queue will ever have a place for it, beside what holds it up now; none where one may, or
    /// does not tell its nodes.
    pub(super) fn nowhere(&self, task: &TaskRecord) -> Option<Finding> {
        let queue = task.spec.queue.as_str();
        let mut first = None;
        for (runner, doc) in self.runners.all() {
            let serves = doc.queues.iter().any(|served| served == "*" || served == queue);
            if doc.cluster.is_none() || !serves || !self.is_heard(&runner) {
                continue;
            }
            let never = self.seen_by_nodes(&runner, task)?.reasons().next()?;
            first.get_or_insert(never);
        }
        first.map(Finding::beside)
    }
}
