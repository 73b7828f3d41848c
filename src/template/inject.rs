//! What brings the agent into a pod, and what marks the objects as an attempt's.

use super::{Injection, builtin::NOBODY, reserved::VOLUME_PREFIX, secrets};
use crate::domain::{
    Mounts,
    pod::{
        self, AGENT, AGENT_CONTAINER, AGENT_DIR, CACHE_DIR, GIT_DIR, POD_UID, SECRET_ENV, SECRET_FILES, START_DIR, START_VOLUME,
        TERMINATION_LOG, WORK_DIR,
    },
};
use serde_json::{Value, json};

/// How much an attempt's directory may hold: the spool of the log, and what the task leaves in it.
const WORK_BYTES: &str = "4Gi";
/// How much the agent's program may take.
const AGENT_BYTES: &str = "64Mi";

/// Adds the agent to the pod of a Job. `task` is the index of the task's container.
pub(super) fn inject(job: &mut Value, task: usize, injection: &Injection<'_>) {
    let name = pod::object_name(job["metadata"]["name"].as_str(), injection.instance, injection.of);
    job["metadata"]["name"] = name.as_str().into();
    label(&mut job["metadata"], injection);
    let template = &mut job["spec"]["template"];
    label(&mut template["metadata"], injection);
    let spec = &mut template["spec"];
    let start = start_volume(spec, &name);
    push(spec, "volumes", start);
    push(spec, "initContainers", agent(injection));
    if !injection.use_image_entrypoint {
        push(spec, "volumes", json!({"name": volume("bin"), "emptyDir": {"sizeLimit": AGENT_BYTES}}));
        push(spec, "volumes", json!({"name": volume("work"), "emptyDir": {"sizeLimit": WORK_BYTES}}));
        let files = secrets::files(&spec["containers"][task], spec);
        supervise(&mut spec["containers"][task], &files);
        supply(spec, task, injection.mounts);
    }
}

fn volume(of: &str) -> String {
    format!("{VOLUME_PREFIX}{of}")
}

/// Adds to a list, which is made where it is absent.
fn push(parent: &mut Value, field: &str, item: Value) {
    match &mut parent[field] {
        Value::Array(items) => items.push(item),
        absent => *absent = json!([item]),
    }
}

fn label(metadata: &mut Value, injection: &Injection<'_>) {
    for (key, value) in pod::labels(injection.instance, injection.runner, injection.of, injection.queue, injection.claim) {
        metadata["labels"][key] = value.into();
    }
}

/// The Secret with the assignment: for the pod's group, or for everyone in the pod where it has none.
fn start_volume(spec: &Value, secret: &str) -> Value {
    let mode = if spec["securityContext"]["fsGroup"].is_i64() { 0o440 } else { 0o444 };
    json!({"name": START_VOLUME, "secret": {"secretName": secret, "defaultMode": mode}})
}

fn pod_uid() -> Value {
    json!({"name": POD_UID, "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}})
}

/// The init container: it puts the agent's program into place, or, where the image's entrypoint is the command, asks for
/// the start. It is the last one, so that a start means that all others succeeded. Its resources leave the pod's sum and
/// its quality of service as they are.
fn agent(injection: &Injection<'_>) -> Value {
    let mut container = json!({
        "name": AGENT_CONTAINER,
        "image": injection.agent_image,
        "resources": {"limits": {"cpu": "100m", "memory": "64Mi"}, "requests": {"cpu": "100m", "memory": "64Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": true,
            "runAsGroup": NOBODY,
            "runAsNonRoot": true,
            "runAsUser": NOBODY,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    });
    if let Some(policy) = injection.agent_pull_policy {
        container["imagePullPolicy"] = policy.into();
    }
    if injection.use_image_entrypoint {
        container["args"] = json!(["gate"]);
        container["env"] = json!([pod_uid()]);
        container["volumeMounts"] = json!([{"name": START_VOLUME, "mountPath": START_DIR, "readOnly": true}]);
        container["terminationMessagePath"] = TERMINATION_LOG.into();
        container["terminationMessagePolicy"] = "File".into();
    } else {
        container["args"] = json!(["install", AGENT_DIR]);
        container["volumeMounts"] = json!([{"name": volume("bin"), "mountPath": AGENT_DIR}]);
    }
    container
}

/// Adds what the queue has its agent find: what git needs to know itself by, and the cache.
fn supply(spec: &mut Value, task: usize, mounts: &Mounts) {
    let mut add = |name: &str, mut source: Value, path: &str, read_only: bool| {
        source["name"] = volume(name).into();
        push(spec, "volumes", source);
        let mut mount = json!({"name": volume(name), "mountPath": path});
        if read_only {
            mount["readOnly"] = true.into();
        }
        push(&mut spec["containers"][task], "volumeMounts", mount);
    };
    if let Some(secret) = &mounts.git_secret {
        // The agent makes copies that ssh takes: those of a Secret are never the user's own.
        add("git", json!({"secret": {"secretName": secret, "defaultMode": 0o444}}), GIT_DIR, true);
    }
    if let Some(claim) = &mounts.cache_claim {
        add("cache", json!({"persistentVolumeClaim": {"claimName": claim}}), CACHE_DIR, mounts.cache_read_only);
    }
}

/// Makes the agent the program of the task's container. It is told which variables and `files` there come from Secrets: their
/// names, for their values are never here.
fn supervise(container: &mut Value, files: &[String]) {
    for (list, names) in [(SECRET_ENV, secrets::variables(container).as_slice()), (SECRET_FILES, files)] {
        if !names.is_empty() {
            push(container, "env", json!({"name": list, "value": names.join(",")}));
        }
    }
    container["command"] = json!([AGENT, "run"]);
    if let Some(fields) = container.as_object_mut() {
        fields.remove("args");
    }
    push(container, "env", pod_uid());
    push(container, "volumeMounts", json!({"name": volume("bin"), "mountPath": AGENT_DIR, "readOnly": true}));
    push(container, "volumeMounts", json!({"name": START_VOLUME, "mountPath": START_DIR, "readOnly": true}));
    push(container, "volumeMounts", json!({"name": volume("work"), "mountPath": WORK_DIR}));
    container["terminationMessagePath"] = TERMINATION_LOG.into();
    container["terminationMessagePolicy"] = "File".into();
}
