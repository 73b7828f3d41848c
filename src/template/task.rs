//! The task layer: what a task may change of its pod.

use super::{Fault, TaskLayer, pointer::below};
use serde_json::{Value, json};

/// The resource of whole GPUs.
const GPU: &str = "nvidia.com/gpu";

/// What the names of resources that stand for accelerators begin with.
const ACCELERATORS: [&str; 6] = ["nvidia.com/", "amd.com/", "gpu.intel.com/", "habana.ai/", "google.com/tpu", "aws.amazon.com/neuron"];

/// Applies a task to the task's container, the first of a template.
pub(super) fn apply(template: &mut Value, task: &TaskLayer<'_>) -> Vec<Fault> {
    template.pointer_mut("/spec/containers/0").map(|container| apply_to(container, task)).unwrap_or_default()
}

/// The same for the container itself.
pub(super) fn apply_to(container: &mut Value, task: &TaskLayer<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    if task.gpus > 0 {
        match gpus(container, task.gpus) {
            Ok(()) => {
                for kind in ["limits", "requests"] {
                    container["resources"][kind][GPU] = task.gpus.to_string().into();
                }
            }
            Err(message) => faults.push(Fault::new("/resources/gpus", message)),
        }
    }
    for (name, value) in task.env {
        if let Err(message) = set(container, name, value) {
            faults.push(Fault::new(below("/env", name), message));
        }
    }
    faults
}

/// Whether a template gives a task so many GPUs.
fn gpus(container: &Value, wanted: u32) -> Result<(), String> {
    for kind in ["limits", "requests"] {
        for (name, amount) in container["resources"][kind].as_object().into_iter().flatten() {
            if name != GPU && ACCELERATORS.iter().any(|prefix| name.starts_with(prefix)) {
                return Err(format!("the queue's template asks for {name} already: leave the GPUs to it"));
            }
            let amount = amount.as_str().map_or_else(|| amount.to_string(), str::to_owned);
            if name == GPU && amount.parse::<u32>().map_or(true, |given| wanted > given) {
                return Err(format!("the queue's template gives {amount} GPUs; the task asks for {wanted}"));
            }
        }
    }
    Ok(())
}

/// Sets a variable in place of the template's of that name.
pub(super) fn set(container: &mut Value, name: &str, value: &str) -> Result<(), &'static str> {
    // Kubernetes expands $(NAME) and takes $$ for a dollar.
    let variable = json!({"name": name, "value": value.replace('$', "$$")});
    match &mut container["env"] {
        Value::Array(env) => match env.iter_mut().find(|known| known["name"] == name) {
            Some(known) if known.get("valueFrom").is_some() => return Err("the queue's template takes it from elsewhere (valueFrom)"),
            Some(known) => *known = variable,
            None => env.push(variable),
        },
        absent => *absent = json!([variable]),
    }
    Ok(())
}
