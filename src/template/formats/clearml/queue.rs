//! One queue's block: `templateOverrides` and `queueSettings`.

use super::{Common, template};
use crate::template::formats::{
    near::{at_key, unknown, wrong},
    note::{Level, Note},
    source::{Kind, Node},
};
use serde_json::{Map, Value, json};

/// The keys of a block; those of a root are judged there.
const BLOCK: [&str; 3] = ["templateOverrides", "queueSettings", "enabled"];
pub(super) const SETTINGS: [&str; 5] = ["maxPods", "defaultImage", "useImageEntrypoint", "customWorkerIdTemplate", "multiNode"];
/// The image of the chart's own values.
const IMAGE: &str = "ubuntu:24.04";
const NO_IMAGE: &str = "it names no image, so tasks that name none run in ubuntu:24.04, as the chart has it";
/// The longest that an ended Job stays, in seconds.
const MAX_KEPT: u64 = 86_400;

/// The document of a queue.
pub(super) fn read(common: &Common<'_>, block: &Node, notes: &mut Vec<Note>) -> Value {
    let is_root = ["agentk8sglue", "basePodTemplate"].iter().any(|key| block.get(key).is_some());
    if block.is_map() && !is_root {
        notes.extend(block.entries().iter().filter(|e| !BLOCK.contains(&e.key.as_str())).map(|entry| unknown(entry, BLOCK)));
    }
    let given = |key: &str| block.get(key).filter(|value| !value.is_empty());
    let (overrides, settings) = (given("templateOverrides"), given("queueSettings"));
    for node in overrides.iter().chain(&settings).filter(|node| !node.is_map()) {
        notes.push(wrong(node, "a map"));
    }
    let mut document = Map::new();
    let made = template::read(common, overrides, block, notes);
    let mut kept = Map::new();
    let image = read_settings(settings, &mut document, &mut kept, notes);
    let image = image.or(made.image).or_else(|| common.image.and_then(|image| text(image, notes)));
    if image.is_none() && !notes.iter().any(|note| note.message == NO_IMAGE) {
        notes.push(Note { path: String::new(), ..Note::on(Level::Info, block, NO_IMAGE) });
    }
    document.insert("defaults".into(), json!({"image": image.as_deref().unwrap_or(IMAGE)}));
    if let Some(seconds) = common.keep_minutes.and_then(|minutes| keep_seconds(minutes, notes)) {
        document.insert("keepJobsSeconds".into(), json!({"success": seconds, "failure": seconds}));
    }
    if let Some(template) = made.template {
        document.insert("podTemplate".into(), template);
    }
    if !kept.is_empty() {
        document.insert("importedFrom".into(), json!({"clearml": {"queueSettings": kept}}));
    }
    Value::Object(document)
}

/// Reads the settings; answers the image that they name.
fn read_settings(
    settings: Option<&Node>,
    document: &mut Map<String, Value>,
    kept: &mut Map<String, Value>,
    notes: &mut Vec<Note>,
) -> Option<String> {
    let mut image = None;
    for entry in settings.map(Node::entries).unwrap_or_default() {
        let value = &entry.value;
        match entry.key.as_str() {
            known if SETTINGS.contains(&known) && value.is_empty() => {}
            "maxPods" => match value.json().as_u64() {
                Some(most) => {
                    document.insert("limits".into(), json!({"maxRunning": most}));
                    notes.push(at_key(Level::Info, entry, format!("limits.maxRunning is {most}: of all runners together")));
                }
                None => notes.push(wrong(value, "a number of pods")),
            },
            "defaultImage" => image = text(value, notes),
            "useImageEntrypoint" => match value.kind {
                Kind::Bool(_) => {
                    document.insert("useImageEntrypoint".into(), true.into());
                }
                _ => notes.push(wrong(value, "true or false")),
            },
            "customWorkerIdTemplate" => {
                kept.insert(entry.key.clone(), value.json());
                notes.push(at_key(Level::Info, entry, "kept under importedFrom: attempts have names of their own"));
            }
            "multiNode" => {
                kept.insert(entry.key.clone(), value.json());
                let message = "kept under importedFrom: a task runs on one node; one that needs several cannot run in this queue";
                notes.push(at_key(Level::Warning, entry, message));
            }
            _ => notes.push(unknown(entry, SETTINGS)),
        }
    }
    image
}

fn text(node: &Node, notes: &mut Vec<Note>) -> Option<String> {
    if node.text().is_none() {
        notes.push(wrong(node, "a text"));
    }
    node.text().map(str::to_owned)
}

fn keep_seconds(minutes: &Node, notes: &mut Vec<Note>) -> Option<u64> {
    let Some(given) = minutes.json().as_u64() else {
        notes.push(wrong(minutes, "a number of minutes"));
        return None;
    };
    let seconds = given.saturating_mul(60);
    if seconds > MAX_KEPT {
        notes.push(Note::on(Level::Warning, minutes, format!("an ended Job stays {MAX_KEPT} seconds at most")));
    }
    Some(seconds.min(MAX_KEPT))
}
