//! Pods that no node has taken: what scheduler and autoscaler say.

use super::{
    Finding, Quote,
    ReasonClass::{Escalate, Wait},
    scheduler::{self, Rejection},
    text::{condition, event, line},
};
use crate::domain::{
    evidence::{Evidence, ObjectEvent, PodFacts},
    state::Reason,
};

/// Why the pod has no node; empty where it has one, or nothing is said.
pub(super) fn unplaced(evidence: &Evidence, pod: &PodFacts) -> Vec<Finding> {
    let scheduled = pod.condition("PodScheduled");
    if pod.node.is_some() || scheduled.is_some_and(|c| c.status == "True") {
        return Vec::new();
    }
    let mut found = by_autoscaler(&evidence.events);
    let scaling = found.iter().any(|f| f.code == Reason::ScalingUp);
    let told = match scheduled.filter(|c| c.status == "False") {
        Some(said) if said.reason.as_deref() == Some("SchedulingGated") => {
            let message = "The pod bears scheduling gates: whoever set them has not let it go yet";
            let hint = "See who is to take the gates away: kubectl get pod POD -o jsonpath={.spec.schedulingGates}";
            found.push(Finding::new(Reason::Unschedulable, message, vec![condition(said)]).hint(hint));
            return found;
        }
        Some(said) => said.message.as_deref().map(|text| (text, condition(said))),
        None => None,
    };
    let by_event = || evidence.events.iter().rev().find(|e| e.reason == "FailedScheduling").map(|e| (e.message.as_str(), event(e)));
    if let Some((text, quote)) = told.or_else(by_event) {
        found.extend(by_scheduler(text, &quote, scaling));
    }
    // Where some node only has to become free, the autoscaler's refusal holds nothing up.
    if found.iter().any(|f| f.blocking && f.class == Wait) {
        for refused in found.iter_mut().filter(|f| f.code == Reason::ScaleUpRefused) {
            refused.blocking = false;
        }
    }
    found
}

/// A node that is only full has passed every other test, so being full is what holds the pod up, and the rest does not.
fn by_scheduler(text: &str, quote: &Quote, scaling: bool) -> Vec<Finding> {
    let rejections = scheduler::rejections(text);
    if rejections.is_empty() {
        return vec![Finding::new(Reason::Unschedulable, "No node takes the pod", vec![quote.clone()])];
    }
    let full = rejections.iter().any(|r| r.class == Wait && r.code != Reason::Unschedulable);
    let elsewhere = rejections.iter().any(|r| !r.control_plane);
    let holds = |r: &Rejection| !scaling && (!full || r.class == Wait) && (!elsewhere || !r.control_plane);
    rejections
        .iter()
        .map(|r| {
            let finding = Finding::new(r.code, r.message.clone(), vec![quote.clone()]).class(r.class);
            let finding = match r.hint {
                Some(hint) => finding.hint(hint),
                None => finding,
            };
            if holds(r) { finding } else { finding.beside() }
        })
        .collect()
}

/// The autoscaler's newest word.
fn by_autoscaler(events: &[ObjectEvent]) -> Vec<Finding> {
    let word = |e: &ObjectEvent| match e.reason.as_str() {
        "TriggeredScaleUp" | "Nominated" => Some(Reason::ScalingUp),
        "NotTriggerScaleUp" | "FailedScaleUp" => Some(Reason::ScaleUpRefused),
        // Karpenter says it under the scheduler's word.
        "FailedScheduling" if e.message.starts_with("Failed to schedule pod, ") => Some(Reason::ScaleUpRefused),
        _ => None,
    };
    let Some((code, said)) = events.iter().rev().find_map(|e| Some((word(e)?, e))) else { return Vec::new() };
    let (message, class) = match code {
        Reason::ScalingUp => ("A node is being added", Wait),
        _ => ("The autoscaler adds no node", Escalate),
    };
    vec![Finding::new(code, format!("{message}: {}", line(&said.message)), vec![event(said)]).class(class)]
}
