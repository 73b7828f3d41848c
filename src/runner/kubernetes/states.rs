//! Where a custom resource stands, from its status, by the contract of its kind. Pure.
//!
//! An end counts only where the kind itself calls the whole over: never what single replicas, completions or an inner job
//! say.

use crate::domain::ObjectKind;
use serde_json::Value;

/// Where an object stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// It is there, and nothing of it runs yet.
    #[default]
    Created,
    /// Something holds it back.
    Suspended,
    /// It runs, or is on its way to its end.
    Running,
    /// It is over, and succeeded.
    Succeeded,
    /// It is over, and failed: why, in its controller's words.
    Failed(String),
}

impl State {
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed(_))
    }
}

/// The conditions that mean the end, for a kind of which nothing is known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ends<'a> {
    pub(super) succeeded: Option<&'a str>,
    pub(super) failed: Option<&'a str>,
}

/// Reads the state of an object of this kind.
pub(super) fn state(kind: Option<ObjectKind>, ends: Ends<'_>, object: &Value) -> State {
    let status = &object["status"];
    let suspended = object["spec"]["suspend"] == true || object["spec"]["runPolicy"]["suspend"] == true;
    let found = match kind {
        Some(ObjectKind::Kubeflow) => by_conditions(status, "Succeeded", "Failed").unwrap_or_else(|| {
            let runs = holds(status, "Running").or(holds(status, "Restarting")).is_some();
            if runs { State::Running } else { waits(status) }
        }),
        Some(ObjectKind::Job) => by_conditions(status, "Complete", "Failed").unwrap_or_else(|| {
            let runs = ["ready", "succeeded", "failed"].iter().any(|field| count(&status[field]) > 0);
            if runs { State::Running } else { waits(status) }
        }),
        Some(ObjectKind::JobSet) => job_set(status, "Completed", "replicatedJobsStatus"),
        Some(ObjectKind::TrainJob) => job_set(status, "Complete", "jobsStatus"),
        Some(ObjectKind::RayJob) => ray(status),
        Some(ObjectKind::VolcanoJob) => volcano(status),
        Some(ObjectKind::Workflow) => workflow(status),
        None => match (ends.succeeded, ends.failed) {
            (Some(succeeded), Some(failed)) => by_conditions(status, succeeded, failed).unwrap_or_default(),
            _ => State::Created,
        },
    };
    if found == State::Created && suspended { State::Suspended } else { found }
}

/// A condition that holds.
fn holds<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    status["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind && condition["status"] == "True")
}

/// The end that conditions tell. A failure is stronger than a success that is told beside it.
fn by_conditions(status: &Value, succeeded: &str, failed: &str) -> Option<State> {
    if let Some(condition) = holds(status, failed) {
        return Some(State::Failed(words(condition)));
    }
    holds(status, succeeded).map(|_| State::Succeeded)
}

fn waits(status: &Value) -> State {
    if holds(status, "Suspended").is_some() { State::Suspended } else { State::Created }
}

/// `reason: message`, as far as they are there.
fn words(said: &Value) -> String {
    let texts = ["reason", "message"].iter().filter_map(|field| said[field].as_str().filter(|text| !text.is_empty()));
    texts.collect::<Vec<_>>().join(": ")
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// `JobSet` and what is made of one: the end by conditions, the rest by what its Jobs do.
fn job_set(status: &Value, succeeded: &str, jobs: &str) -> State {
    by_conditions(status, succeeded, "Failed").unwrap_or_else(|| {
        let began = |job: &Value| ["ready", "succeeded", "failed"].iter().any(|field| count(&job[field]) > 0);
        if status[jobs].as_array().into_iter().flatten().any(began) { State::Running } else { waits(status) }
    })
}

/// `RayJob`: the deployment must be complete; what the job in it says counts only then. A failed job may be tried again
/// (`Retrying`).
fn ray(status: &Value) -> State {
    let job = status["jobStatus"].as_str().unwrap_or_default();
    let failed = || State::Failed(words(status));
    match status["jobDeploymentStatus"].as_str().unwrap_or_default() {
        "Complete" if job == "SUCCEEDED" => State::Succeeded,
        "Complete" | "Failed" | "ValidationFailed" => failed(),
        "Suspending" | "Suspended" => State::Suspended,
        "Running" | "Retrying" => State::Running,
        _ => State::Created,
    }
}

/// Volcano's `Job`: phases that end in -ing are on their way.
fn volcano(status: &Value) -> State {
    let state = &status["state"];
    match state["phase"].as_str().unwrap_or_default() {
        "Completed" => State::Succeeded,
        phase @ ("Failed" | "Terminated" | "Aborted") => State::Failed(match words(state) {
            words if words.is_empty() => phase.to_owned(),
            words => format!("{phase}: {words}"),
        }),
        "Running" | "Restarting" | "Completing" | "Terminating" | "Aborting" => State::Running,
        _ => State::Created,
    }
}

/// Argo's `Workflow`; its phase becomes final with its exit handlers.
fn workflow(status: &Value) -> State {
    match status["phase"].as_str().unwrap_or_default() {
        "Succeeded" => State::Succeeded,
        phase @ ("Failed" | "Error") => State::Failed(match words(status) {
            words if words.is_empty() => phase.to_owned(),
            words => words,
        }),
        "Running" => State::Running,
        _ => State::Created,
    }
}

#[cfg(test)]
mod tests;
