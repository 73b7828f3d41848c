//! Why an attempt that left no result is over.

use super::{
    Finding, Quote, admission, containers, image,
    patience::{Patience, failure, patience},
    scheduler::insufficient,
    text::{condition, container as quoted, cut, event, line, sentence},
};
use crate::domain::{
    evidence::{Condition, ContainerFacts, ContainerRole, ContainerState, Evidence, Gone, PodFacts},
    outcome::AttemptResult,
    state::{FailureClass, Reason},
};

/// The most bytes of a message that is stored with an attempt.
const MAX_MESSAGE: usize = 1_024;

/// The agent's exit codes: it was superseded or cancelled, its set-up failed, itself or its machine was at fault.
const SUPERSEDED: i32 = 97;
const SETUP: i32 = 98;
const FAULT: i32 = 99;

/// Why an attempt without a result is over. `started`: whether its agent, or the gate in its place, passed the exclusive
/// start. Never a success: without a result no exit code counts.
#[must_use]
pub fn ended(evidence: &Evidence, started: bool) -> (FailureClass, Reason, String) {
    let (class, reason, message) = disturbed(evidence, started)
        .or_else(|| unstarted(evidence).filter(|_| !started))
        .or_else(|| by_containers(evidence, started))
        .unwrap_or_else(|| unexplained(started));
    (class, reason, cut(&message, MAX_MESSAGE).to_owned())
}

type Cause = (FailureClass, Reason, String);

/// The same as the one reason of an attempt that is over before it started; none while something of it may still run.
pub(super) fn over(evidence: &Evidence) -> Option<Finding> {
    let pod = evidence.pod.as_ref();
    let disrupted = pod.and_then(disruption);
    let leaving = pod.is_some_and(|p| p.deleting) || evidence.job.as_ref().is_some_and(|j| j.deleting) || evidence.gone.is_some();
    if !(leaving || disrupted.is_some() || pod.is_some_and(PodFacts::is_terminal)) {
        return None;
    }
    let (_, code, message) = ended(evidence, false);
    Some(Finding::new(code, sentence(&message), quotes(evidence)))
}

/// What the evidence holds of an end, quoted: how the API server refused, disruption, the pod's status, what its containers
/// ended with or never got beyond, what is gone.
#[must_use]
pub fn quotes(evidence: &Evidence) -> Vec<Quote> {
    let mut quotes: Vec<_> = evidence.refusal.iter().map(admission::quoted).collect();
    if let Some(pod) = &evidence.pod {
        quotes.extend(disruption(pod).map(condition));
        quotes.push(Quote::new("Pod phase", pod.phase.clone()));
        quotes.extend(pod.reason.as_ref().map(|reason| Quote::new("Pod reason", told(reason, pod.message.as_deref()))));
        let (telling, silent): (Vec<_>, Vec<_>) = pod.containers.iter().partition(|c| telling(&c.state));
        quotes.extend(telling.into_iter().map(quoted));
        quotes.extend(silent.into_iter().filter_map(|c| image::foretelling(c, &evidence.events)).map(event));
    }
    if let Some(job) = &evidence.job {
        quotes.extend(job.conditions.iter().filter(|c| matches!(c.kind.as_str(), "Failed" | "FailureTarget")).map(condition));
    }
    let deleting = [("Job", evidence.job.as_ref().is_some_and(|j| j.deleting)), ("Pod", evidence.pod.as_ref().is_some_and(|p| p.deleting))];
    quotes.extend(
        deleting.into_iter().filter(|(_, deleting)| *deleting).map(|(what, _)| Quote::new(format!("{what} deletionTimestamp"), "set")),
    );
    quotes.extend(evidence.gone.map(|gone| Quote::new(if gone == Gone::Job { "Job" } else { "Pod" }, "404 Not Found")));
    quotes
}

/// Whether a container's state says more than that it is its turn soon, or that all is well.
fn telling(state: &ContainerState) -> bool {
    match state {
        ContainerState::Terminated { .. } => true,
        ContainerState::Waiting { reason, .. } => {
            reason.as_deref().is_some_and(|reason| !matches!(reason, "PodInitializing" | "ContainerCreating"))
        }
        ContainerState::Unknown | ContainerState::Running => false,
    }
}

/// The result of an attempt without an agent, whose image's own entry point is the command: what the container ended with.
/// None while it has not ended, where it never began, and where somebody made it end, which [`ended`] explains.
#[must_use]
pub fn agentless(evidence: &Evidence) -> Option<AttemptResult> {
    let task = evidence.pod.as_ref()?.task()?;
    let ContainerState::Terminated { exit_code, signal, reason, .. } = &task.state else { return None };
    let oom_killed = reason.as_deref() == Some("OOMKilled");
    let disturbed = disturbed(evidence, true).is_some_and(|(class, ..)| class != FailureClass::Oom);
    if disturbed || unknown_end(*exit_code, reason.as_deref()) || never_began(reason.as_deref()) {
        return None;
    }
    Some(AttemptResult { exit_code: Some(*exit_code), signal: signal.filter(|s| *s != 0), oom_killed, ..AttemptResult::default() })
}

/// A better reason of the same class, where the evidence names one: an agent told to go knows only that.
#[must_use]
pub fn refine(class: FailureClass, reason: Reason, evidence: &Evidence) -> Option<Reason> {
    if (class, reason) != (FailureClass::Infra, Reason::Evicted) {
        return None;
    }
    let (better, named, _) = disturbed(evidence, true)?;
    (better == class && named != reason).then_some(named)
}

/// What came from outside: disruption, eviction, a deadline, the memory limit, a deletion.
fn disturbed(evidence: &Evidence, started: bool) -> Option<Cause> {
    use {FailureClass as C, Reason as R};
    let pod = evidence.pod.as_ref();
    if let Some(target) = pod.and_then(disruption) {
        let (reason, what) = match target.reason.as_deref().unwrap_or_default() {
            "PreemptionByScheduler" => (R::Preempted, "preempted by a pod of higher priority"),
            "DeletionByTaintManager" => (R::NodeLost, "its node was given up"),
            "DeletionByPodGC" => (R::NodeLost, "its node is gone"),
            "EvictionByEvictionAPI" => (R::Evicted, "evicted, as by a drain"),
            "TerminationByKubelet" => (R::Evicted, "its node told it to go"),
            _ => (R::Evicted, "disrupted"),
        };
        return Some((C::Infra, reason, told(what, target.message.as_deref())));
    }
    if let Some(cause) = pod.and_then(|pod| rejected(pod, started)) {
        return Some(cause);
    }
    let job = evidence.job.as_ref();
    let failed =
        job.and_then(|j| j.conditions.iter().find(|c| matches!(c.kind.as_str(), "Failed" | "FailureTarget") && c.status == "True"));
    match failed.and_then(|c| c.reason.as_deref().map(|reason| (reason, c))) {
        Some(("DeadlineExceeded", said)) => return Some(deadline(started, said.message.as_deref())),
        Some(("PodFailurePolicy", said)) if said.message.as_deref().is_some_and(|m| m.contains("DisruptionTarget")) => {
            return Some((C::Infra, R::Evicted, told("its pod was disrupted", said.message.as_deref())));
        }
        _ => {}
    }
    if let Some(killed) = pod.and_then(|pod| pod.containers.iter().find(|c| c.role != ContainerRole::Sidecar && oom(c))) {
        return Some((C::Oom, R::OomKilled, format!("the container {} was killed at its memory limit", line(&killed.name))));
    }
    let what = match (evidence.gone, job.is_some_and(|j| j.deleting), pod.is_some_and(|p| p.deleting)) {
        (Some(Gone::Job), ..) => "its Job is gone without our doing",
        (Some(Gone::Pod), ..) => "its pod is gone without our doing",
        (None, true, _) => "somebody deleted its Job",
        (None, false, true) => "somebody deleted its pod",
        (None, false, false) => return None,
    };
    Some((C::Infra, R::PodDeleted, what.to_owned()))
}

/// What the kubelet did to the pod as a whole.
fn rejected(pod: &PodFacts, started: bool) -> Option<Cause> {
    use {FailureClass as C, Reason as R};
    let word = pod.reason.as_deref()?;
    let (reason, what) = match word {
        "Evicted" => (R::Evicted, "evicted by its node"),
        "Preempting" => (R::Preempted, "preempted by its node"),
        "NodeShutdown" | "Shutdown" | "Terminated" => (R::Evicted, "its node shut down"),
        "NodeLost" => (R::NodeLost, "its node is lost"),
        "DeadlineExceeded" => return Some(deadline(started, pod.message.as_deref())),
        "UnexpectedAdmissionError" => (R::GpuNotInjected, "the node could not allocate its devices"),
        "NodeAffinity" => (R::NoNodeMatchesSelector, "the node's labels changed under it"),
        "TopologyAffinityError" => (R::AffinityUnsatisfied, "the node cannot give resources that stand together"),
        other => (insufficient(other.strip_prefix("OutOf")?), "the node was full when the pod came"),
    };
    Some((C::Infra, reason, told(what, pod.message.as_deref())))
}

/// A deadline before the start is not the command's.
fn deadline(started: bool, message: Option<&str>) -> Cause {
    if started {
        (FailureClass::Timeout, Reason::DeadlineExceeded, told("its pod reached its deadline", message))
    } else {
        (FailureClass::Infra, Reason::AgentNotStarted, told("the pod's deadline passed before the agent started", message))
    }
}

/// What keeps containers from starting, where that alone is a reason to fail.
fn unstarted(evidence: &Evidence) -> Option<Cause> {
    let pod = evidence.pod.as_ref()?;
    let troubles = containers::troubles(pod, &evidence.events);
    (patience(&troubles) != Patience::Pending).then(|| failure(&troubles))
}

/// What the containers left: the agent's own word, or an end that nobody explains.
fn by_containers(evidence: &Evidence, started: bool) -> Option<Cause> {
    use {FailureClass as C, Reason as R};
    let pod = evidence.pod.as_ref()?;
    let dead = |c: &&ContainerFacts| matches!(&c.state, ContainerState::Terminated { exit_code, .. } if c.role == ContainerRole::Task || *exit_code != 0);
    // Init containers come first, and the first that failed is why nothing after it ran.
    let container = pod.containers.iter().filter(|c| c.role != ContainerRole::Sidecar).find(dead)?;
    let ContainerState::Terminated { exit_code, reason, message, .. } = &container.state else { return None };
    let name = line(&container.name);
    let said = message.as_deref().filter(|m| !m.trim().is_empty());
    if container.role == ContainerRole::Init {
        return Some((C::Setup, R::SetupFailed, told(&format!("the init container {name} ended with exit code {exit_code}"), said)));
    }
    if never_began(reason.as_deref()) {
        let finding = containers::uncreated(name, said.unwrap_or_default(), Vec::new());
        let (class, ..) = failure(std::slice::from_ref(&finding));
        return Some((class, finding.code, finding.message));
    }
    if unknown_end(*exit_code, reason.as_deref()) {
        let restarted = reason.as_deref() == Some("Unknown");
        let what = format!("the node lost track of the container {name}{}", if restarted { ", as when the machine restarts" } else { "" });
        return Some(if restarted { (C::Infra, R::NodeLost, what) } else { (C::Lost, R::AttemptLost, told(&what, said)) });
    }
    let fault = said.and_then(fault).or_else(|| said.map(str::to_owned));
    let fault = fault.as_deref();
    Some(match (*exit_code, started) {
        (SETUP, _) => (C::Setup, R::SetupFailed, told("code or environment could not be prepared", fault)),
        (SUPERSEDED, true) => (C::Lost, R::AttemptLost, told("the agent stood down", fault)),
        (FAULT, true) => (C::Lost, R::AttemptLost, told("the agent failed", fault)),
        (SUPERSEDED, false) => (C::Infra, R::AgentNotStarted, told("the agent was not let start", fault)),
        (code, true) => {
            (C::Lost, R::AttemptLost, told(&format!("the container {name} ended with exit code {code} and left no result"), fault))
        }
        (code, false) => {
            (C::Infra, R::AgentNotStarted, told(&format!("the container {name} ended with exit code {code} before the start"), fault))
        }
    })
}

fn unexplained(started: bool) -> Cause {
    if started {
        (FailureClass::Lost, Reason::AttemptLost, "it left no result, and nothing says why".to_owned())
    } else {
        (FailureClass::Infra, Reason::AgentNotStarted, "it ended before its agent started, and nothing says why".to_owned())
    }
}

fn disruption(pod: &PodFacts) -> Option<&Condition> {
    pod.condition("DisruptionTarget").filter(|c| c.status == "True")
}

fn oom(container: &ContainerFacts) -> bool {
    matches!(&container.state, ContainerState::Terminated { reason: Some(reason), .. } if reason == "OOMKilled")
}

/// Whether the runtime does not know how the container ended.
fn unknown_end(exit_code: i32, reason: Option<&str>) -> bool {
    reason == Some("ContainerStatusUnknown") || (exit_code == 255 && reason == Some("Unknown"))
}

/// Whether the container ended without its first process having begun.
fn never_began(reason: Option<&str>) -> bool {
    matches!(reason, Some("StartError" | "ContainerCannotRun" | "RunContainerError"))
}

/// The line for people in what an agent left behind (`wire::handoff::Testament`).
fn fault(message: &str) -> Option<String> {
    let testament: serde_json::Value = serde_json::from_str(message).ok()?;
    Some(testament.get("fault")?.get("message")?.as_str()?.to_owned())
}

fn told(what: &str, said: Option<&str>) -> String {
    match said.map(line).filter(|said| !said.is_empty()) {
        Some(said) => format!("{what}: {said}"),
        None => what.to_owned(),
    }
}
