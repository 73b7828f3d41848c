//! What stands around a configuration: `kubernetes:`, the export of the API, and what is said of the queue itself.

use crate::template::formats::{
    near::{at_key, unknown, wrong},
    note::{Level, Note},
    source::Node,
};
use serde_json::{Map, Value};

/// A configuration and what is said around it.
pub(super) struct Outer<'a> {
    pub(super) config: &'a Node,
    pub(super) name: Option<String>,
    pub(super) owner: Option<String>,
    pub(super) variables: Option<&'a Node>,
    /// What has no equivalent.
    pub(super) kept: Map<String, Value>,
}

/// The keys that hold a configuration.
const WRAPPERS: [&str; 3] = ["kubernetes", "resource_args", "config"];
const AROUND: [&str; 9] =
    ["kubernetes", "resource_args", "config", "template_variables", "name", "entity", "type", "resource", "prioritization_mode"];

/// Takes away what is around.
pub(super) fn unwrap<'a>(root: &'a Node, notes: &mut Vec<Note>) -> Outer<'a> {
    let mut outer = Outer { config: root, name: None, owner: None, variables: root.get("template_variables"), kept: Map::new() };
    while let Some(inner) = WRAPPERS.iter().find_map(|key| outer.config.get(key)) {
        for entry in outer.config.entries() {
            let text = || entry.value.text().map(str::to_owned);
            match entry.key.as_str() {
                key if WRAPPERS.contains(&key) => {}
                "template_variables" => outer.variables = Some(&entry.value),
                "name" => outer.name = text(),
                "entity" => outer.owner = text(),
                "type" | "resource" if matches!(entry.value.text(), Some("kubernetes") | None) => {}
                "type" | "resource" => {
                    notes.push(at_key(Level::Error, entry, "only queues of the type kubernetes make pods").fix("type: kubernetes"));
                }
                "prioritization_mode" => {
                    if entry.value.text().is_some_and(|mode| mode.eq_ignore_ascii_case("disabled")) {
                        outer.kept.insert(entry.key.clone(), entry.value.json());
                        notes.push(at_key(
                            Level::Info,
                            entry,
                            "kept under importedFrom: priorities always count; tasks that name none are alike",
                        ));
                    }
                }
                _ => notes.push(unknown(entry, AROUND)),
            }
        }
        if !inner.is_map() {
            notes.push(wrong(inner, "a map"));
        }
        outer.config = inner;
        outer.variables = inner.get("template_variables").or(outer.variables);
    }
    outer
}
