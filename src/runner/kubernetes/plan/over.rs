//! What becomes of the objects of attempts that are over.

use super::{Act, Action, Rules, ms};
use crate::{
    runner::kubernetes::{
        facts::{SeenJob, SeenPod},
        sight::{Late, Observed},
    },
    wire::{ReportItem, ReportKind, Times, Verdict},
};
use std::time::Duration;

/// An attempt that the server does not hold for this runner.
pub(super) fn for_rest(seen: &Observed, rules: Rules<'_>, actions: &mut Vec<Action>) {
    match seen.verdict {
        // Not asked yet; or another look at the server will hold it.
        None | Some(Verdict::Live) => {}
        Some(Verdict::Unknown) => actions.push(Action::Strange(seen.of)),
        Some(Verdict::Superseded) => remove(seen, rules, actions),
        Some(Verdict::Ended) => {
            if seen.news && seen.pods.last().is_some_and(|pod| pod.facts.phase == "Failed") {
                let item = ReportItem::new(seen.of.task, seen.of.attempt, seen.claim, ReportKind::Evidence { phase: None });
                let uid = seen.pods.last().map(|pod| pod.facts.uid.clone());
                actions.push(Action::Report(Box::new(ReportItem { uid, evidence: Some(seen.evidence.clone()), ..item })));
            }
            if seen.ended_for.unwrap_or_default() >= stays(seen, rules.times) {
                remove(seen, rules, actions);
            }
        }
    }
}

/// How long the objects of an ended attempt stay.
pub(super) fn stays(seen: &Observed, times: &Times) -> Duration {
    let terminal = !seen.pods.is_empty() && seen.pods.iter().all(|pod| pod.facts.is_terminal());
    let Some(job) = &seen.job else { return Duration::ZERO };
    if terminal || (seen.pods.is_empty() && job.ended().is_some()) {
        return Duration::from_secs(if succeeded(seen, job) { job.keep.success } else { job.keep.failure });
    }
    // What runs is about to end by itself, and its kubelet to say so; a short task may have ended before it was ever seen
    // to run. What has no node shall not get one.
    let (began, placed) = (|pod: &SeenPod| pod.running(), |pod: &SeenPod| pod.facts.node.is_some());
    match seen.pods.last() {
        // Its agent was cut off from the server, and has the rest of the log.
        Some(pod) if began(pod) && seen.late == Late::Log => ms(times.finish_retry_ms),
        Some(pod) if began(pod) => ms(times.sweep_ms),
        Some(pod) if placed(pod) => ms(times.slot_release_ms.saturating_mul(2)),
        _ => Duration::ZERO,
    }
}

/// Whether it succeeded. An agent that could tell its result ends well itself, whatever the command did.
fn succeeded(seen: &Observed, job: &SeenJob) -> bool {
    if job.object.is_some() {
        return job.ended() == Some(true);
    }
    match seen.pods.iter().filter_map(|pod| pod.testament()?.result).next_back() {
        Some(result) => result.exit_code == Some(0) && result.stopped_by.is_none(),
        None => job.ended() == Some(true) || seen.pods.iter().any(|pod| pod.facts.phase == "Succeeded"),
    }
}

fn remove(seen: &Observed, rules: Rules<'_>, actions: &mut Vec<Action>) {
    match &seen.job {
        Some(job) if job.facts.deleting => {}
        // Its Secret must go with it, also where the process that made both died in between.
        Some(_) if !seen.owned => actions.push(Action::In(seen.of, Act::Adopt)),
        Some(_) => actions.push(Action::In(seen.of, Act::Delete(None))),
        None if is_left(seen, rules.times) && seen.pods.iter().any(|pod| !pod.facts.deleting) => {
            actions.push(Action::In(seen.of, Act::DeletePods));
        }
        None => {}
    }
}

/// For how many sweeps the cluster's garbage collector may take over pods that have lost their owner: with thousands of them it does.
const COLLECTED_SWEEPS: u64 = 10;

/// Whether nobody else removes pods without a Job: somebody made orphans of them, which takes their owner's name away, or the garbage
/// collector does not come.
fn is_left(seen: &Observed, times: &Times) -> bool {
    let orphans = seen.pods.iter().any(|pod| pod.owner.is_none() && !pod.facts.deleting);
    let sweeps = if orphans { 1 } else { COLLECTED_SWEEPS };
    seen.orphaned_for.is_some_and(|since| since >= ms(times.sweep_ms.saturating_mul(sweeps)))
}
