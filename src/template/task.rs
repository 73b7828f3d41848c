//! The task layer: what a task may change of its pod.

use super::{Fault, TaskLayer, pointer::below};
use serde_json::{Value, json};

/// The resource of whole GPUs.
const GPU: &str = "nvidia.com/gpu";

/// What the names of resources that stand for accelerators begin with.
const ACCELERATORS: [&str; 6] = ["nvidia.com/", "amd.com/", "gpu.intel.com/", "habana.ai/", "google.com/tpu", "aws.amazon.com/neuron"];

/// Applies a task to the task's container, the first.
pub(super) fn apply(template: &mut Value, task: &TaskLayer<'_>) -> Vec<Fault> {
    let Some(container) = template.pointer_mut("/spec/containers/0") else { return Vec::new() };
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
        let resources = container["resources"][kind].as_object().into_iter().flatten();
        for (name, amount) in resources {
            if name != GPU && ACCELERATORS.iter().any(|prefix| name.starts_with(prefix)) {
                return Err(format!("the queue's template asks for {name} already: leave the GPUs to it"));
            }
            let given = amount.as_str().and_then(|amount| amount.parse::<u32>().ok());
            if name == GPU && given.is_none_or(|given| wanted > given) {
                let amount = amount.as_str().unwrap_or_default();
                return Err(format!("the queue's template gives {amount} GPUs; the task asks for {wanted}"));
            }
        }
    }
    Ok(())
}

/// Sets a variable in place of the template's of that name.
fn set(container: &mut Value, name: &str, value: &str) -> Result<(), &'static str> {
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
