//! What a queue's pods are, at a glance.

use crate::{domain::pod::TASK_CONTAINER, wire::Queue};
use serde_json::Value;

/// The image that a queue's tasks run in.
pub(super) fn image(queue: &Queue) -> Option<&str> {
    task_container(queue).and_then(|container| container["image"].as_str()).or(queue.defaults.image.as_deref())
}

/// What the task's container asks for beyond processors and memory: `2 nvidia.com/gpu`.
pub(super) fn devices(queue: &Queue) -> Option<String> {
    let limits = task_container(queue)?.pointer("/resources/limits")?.as_object()?;
    // Only the names of what a node's plugins offer have a domain.
    let devices = limits.iter().filter(|(name, _)| name.contains('/'));
    let told: Vec<String> =
        devices.map(|(name, count)| format!("{} {name}", count.as_str().map_or(count.to_string(), str::to_owned))).collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// The container of a queue's template that its tasks run in: `task` or one without a name, else the first.
fn task_container(queue: &Queue) -> Option<&Value> {
    let containers = queue.pod_template.as_ref()?.pointer("/spec/containers")?.as_array()?;
    let is_task = |container: &&Value| container["name"].as_str().is_none_or(|name| name == TASK_CONTAINER);
    containers.iter().find(is_task).or(containers.first())
}
