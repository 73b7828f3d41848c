//! From a rendered Job to the one that is created.

use super::{Fault, Injection, Layer, Origins, Rendered, enforce, inject, reserved};
use crate::domain::pod::TASK_CONTAINER;
use serde_json::Value;

/// Adds what makes a rendered Job that of one attempt (agent, names, labels) and sets what must be so.
///
/// # Errors
/// Where it is no Job with a container for the task and a namespace, or says what no template may: the agent would not
/// live in it. The pointers lead into its pod template.
pub fn complete(manifest: Value, injection: &Injection<'_>) -> Result<Rendered, Vec<Fault>> {
    let origins = Origins::all(&manifest, None);
    complete_from(Rendered { manifest, origins }, injection)
}

/// The same where it is known who set what before.
///
/// # Errors
/// As [`complete`].
pub fn complete_from(rendered: Rendered, injection: &Injection<'_>) -> Result<Rendered, Vec<Fault>> {
    let Rendered { manifest, mut origins } = rendered;
    let template = &manifest["spec"]["template"];
    let mut faults = reserved::faults(template);
    let task = task_container(template);
    if manifest["kind"] != "Job" || !manifest["metadata"]["namespace"].is_string() {
        faults.push(Fault::new("", "not a Job with a namespace, as the server renders it"));
    }
    match task {
        Some(task) if faults.is_empty() => {
            let mut job = manifest;
            step(&mut job, &mut origins, Layer::Inject, |job| inject::inject(job, task, injection));
            step(&mut job, &mut origins, Layer::Enforce, |job| enforce::enforce(job, injection));
            Ok(Rendered { manifest: job, origins })
        }
        Some(_) => Err(faults),
        None => {
            faults.push(Fault::new("/spec/containers", "there is no container for the task"));
            Err(faults)
        }
    }
}

fn step(job: &mut Value, origins: &mut Origins, layer: Layer, change: impl FnOnce(&mut Value)) {
    let before = job.clone();
    change(job);
    origins.changed(&before, job, layer);
}

/// Which container the task runs in: the one called so, else the first.
fn task_container(template: &Value) -> Option<usize> {
    let containers = template["spec"]["containers"].as_array().filter(|containers| !containers.is_empty())?;
    Some(containers.iter().position(|container| container["name"] == TASK_CONTAINER).unwrap_or(0))
}
