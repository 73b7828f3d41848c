//! The task layer: what a task may change of its pod. Whether its queue allows it is asked before and after (`guard`); here
//! is what the template itself does not leave to a task.

use super::{Fault, TaskLayer, pointer::below};
use crate::domain::SecretUse;
use serde_json::{Value, json};

/// The resource of whole GPUs.
pub(super) const GPU: &str = "nvidia.com/gpu";
/// The volume of a task's Secrets.
pub(super) const SECRETS_VOLUME: &str = "task-secrets";
/// Where its files stand, in the task's container alone.
pub(super) const SECRETS_DIR: &str = "/secrets";

/// What the names of resources that stand for accelerators begin with.
const ACCELERATORS: [&str; 6] = ["nvidia.com/", "amd.com/", "gpu.intel.com/", "habana.ai/", "google.com/tpu", "aws.amazon.com/neuron"];

/// Applies a task to a template, whose first container is the task's.
pub(super) fn apply(template: &mut Value, task: &TaskLayer<'_>) -> Vec<Fault> {
    let mut faults = template.pointer_mut("/spec/containers/0").map(|container| apply_to(container, task)).unwrap_or_default();
    for (key, value) in task.node_selector {
        template["spec"]["nodeSelector"][key] = value.as_str().into();
    }
    let files: Vec<Value> = task.secrets.iter().filter_map(source).collect();
    if !files.is_empty() {
        let spec = &mut template["spec"];
        let mode = if spec["securityContext"]["fsGroup"].is_i64() { 0o440 } else { 0o444 };
        let volume = json!({"name": SECRETS_VOLUME, "projected": {"sources": files, "defaultMode": mode}});
        match &mut spec["volumes"] {
            Value::Array(volumes) if volumes.iter().any(|volume| volume["name"] == SECRETS_VOLUME) => {
                faults.push(Fault::new(
                    "/secrets",
                    format!("the queue's template has a volume {SECRETS_VOLUME}, which the files of Secrets need"),
                ));
            }
            Value::Array(volumes) => volumes.push(volume),
            absent => *absent = json!([volume]),
        }
    }
    faults
}

/// The file of a Secret as a part of their volume; none for one that becomes a variable.
fn source(used: &SecretUse) -> Option<Value> {
    let file = used.file.as_ref()?;
    Some(json!({"secret": {"name": used.secret, "items": [{"key": used.key, "path": file}]}}))
}

/// The part that concerns the container itself.
pub(super) fn apply_to(container: &mut Value, task: &TaskLayer<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Some(image) = task.image {
        container["image"] = image.into();
    }
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
    if let Some(cpu) = task.cpu {
        // A limit slows down what could run: it is set only where the template sets one.
        let limited = container["resources"]["limits"].get("cpu").is_some();
        for kind in ["requests", "limits"].into_iter().filter(|kind| limited || *kind == "requests") {
            container["resources"][kind]["cpu"] = cpu.to_string().into();
        }
    }
    if let Some(memory) = task.memory {
        for kind in ["requests", "limits"] {
            container["resources"][kind]["memory"] = memory.to_string().into();
        }
    }
    variables(container, task, &mut faults);
    secrets(container, task.secrets, &mut faults);
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

/// Sets the task's variables where no agent does, and refuses what is not the task's to set.
pub(super) fn variables(container: &mut Value, task: &TaskLayer<'_>, faults: &mut Vec<Fault>) {
    for (name, value) in task.env {
        let known = container["env"].as_array().into_iter().flatten().find(|known| known["name"] == *name);
        if task.is_own(name) {
            let wrong = match known {
                Some(known) if known.get("valueFrom").is_some() => Some("the queue's template takes it from elsewhere (valueFrom)"),
                Some(_) if !task.allow.names_env(name) => Some(
                    "the queue's template sets it, and the queue lets no task change that (allow.env); who has the role admin can change it (slipway queue apply)",
                ),
                _ => None,
            };
            if let Some(message) = wrong {
                faults.push(Fault::new(below("/env", name), message));
                continue;
            }
        }
        if task.env_in_pod && known.is_none_or(|known| known.get("valueFrom").is_none()) {
            // Kubernetes expands $(NAME) and takes $$ for a dollar.
            set(container, name, json!({"name": name, "value": value.replace('$', "$$")}));
        }
    }
}

/// Sets a variable in place of the template's of that name.
fn set(container: &mut Value, name: &str, variable: Value) {
    match &mut container["env"] {
        Value::Array(env) => match env.iter_mut().find(|known| known["name"] == name) {
            Some(known) => *known = variable,
            None => env.push(variable),
        },
        absent => *absent = json!([variable]),
    }
}

fn secrets(container: &mut Value, secrets: &[SecretUse], faults: &mut Vec<Fault>) {
    for (i, used) in secrets.iter().enumerate() {
        let Some(name) = &used.env else { continue };
        if container["env"].as_array().into_iter().flatten().any(|known| known["name"] == *name) {
            faults.push(Fault::new(format!("/secrets/{i}/env"), format!("the queue's template sets {name}: no task changes that")));
            continue;
        }
        set(container, name, json!({"name": name, "valueFrom": {"secretKeyRef": {"name": used.secret, "key": used.key}}}));
    }
    let Some(first) = secrets.iter().position(|used| used.file.is_some()) else { return };
    let mut mounts = container["volumeMounts"].as_array().into_iter().flatten().filter_map(|mount| mount["mountPath"].as_str());
    if let Some(taken) = mounts.find(|path| meets(path)) {
        faults.push(Fault::new(
            format!("/secrets/{first}/file"),
            format!("files of Secrets stand in {SECRETS_DIR}, and the queue's template mounts something at {taken}"),
        ));
        return;
    }
    let mount = json!({"name": SECRETS_VOLUME, "mountPath": SECRETS_DIR, "readOnly": true});
    match &mut container["volumeMounts"] {
        Value::Array(mounts) => mounts.push(mount),
        absent => *absent = json!([mount]),
    }
}

/// Whether a mount covers the directory of Secrets, or lies in it.
fn meets(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    parts.first().is_none_or(|first| *first == SECRETS_DIR.trim_start_matches('/') || *first == "..")
}
