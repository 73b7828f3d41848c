//! Whose image a configuration takes.

use crate::template::formats::{
    note::{Level, Note},
    source::{Kind, Node},
};
use serde_json::{Map, Value, json};

/// Where W&B puts the image of whoever submits.
const MACRO: &str = "${image_uri}";

/// A configuration that takes the image of each task lets its tasks name one.
pub(super) fn of_the_task(config: &Node, document: &mut Map<String, Value>, notes: &mut Vec<Note>) {
    if let Some(place) = first(config) {
        document.insert("allow".into(), json!({"images": ["*"]}));
        let note = Note::on(Level::Info, place, "tasks name the image: allow.images is [\"*\"]");
        notes.push(note.fix("patterns in its place let them name fewer"));
    }
}

/// The first image that is the task's.
fn first(node: &Node) -> Option<&Node> {
    match &node.kind {
        Kind::Map(entries) => entries.iter().find_map(|entry| {
            let is_image = entry.key == "image" && entry.value.text().is_some_and(|text| text.contains(MACRO));
            if is_image { Some(&entry.value) } else { first(&entry.value) }
        }),
        Kind::List(items) => items.iter().find_map(first),
        _ => None,
    }
}
