//! A configuration: a part of a Job, a part of a Pod, or any custom resource.

use super::{misplaced, plain};
use crate::template::{
    Values,
    fields::fields,
    formats::{
        near::{at_key, unknown, wrong},
        note::{Level, Note},
        pod::Pod,
        source::{Entry, Kind, Node},
    },
};
use serde_json::{Map, Value, json};

/// The longest that an ended Job stays, in seconds.
const MAX_KEPT: u64 = 86_400;
/// The keys of a Job that W&B knows, with those that it lets stand beside.
const TOP: [&str; 14] = [
    "apiVersion",
    "kind",
    "metadata",
    "spec",
    "status",
    "namespace",
    "template_variables",
    "wait_for_ready",
    "wait_timeout",
    "group",
    "version",
    "configFile",
    "context",
    "additional_services",
];
const JOB: [&str; 16] = [
    "template",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "activeDeadlineSeconds",
    "completions",
    "parallelism",
    "completionMode",
    "suspend",
    "selector",
    "manualSelector",
    "podFailurePolicy",
    "podReplacementPolicy",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
    "successPolicy",
    "managedBy",
];

/// Reads a configuration into the document of its queue.
pub(super) fn read(
    config: &Node,
    values: &Values,
    document: &mut Map<String, Value>,
    kept: &mut Map<String, Value>,
    notes: &mut Vec<Note>,
) {
    let mut config = config.clone();
    plain(&mut config);
    let text = |key: &str| config.get(key).and_then(Node::text).unwrap_or_default().to_owned();
    let (version, kind) = (text("apiVersion"), text("kind"));
    match (version.as_str(), kind.as_str()) {
        (_, "CronJob") => {
            let note =
                Note::on(Level::Error, config.get("kind").unwrap_or(&config), "there are no schedules: a queue makes a Job for each task");
            notes.push(note.fix("write spec.jobTemplate as kind: Job, and submit when it is time"));
        }
        ("" | "v1", "Pod") => pod(&config, &config, values, document, notes),
        ("" | "batch/v1" | "batch/v1beta1", "" | "Job") if is_pod(&config) => pod(&config, &config, values, document, notes),
        ("" | "batch/v1" | "batch/v1beta1", "" | "Job") => {
            misplaced::in_job(&mut config, notes);
            job(&config, values, document, kept, notes);
        }
        ("", other) => notes.push(
            Note::on(Level::Error, &config, format!("a {other} needs its apiVersion"))
                .fix(format!("apiVersion: GROUP/VERSION beside kind: {other}")),
        ),
        _ => {
            misplaced::in_object(&mut config, notes);
            object(&config, document, notes);
        }
    }
}

/// Whether a manifest without kind is a pod's: its spec has what only a pod has.
fn is_pod(config: &Node) -> bool {
    let Some(spec) = config.get("spec") else { return false };
    spec.get("template").is_none()
        && spec.entries().iter().any(|entry| fields(&["spec"]).contains(&entry.key.as_str()) && !JOB.contains(&entry.key.as_str()))
}

/// What stands at the top beside a manifest.
fn around(config: &Node, notes: &mut Vec<Note>) {
    for entry in config.entries() {
        let said = match entry.key.as_str() {
            "group" | "version" => Some((Level::Info, "left out: apiVersion says it")),
            "wait_for_ready" | "wait_timeout" => Some((Level::Info, "left out: a task is followed until it ends")),
            "configFile" | "context" => Some((Level::Error, "the cluster is that of the runner; take it out")),
            "additional_services" => Some((
                Level::Error,
                "no objects are made beside a task's own; a container that helps goes into initContainers with restartPolicy: Always",
            )),
            "builder" => Some((Level::Info, "left out: no images are built")),
            key if TOP.contains(&key) => None,
            _ => {
                notes.push(unknown(entry, TOP));
                None
            }
        };
        if let Some((level, message)) = said.filter(|_| !entry.value.is_empty()) {
            notes.push(at_key(level, entry, message));
        }
    }
}

fn job(config: &Node, values: &Values, document: &mut Map<String, Value>, kept: &mut Map<String, Value>, notes: &mut Vec<Note>) {
    let spec = config.get("spec").filter(|spec| !spec.is_null());
    if let Some(spec) = spec.filter(|spec| !spec.is_map()) {
        notes.push(wrong(spec, "a map"));
    }
    let mut defaults = Map::new();
    for entry in spec.map(Node::entries).unwrap_or_default() {
        let number = || entry.value.json().as_u64();
        match entry.key.as_str() {
            "template" => {}
            _ if entry.value.is_null() => {}
            "backoffLimit" => match number() {
                Some(0) => {}
                Some(times) => {
                    defaults.insert("retries".into(), json!({"user": times}));
                    notes.push(at_key(Level::Info, entry, format!("defaults.retries.user is {times}: each try is a Job of its own")));
                }
                None => notes.push(wrong(&entry.value, "a number")),
            },
            "ttlSecondsAfterFinished" => match number() {
                Some(seconds) => {
                    if seconds > MAX_KEPT {
                        notes.push(at_key(Level::Warning, entry, format!("an ended Job stays {MAX_KEPT} seconds at most")));
                    }
                    let seconds = seconds.min(MAX_KEPT);
                    document.insert("keepJobsSeconds".into(), json!({"success": seconds, "failure": seconds}));
                }
                None => notes.push(wrong(&entry.value, "a number of seconds")),
            },
            "activeDeadlineSeconds" => match number() {
                Some(seconds) => {
                    defaults.insert("timeoutSeconds".into(), seconds.into());
                }
                None => notes.push(wrong(&entry.value, "a number of seconds")),
            },
            "completions" | "parallelism" if number() == Some(1) => {}
            "completions" | "parallelism" => {
                let note = at_key(Level::Error, entry, "a task is one pod");
                notes.push(note.fix("submit an array of tasks, or make the queue's object a JobSet"));
            }
            "completionMode" | "suspend" | "manualSelector" if entry.value.is_empty() || entry.value.text() == Some("NonIndexed") => {}
            key if JOB.contains(&key) => {
                kept.insert(key.to_owned(), entry.value.json());
                notes.push(at_key(Level::Warning, entry, "kept under importedFrom: it has no effect on the Job of an attempt"));
            }
            _ => notes.push(unknown(entry, JOB)),
        }
    }
    if !defaults.is_empty() {
        document.insert("defaults".into(), defaults.into());
    }
    let template = spec.and_then(|spec| spec.get("template")).filter(|template| !template.is_null());
    for entry in template.map(Node::entries).unwrap_or_default().iter().filter(|entry| !["metadata", "spec"].contains(&entry.key.as_str()))
    {
        notes.push(unknown(entry, ["metadata", "spec"]));
    }
    pod(config, template.unwrap_or(&config.here(Kind::Map(Vec::new()))), values, document, notes);
}

/// The pod template: of `template`, with the metadata of the whole.
fn pod(config: &Node, template: &Node, values: &Values, document: &mut Map<String, Value>, notes: &mut Vec<Note>) {
    around(config, notes);
    let mut made = Pod::new(template);
    for entry in metadata(config, template, notes) {
        notes.extend(made.metadata(entry).err());
    }
    let spec = template.get("spec").filter(|spec| !spec.is_null());
    if let Some(spec) = spec.filter(|spec| !spec.is_map()) {
        notes.push(wrong(spec, "a map"));
    }
    for entry in spec.map(Node::entries).unwrap_or_default() {
        match entry.key.as_str() {
            "restartPolicy" if entry.value.text() != Some("Never") => {
                let message = "left out: a container is not started again; defaults.retries says how often a task is tried";
                notes.push(at_key(Level::Warning, entry, message));
            }
            "containers" => {}
            _ => notes.extend(made.spec(entry.clone()).err()),
        }
    }
    let containers = containers(template, spec);
    notes.extend(made.spec(containers).err());
    if let Some(template) = made.finish(values, notes) {
        document.insert("podTemplate".into(), template);
    }
}

/// The containers, those without a name called as W&B calls them; one where there is none.
fn containers(template: &Node, spec: Option<&Node>) -> Entry {
    let given = spec.and_then(|spec| spec.entry("containers"));
    let mut list = match given.map(|entry| &entry.value) {
        Some(value) if !value.is_null() => value.clone(),
        _ => template.here(Kind::List(Vec::new())),
    };
    let first = list.here(Kind::Map(Vec::new()));
    if let Kind::List(items) = &mut list.kind {
        if items.is_empty() {
            items.push(first);
        }
        for (i, item) in items.iter_mut().enumerate() {
            let name = item.text_here(format!("launch{i}"));
            if let Kind::Map(fields) = &mut item.kind
                && fields.iter().all(|field| field.key != "name")
            {
                fields.insert(0, Entry { key: "name".into(), at: name.at, value: name });
            }
        }
    }
    Entry { key: "containers".into(), at: given.map_or(list.at, |entry| entry.at), value: list }
}

/// Labels, annotations, name and namespace: the pod's over the Job's.
fn metadata(config: &Node, template: &Node, notes: &mut Vec<Note>) -> Vec<Entry> {
    let mut made: Vec<Entry> = Vec::new();
    let outer = config.get("metadata").filter(|metadata| !metadata.is_null());
    let inner = template.get("metadata").filter(|metadata| !metadata.is_null() && config.way.to_string() != template.way.to_string());
    for (metadata, is_inner) in outer.map(|node| (node, false)).into_iter().chain(inner.map(|node| (node, true))) {
        for entry in metadata.entries().iter().filter(|entry| !entry.value.is_null()) {
            let mut entry = entry.clone();
            match entry.key.as_str() {
                "generateName" => {
                    let name = entry.value.text().unwrap_or_default().trim_end_matches(['-', '.']).to_owned();
                    entry.key = "name".into();
                    entry.value = entry.value.text_here(name);
                }
                "name" | "namespace" if is_inner => continue,
                "labels" | "annotations" => {
                    if let Some(Kind::Map(there)) = made.iter_mut().find(|there| there.key == entry.key).map(|there| &mut there.value.kind)
                    {
                        for more in entry.value.entries() {
                            there.retain(|one| one.key != more.key);
                            there.push(more.clone());
                        }
                        continue;
                    }
                }
                _ => {}
            }
            if made.iter().all(|there| there.key != entry.key) {
                made.push(entry);
            }
        }
    }
    if let Some(entry) = config.entry("namespace").filter(|entry| !entry.value.is_empty()) {
        match made.iter().find(|there| there.key == "namespace") {
            Some(_) => notes.push(at_key(Level::Info, entry, "left out: metadata.namespace says it")),
            None => made.push(entry.clone()),
        }
    }
    made
}

/// What stands at the top and is no part of an object.
fn stray(key: &str) -> bool {
    key == "builder" || (TOP.contains(&key) && !["apiVersion", "kind", "metadata", "spec"].contains(&key))
}

/// A custom resource.
fn object(config: &Node, document: &mut Map<String, Value>, notes: &mut Vec<Note>) {
    around(config, notes);
    let entries = config.entries().iter().filter(|entry| !stray(&entry.key)).cloned().collect();
    let mut manifest = config.here(Kind::Map(entries)).json();
    if manifest["spec"].is_null() {
        notes.push(Note::on(Level::Warning, config, "the object has no spec"));
    }
    if let Some(namespace) =
        config.get("namespace").filter(|namespace| !namespace.is_empty() && manifest["metadata"]["namespace"].is_null())
    {
        manifest["metadata"]["namespace"] = namespace.json();
    }
    if let Some(seconds) = manifest.pointer("/spec/runPolicy/ttlSecondsAfterFinished").and_then(Value::as_u64) {
        let seconds = seconds.min(MAX_KEPT);
        document.insert("keepJobsSeconds".into(), json!({"success": seconds, "failure": seconds}));
    }
    document.insert("object".into(), json!({"manifest": manifest}));
}
