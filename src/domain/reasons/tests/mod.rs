//! Cluster states as they are really written, and what follows from each.

mod catalogue;
mod containers;
mod endings;
mod states;
mod stray;

use crate::domain::evidence::{
    ApiRefusal, Condition, ContainerFacts, ContainerRole, ContainerState, Evidence, JobFacts, ObjectEvent, PodFacts,
};

/// The texts of a field that may be absent; an empty one is.
fn text(words: &str) -> Option<String> {
    (!words.is_empty()).then(|| words.to_owned())
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Condition {
    Condition { kind: kind.into(), status: status.into(), reason: text(reason), message: text(message), at: None }
}

fn container(name: &str, role: ContainerRole, state: ContainerState) -> ContainerFacts {
    ContainerFacts { name: name.into(), role, image: "registry.example/train:1".into(), state }
}

fn waiting(reason: &str, message: &str) -> ContainerState {
    ContainerState::Waiting { reason: text(reason), message: text(message) }
}

fn terminated(exit_code: i32, reason: &str, message: &str) -> ContainerState {
    ContainerState::Terminated { exit_code, signal: None, reason: text(reason), message: text(message) }
}

/// A pod on a node with one container of the task in this state.
fn pod(phase: &str, task: ContainerState) -> PodFacts {
    PodFacts {
        name: "slw-k3f9a-1-a1-x7k2p".into(),
        uid: "u1".into(),
        node: text("gpu-07"),
        phase: phase.into(),
        conditions: vec![Condition { kind: "PodScheduled".into(), status: "True".into(), ..Condition::default() }],
        containers: vec![container("task", ContainerRole::Task, task)],
        ..PodFacts::default()
    }
}

/// A pod without a node, with the scheduler's words.
fn unplaced(message: &str) -> PodFacts {
    PodFacts {
        node: None,
        conditions: vec![condition("PodScheduled", "False", "Unschedulable", message)],
        ..pod("Pending", ContainerState::Unknown)
    }
}

fn job() -> JobFacts {
    JobFacts { namespace: "tasks".into(), name: "slw-k3f9a-1-a1".into(), uid: "j1".into(), ..JobFacts::default() }
}

fn event(reason: &str, message: &str) -> ObjectEvent {
    ObjectEvent { about: "Pod".into(), reason: reason.into(), message: message.into(), kind: "Warning".into(), at: None }
}

fn with(pod: PodFacts, events: &[(&str, &str)]) -> Evidence {
    let events = events.iter().map(|(reason, message)| event(reason, message)).collect();
    Evidence { job: Some(job()), pod: Some(pod), events, ..Evidence::default() }
}

fn podless(reason: &str, message: &str) -> Evidence {
    let about = "Job".into();
    Evidence { job: Some(job()), events: vec![ObjectEvent { about, ..event(reason, message) }], ..Evidence::default() }
}

fn refusal(status: u16, reason: &str, message: &str) -> Evidence {
    let (verb, resource) = ("create".into(), "jobs".into());
    Evidence { refusal: Some(ApiRefusal { verb, resource, status, reason: reason.into(), message: message.into() }), ..Evidence::default() }
}

fn disrupted(reason: &str) -> PodFacts {
    let mut pod = pod("Failed", terminated(137, "Error", ""));
    pod.conditions.push(condition("DisruptionTarget", "True", reason, "as the cluster says"));
    pod
}
