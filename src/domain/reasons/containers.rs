//! Pods on a node that do not run yet: mounts, sandboxes, images, containers.

use super::{
    Finding,
    ReasonClass::Change,
    image,
    text::{Words, between, container as quoted, event, line},
};
use crate::domain::{
    evidence::{ContainerFacts, ContainerState, ObjectEvent, PodFacts},
    state::Reason,
};

/// What keeps the containers from starting; empty where nothing is wrong.
pub(super) fn troubles(pod: &PodFacts, events: &[ObjectEvent]) -> Vec<Finding> {
    let mut found = sandbox(pod, events);
    for container in &pod.containers {
        let ContainerState::Waiting { reason: Some(reason), message } = &container.state else { continue };
        let Some(finding) = waiting(container, reason, message.as_deref().unwrap_or_default(), events) else { continue };
        if !found.iter().any(|f| (f.code, &f.message) == (finding.code, &finding.message)) {
            found.push(finding);
        }
    }
    found
}

/// What a container waits for.
fn waiting(container: &ContainerFacts, reason: &str, message: &str, events: &[ObjectEvent]) -> Option<Finding> {
    if let Some(finding) = image::finding(container, reason, message, events) {
        return Some(finding);
    }
    let quotes = vec![quoted(container)];
    let name = line(&container.name);
    match reason {
        "" | "ContainerCreating" | "PodInitializing" => image::foretold(container, events),
        "CreateContainerConfigError" => Some(misconfigured(name, message, quotes)),
        "CreateContainerError"
        | "RunContainerError"
        | "StartError"
        | "ContainerCannotRun"
        | "PostStartHookError"
        | "PreStartHookError"
        | "PreCreateHookError" => Some(uncreated(name, message, quotes)),
        "CrashLoopBackOff" => {
            let message = format!("The container {name} ends again and again: {}", line(message));
            Some(Finding::new(Reason::ContainerNotCreated, message, quotes).hint(format!("Read its log: kubectl logs POD -c {name}")))
        }
        other => Some(Finding::new(Reason::Unknown, format!("The container {name} waits: {}", line(other)), quotes)),
    }
}

fn misconfigured(name: &str, message: &str, quotes: Vec<super::Quote>) -> Finding {
    let words = Words::of(message);
    if words.any(&["run as root", "non-numeric user", "runasnonroot"]) {
        let message = format!("The image of {name} runs as root, which the pod does not allow: {}", line(message));
        let hint = "Set securityContext.runAsUser in the queue's template, or build the image with a numeric user.";
        return Finding::new(Reason::ContainerNotCreated, message, quotes).class(Change).hint(hint);
    }
    match missing(message) {
        Some(what) => Finding::new(Reason::SecretOrConfigMissing, format!("The container {name} needs {what}"), quotes),
        None => Finding::new(Reason::ContainerNotCreated, format!("The container {name} cannot be configured: {}", line(message)), quotes),
    }
}

/// The Secret, config map or key that a message misses.
fn missing(message: &str) -> Option<String> {
    let words = Words::of(message);
    if words.any(&["couldn't find key", "references non-existent"]) {
        return Some(format!("a key that is not there: {}", line(message)));
    }
    let kind = if words.any(&["secret \""]) { "secret" } else { "configmap" };
    if !words.any(&["secret \"", "configmap \""]) || !words.any(&["not found"]) {
        return None;
    }
    let name = between(message, &format!("{kind} \""), "\"").unwrap_or_default();
    Some(format!("the {kind} {}, which does not exist", line(name)))
}

/// A container that the runtime cannot make or start.
pub(super) fn uncreated(name: &str, message: &str, quotes: Vec<super::Quote>) -> Finding {
    let words = Words::of(message);
    if words.any(&["nvidia-container-cli", "cdi device", "nvml", "failed to inject"]) {
        return Finding::new(Reason::GpuNotInjected, format!("The node cannot give {name} its device: {}", line(message)), quotes);
    }
    Finding::new(Reason::ContainerNotCreated, format!("The container {name} cannot be started: {}", line(message)), quotes)
}

/// Mounts and the pod's sandbox come before every container; once one has been pulled for, they are there.
fn sandbox(pod: &PodFacts, events: &[ObjectEvent]) -> Vec<Finding> {
    let begun = |c: &ContainerFacts| matches!(c.state, ContainerState::Running | ContainerState::Terminated { .. });
    if pod.node.is_none() || pod.containers.iter().any(begun) {
        return Vec::new();
    }
    let since_ready =
        events.iter().rposition(|e| ["Pulling", "Pulled", "Created", "Started"].contains(&e.reason.as_str())).map_or(0, |at| at + 1);
    let mut found: Vec<Finding> = Vec::new();
    for said in events[since_ready..].iter().rev() {
        let text = line(&said.message);
        let finding = match said.reason.as_str() {
            "FailedMount" | "FailedMapVolume" => match missing(&said.message) {
                Some(what) => Finding::new(Reason::SecretOrConfigMissing, format!("A volume of the pod needs {what}"), vec![event(said)]),
                None => Finding::new(Reason::VolumeMountTimeout, format!("A volume cannot be mounted: {text}"), vec![event(said)]),
            },
            "FailedAttachVolume" => {
                Finding::new(Reason::VolumeMountTimeout, format!("A volume cannot be attached: {text}"), vec![event(said)])
            }
            "FailedCreatePodSandBox"
                if Words::of(&said.message).any(&["no runtime for", "runtime handler", "runtimehandler", "runtimeclass"]) =>
            {
                Finding::new(Reason::RuntimeClassMissing, format!("The node does not know the pod's runtime: {text}"), vec![event(said)])
            }
            "FailedCreatePodSandBox" => {
                Finding::new(Reason::ContainerNotCreated, format!("The node cannot make the pod's sandbox: {text}"), vec![event(said)])
                    .hint("See the node's container runtime and network plugin.")
            }
            _ => continue,
        };
        if !found.iter().any(|f| f.code == finding.code) {
            found.push(finding);
        }
    }
    found
}
