//! The values as the file of a glue.

use super::{Common, keys, legal, named_blocks, template};
use crate::template::formats::{
    near::{at_key, wrong},
    note::{Level, Note},
    source::{Kind, Node},
};
use serde_json::{Map, Value, json};

/// Fields of a glue's own file.
const OWN: [&str; 17] = [
    "name",
    "cluster",
    "url",
    "agentUrl",
    "allowPlainHttp",
    "caFile",
    "tokenFile",
    "namespaces",
    "maxPods",
    "maxUnstarted",
    "agentImage",
    "agentImagePullPolicy",
    "listen",
    "qps",
    "burst",
    "readNodes",
    "checkQueues",
];

/// The file that the values amount to.
pub(in crate::template::formats) fn read(root: &Node, notes: &mut Vec<Note>) -> Value {
    let (own, values): (Vec<_>, Vec<_>) = root.entries().iter().cloned().partition(|entry| OWN.contains(&entry.key.as_str()));
    let values = root.here(Kind::Map(values));
    let mut file: Map<String, Value> = own.into_iter().map(|entry| (entry.key, entry.value.json())).collect();
    let mut found = Vec::new();
    keys::survey(&values, &mut found);
    // What bounds one glue is at home here.
    found.retain(|note| !note.message.ends_with(keys::CAP) || note.path.contains("extraEnvs"));
    let glue = keys::glue(&values);
    let of_glue = |key: &str| glue.into_iter().chain([&values]).find_map(|block| block.get(key)).filter(|value| !value.is_empty());
    if let Some(most) = of_glue("maxPods") {
        file.insert("maxPods".into(), most.json());
    }
    for key in ["defaultContainerImage", "monitoredResources", "completedPodDeletionDelayMinutes"] {
        if let Some(value) = of_glue(key) {
            found.push(Note::on(Level::Warning, value, "left out: a queue says it, not a glue").fix("slipway queue apply -f this file"));
        }
    }
    let common = Common {
        pull_secrets: super::pull_secrets(&values, &mut found),
        service_account: of_glue("serviceAccountName"),
        ..Common::default()
    };
    let base = of_glue("basePodTemplate");
    if let Some(template) = template::read(&common, base, base.unwrap_or(root), &mut found).template {
        file.insert("base".into(), json!({"podTemplate": template}));
    }
    let mut queues = Map::new();
    for (entry, block) in named_blocks(&values, &mut found) {
        if let Some(name) = legal(entry, block, &mut found) {
            queues.insert(name, overlay(block, &mut found));
        }
    }
    if !queues.is_empty() {
        file.insert("queues".into(), queues.into());
    }
    notes.extend(found);
    Value::Object(file)
}

/// What is laid over one queue.
fn overlay(block: &Node, notes: &mut Vec<Note>) -> Value {
    let given = |key: &str| block.get(key).filter(|value| value.is_map() && !value.is_empty());
    let mut layer = Map::new();
    if let Some(overrides) = given("templateOverrides") {
        let made = template::read(&Common::default(), Some(overrides), block, notes);
        layer.extend(made.template.map(|template| ("podTemplate".to_owned(), template)));
    }
    for entry in given("queueSettings").map(Node::entries).unwrap_or_default().iter().filter(|entry| !entry.value.is_empty()) {
        if entry.key != "maxPods" {
            notes.push(at_key(Level::Warning, entry, "left out: a queue says it, not a glue").fix("slipway queue apply -f this file"));
        } else if entry.value.json().is_u64() {
            layer.insert("maxPods".into(), entry.value.json());
        } else {
            notes.push(wrong(&entry.value, "a number of pods"));
        }
    }
    Value::Object(layer)
}
