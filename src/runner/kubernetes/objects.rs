//! The objects of one attempt, as they are sent to the API server. Pure.

use super::{config::Config, facts::KEEP_JOBS};
use crate::{
    domain::pod,
    template::{Fault, Injection, complete},
    wire::{Assignment, Hold, Times, handoff::files},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Secret and Job of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Objects {
    pub(super) namespace: String,
    /// Of both.
    pub(super) name: String,
    pub(super) secret: Value,
    pub(super) job: Value,
}

/// Faults in one line.
pub(super) fn told(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Makes them from what the server holds.
///
/// # Errors
/// Why what the server rendered cannot be completed.
pub(super) fn objects(hold: &Hold, instance: &str, config: &Config, times: &Times) -> Result<Objects, String> {
    let (Some(order), Some(start_token)) = (&hold.job, &hold.start_token) else { return Err("it has started".to_owned()) };
    let manifest = order.manifest.clone().ok_or("the server sent no manifest")?;
    let of = hold.attempt_ref();
    let injection = Injection {
        of,
        instance,
        runner: &config.name,
        queue: &hold.queue,
        claim: hold.claim,
        agent_image: &config.agent_image,
        agent_pull_policy: config.agent_pull_policy,
        use_image_entrypoint: order.use_image_entrypoint,
        timeout_seconds: order.timeout_seconds,
        grace_seconds: order.grace_seconds,
        mounts: &order.mounts,
    };
    let mut job = complete(manifest, &injection).map_err(|faults| told(&faults))?.manifest;
    let text = |pointer: &str| job.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let (Some(namespace), Some(name)) = (text("/metadata/namespace"), text("/metadata/name")) else {
        return Err("the rendered Job has no name or namespace".to_owned());
    };
    let keep = serde_json::to_string(&order.keep_jobs_seconds).unwrap_or_default();
    job["metadata"]["annotations"][KEEP_JOBS] = json!(keep);
    let assignment = Assignment {
        url: config.agent_url.clone(),
        ca: config.ca.clone(),
        task: of.task,
        attempt: of.attempt,
        start_token: start_token.clone().into(),
        uid: String::new(),
        env: BTreeMap::new(),
        cache: None,
        times: times.clone(),
    };
    let labels: BTreeMap<_, _> = pod::labels(instance, &config.name, of, &hold.queue, hold.claim).into_iter().collect();
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "immutable": true,
        "stringData": {files::ASSIGNMENT: serde_json::to_string(&assignment).unwrap_or_default()},
    });
    Ok(Objects { namespace, name, secret, job })
}
