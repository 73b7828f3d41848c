//! What of a container comes from Secrets, by its names alone: what its agent has to keep out of the log.

use super::reserved::items;
use serde_json::Value;
use std::collections::BTreeSet;

/// The variables of a container that have their values from Secrets, as [`crate::domain::pod::SECRET_ENV`] lists them. What
/// a Secret brings as a whole is named by what the names begin with; without that nobody knows them before they are there.
pub(super) fn variables(container: &Value) -> Vec<String> {
    let single = items(container, "env").filter(|(_, variable)| variable["valueFrom"]["secretKeyRef"].is_object());
    let single = single.filter_map(|(_, variable)| Some(variable["name"].as_str()?.to_owned()));
    let whole = items(container, "envFrom").filter(|(_, from)| from["secretRef"].is_object());
    let whole = whole.map(|(_, from)| format!("{}*", from["prefix"].as_str().unwrap_or_default()));
    once(single.chain(whole))
}

/// Where files from Secrets, and tokens of service accounts that a volume asks for, stand in a container, as
/// [`crate::domain::pod::SECRET_FILES`] lists them.
pub(super) fn files(container: &Value, pod: &Value) -> Vec<String> {
    let secret = |volume: &Value| {
        let part = |(_, source): (usize, &Value)| source["secret"].is_object() || source["serviceAccountToken"].is_object();
        volume["secret"].is_object() || items(&volume["projected"], "sources").any(part)
    };
    let volumes: BTreeSet<&str> =
        items(pod, "volumes").filter(|(_, volume)| secret(volume)).filter_map(|(_, volume)| volume["name"].as_str()).collect();
    let mounts = items(container, "volumeMounts").filter(|(_, mount)| mount["name"].as_str().is_some_and(|name| volumes.contains(name)));
    once(mounts.filter_map(|(_, mount)| Some(mount["mountPath"].as_str()?.to_owned())))
}

/// Each once, in order. What has a comma in it cannot be listed.
fn once(names: impl Iterator<Item = String>) -> Vec<String> {
    names.filter(|name| !name.contains(',')).collect::<BTreeSet<_>>().into_iter().collect()
}
