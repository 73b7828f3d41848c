//! Everything that keeps an attempt from running.

use super::{
    Finding, Quote, ReasonClass, admission, containers, ended, placement,
    text::{container as quoted, event, line},
};
use crate::domain::{
    evidence::{ContainerState, Evidence, PodFacts},
    state::Reason,
};

/// Every reason why an attempt that has not started does not run yet, blocking ones first. Empty where there is no
/// evidence; what fits nothing known is `Unknown`.
#[must_use]
pub fn pending(evidence: &Evidence) -> Vec<Finding> {
    let mut found = ended::over(evidence).map_or_else(|| before_the_start(evidence), |over| vec![over]);
    if let Some(pod) = &evidence.pod {
        let name = |hint: String| hint.replace("POD", line(&pod.name)).replace("NODE", line(pod.node.as_deref().unwrap_or("NODE")));
        for finding in &mut found {
            finding.hint = finding.hint.take().map(name);
        }
    }
    found.sort_by_key(|f| !f.blocking);
    found
}

/// What keeps back what may still start.
fn before_the_start(evidence: &Evidence) -> Vec<Finding> {
    let mut found: Vec<Finding> = admission::refused(evidence).into_iter().collect();
    found.extend(admission::podless(evidence));
    if let Some(pod) = &evidence.pod {
        found.extend(placement::unplaced(evidence, pod));
        found.extend(containers::troubles(pod, &evidence.events));
    }
    if !found.iter().any(|f| f.blocking) {
        found.extend(progress(evidence));
    }
    if found.is_empty() && !evidence.events.is_empty() {
        let quotes = evidence.events.iter().map(event).collect();
        found.push(Finding::new(Reason::Unknown, "Nothing known follows from what the cluster says", quotes));
    }
    found
}

/// The strongest class among the blocking reasons: escalate, then change, then wait.
#[must_use]
pub fn verdict(findings: &[Finding]) -> Option<ReasonClass> {
    findings.iter().filter(|f| f.blocking).map(|f| f.class).max()
}

/// How far it has come where nothing is wrong.
fn progress(evidence: &Evidence) -> Option<Finding> {
    let Some(pod) = &evidence.pod else {
        let job = evidence.job.as_ref()?;
        let message = "The Job is there, its pod is not yet";
        return Some(Finding::new(Reason::Starting, message, vec![Quote::new("Job", job.name.clone())]));
    };
    let placed = pod.node.is_some() || pod.condition("PodScheduled").is_some_and(|c| c.status == "True");
    let phase = Quote::new("Pod phase", pod.phase.clone());
    if !placed && pod.phase == "Pending" {
        let message = "No node has taken the pod, and the scheduler has not said why";
        return Some(Finding::new(Reason::Unschedulable, message, vec![phase]));
    }
    if pod.phase == "Unknown" {
        let node = line(pod.node.as_deref().unwrap_or("of the pod"));
        let message = format!("The node {node} does not answer");
        return Some(Finding::new(Reason::Unknown, message, vec![phase]).hint("See whether the node is reachable: kubectl get nodes"));
    }
    Some(pulling(evidence, pod).unwrap_or_else(|| starting(pod, phase)))
}

/// The newest pull that has begun and not ended.
fn pulling(evidence: &Evidence, pod: &PodFacts) -> Option<Finding> {
    let waits = |image: &str| {
        pod.containers
            .iter()
            .any(|c| image.contains(&c.image) && matches!(c.state, ContainerState::Waiting { .. } | ContainerState::Unknown))
    };
    let at = evidence.events.iter().rposition(|e| e.reason == "Pulling" && waits(&e.message))?;
    let begun = &evidence.events[at];
    let done = evidence.events[at..].iter().any(|e| matches!(e.reason.as_str(), "Pulled" | "Created" | "Started"));
    let node = pod.node.as_deref().unwrap_or("the node");
    (!done).then(|| Finding::new(Reason::ImagePulling, format!("{}: {}", line(node), line(&begun.message)), vec![event(begun)]))
}

fn starting(pod: &PodFacts, phase: Quote) -> Finding {
    let next = pod.containers.iter().find(|c| !matches!(c.state, ContainerState::Terminated { .. }));
    match next {
        Some(c) if c.state == ContainerState::Running => {
            let message = format!("The container {} runs; the agent has not reported yet", line(&c.name));
            Finding::new(Reason::Starting, message, vec![phase, quoted(c)])
        }
        Some(c) => Finding::new(Reason::Starting, format!("The container {} is being made ready", line(&c.name)), vec![phase, quoted(c)]),
        None => Finding::new(Reason::Starting, "The pod is being made ready", vec![phase]),
    }
}
