//! What no template may say, because Slipway says it or the agent would not live with it.

use super::{
    Fault,
    lists::{List, list},
    pointer::below,
};
use crate::domain::{
    order::{WEIGHT_LABELS, not_a_weight},
    pod::{AGENT_CONTAINER, ENV_PREFIX, LABEL_PREFIX, ROOT_DIR, TERMINATION_LOG, is_dns_label},
    valid_label_key, valid_label_value,
};
use serde_json::Value;
use std::collections::BTreeSet;

/// What the names of our volumes begin with.
pub(super) const VOLUME_PREFIX: &str = "slipway-";

/// What is wrong with a pod template in itself: names that are ours, what would break the agent, doubles.
pub(super) fn faults(template: &Value) -> Vec<Fault> {
    let mut found = Vec::new();
    metadata(&template["metadata"], &mut found);
    pod(&template["spec"], &mut found);
    for field in ["containers", "initContainers"] {
        for (i, one) in items(&template["spec"], field) {
            container(&format!("/spec/{field}/{i}"), field, one, &mut found);
        }
    }
    doubles("", template, &mut found);
    found
}

/// The items of a list, numbered; none where there is no list.
pub(super) fn items<'a>(parent: &'a Value, field: &str) -> impl Iterator<Item = (usize, &'a Value)> {
    parent[field].as_array().into_iter().flatten().enumerate()
}

fn text<'a>(parent: &'a Value, field: &str) -> &'a str {
    parent[field].as_str().unwrap_or_default()
}

pub(super) fn metadata(metadata: &Value, found: &mut Vec<Fault>) {
    for (field, value) in metadata.as_object().into_iter().flatten() {
        let at = format!("/metadata/{field}");
        match field.as_str() {
            "labels" | "annotations" => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    let value = value.as_str().unwrap_or_default();
                    if field == "labels" && WEIGHT_LABELS.contains(&key.as_str()) {
                        found.extend(not_a_weight(key, value).map(|wrong| Fault::new(below(&at, key), wrong)));
                    } else if key.starts_with(LABEL_PREFIX) {
                        found.push(Fault::new(below(&at, key), format!("{LABEL_PREFIX} belongs to Slipway")));
                    } else if !valid_label_key(key) {
                        found.push(Fault::new(below(&at, key), format!("{key:?} is no legal key: [prefix/]name")));
                    } else if field == "labels" && !valid_label_value(value) {
                        found
                            .push(Fault::new(below(&at, key), format!("{value:?} is no legal label value (0 to 63 of A-Z a-z 0-9 . _ -)")));
                    }
                }
            }
            "name" | "namespace" if value.as_str().is_some_and(is_dns_label) => {}
            "name" | "namespace" => found.push(Fault::new(at, "lower-case letters, digits and dashes, at most 63")),
            "generateName" => found.push(Fault::new(at, "give a name instead: it is what the names of all Jobs begin with")),
            _ => found.push(Fault::new(at, "only labels, annotations, name and namespace can be set")),
        }
    }
}

fn pod(spec: &Value, found: &mut Vec<Fault>) {
    if spec.get("restartPolicy").is_some_and(|policy| policy != "Never") {
        found.push(Fault::new("/spec/restartPolicy", "must be Never: a task is tried again by Slipway (retries), in a pod of its own"));
    }
    if spec["os"]["name"] == "windows" {
        found.push(Fault::new("/spec/os/name", "the agent runs on Linux alone"));
    }
    if items(spec, "ephemeralContainers").next().is_some() {
        found.push(Fault::new("/spec/ephemeralContainers", "Kubernetes takes none in a new pod"));
    }
    for (i, volume) in items(spec, "volumes").filter(|(_, volume)| text(volume, "name").starts_with(VOLUME_PREFIX)) {
        let name = text(volume, "name");
        found.push(Fault::new(
            format!("/spec/volumes/{i}/name"),
            format!("{name}: names that begin with {VOLUME_PREFIX} belong to Slipway"),
        ));
    }
}

fn container(at: &str, field: &str, container: &Value, found: &mut Vec<Fault>) {
    if text(container, "name") == AGENT_CONTAINER {
        found.push(Fault::new(format!("{at}/name"), format!("the name {AGENT_CONTAINER} belongs to Slipway")));
    }
    if field == "containers" {
        for rule in ["restartPolicy", "restartPolicyRules"].into_iter().filter(|rule| container.get(rule).is_some()) {
            found.push(Fault::new(
                format!("{at}/{rule}"),
                "a container is not started again; one that helps goes into initContainers with Always",
            ));
        }
    }
    for (i, variable) in items(container, "env").filter(|(_, variable)| text(variable, "name").starts_with(ENV_PREFIX)) {
        let name = text(variable, "name");
        found.push(Fault::new(format!("{at}/env/{i}/name"), format!("{name}: names that begin with {ENV_PREFIX} belong to Slipway")));
    }
    for (i, mount) in items(container, "volumeMounts").filter(|(_, mount)| is_ours(text(mount, "mountPath"))) {
        let path = text(mount, "mountPath");
        let message = format!("{path}: {ROOT_DIR} and what is below it, / and {TERMINATION_LOG} belong to Slipway");
        found.push(Fault::new(format!("{at}/volumeMounts/{i}/mountPath"), message));
    }
}

/// Whether a mount there would cover what is ours.
fn is_ours(path: &str) -> bool {
    let mut parts = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    let inside = |ours: &str| ours.trim_start_matches('/') == parts.join("/");
    // A mount without a path is another fault.
    !path.is_empty() && (parts.is_empty() || parts[0] == ROOT_DIR.trim_start_matches('/') || inside(TERMINATION_LOG))
}

/// Two things of one name in a list that is merged by names: Kubernetes refuses them or takes either.
fn doubles(at: &str, value: &Value, found: &mut Vec<Fault>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let at = below(at, field);
                // Two ports differ by their protocols, two constraints by what they do.
                if let (List::By(key @ ("name" | "mountPath" | "devicePath" | "ip")), Some(items)) = (list(field), value.as_array()) {
                    let mut seen = BTreeSet::new();
                    for (i, name) in items.iter().enumerate().filter_map(|(i, item)| Some((i, item[key].as_str()?))) {
                        if !seen.insert(name) {
                            found.push(Fault::new(format!("{at}/{i}/{key}"), format!("{name} is there twice")));
                        }
                    }
                }
                doubles(&at, value, found);
            }
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(i, item)| doubles(&below(at, i), item, found)),
        _ => {}
    }
}
