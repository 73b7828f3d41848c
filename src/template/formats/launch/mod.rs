//! Queue configurations of W&B Launch and parts of Job and Pod manifests; the values and the file of a launch agent.

mod agent;
mod image;
mod job;
mod misplaced;
mod outer;

pub(super) use agent::known;

use super::{
    Import, Named,
    literal::keep,
    near::wrong,
    note::{Level, Note},
    source::{Entry, Kind, Node},
};
use crate::template::{Values, Variables, pointer::steps};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Reads a file into queues. `name` is that of a configuration, which says none.
pub(super) fn read(root: &Node, name: Option<&str>, import: &mut Import) {
    if !root.is_map() {
        import.notes.push(wrong(root, "a map"));
        return;
    }
    if agent::is_values(root) || agent::is_file(root) {
        agent::read(root, import);
        return;
    }
    let outer = outer::unwrap(root, &mut import.notes);
    let Some(name) = outer.name.as_deref().or(name) else {
        import.notes.push(Note::on(Level::Error, root, "the file does not say what the queue is called").fix("name it: --name NAME"));
        return;
    };
    let mut document = Map::new();
    let mut kept = outer.kept;
    if let Some(owner) = outer.owner {
        document.insert("owner".into(), owner.into());
    }
    let values = variables(outer.variables, &mut document, &mut import.notes);
    job::read(outer.config, &values, &mut document, &mut kept, &mut import.notes);
    image::of_the_task(outer.config, &mut document, &mut import.notes);
    if !kept.is_empty() {
        document.insert("importedFrom".into(), json!({"launch": kept}));
    }
    import.queues.push(Named { name: name.to_owned(), document: Value::Object(document) });
}

/// Reads `template_variables`: for each name a JSON schema, or `{schema, description}`. Answers some value for each.
fn variables(given: Option<&Node>, document: &mut Map<String, Value>, notes: &mut Vec<Note>) -> Values {
    let Some(given) = given.filter(|given| !given.is_empty()) else { return Values::new() };
    if !given.is_map() {
        notes.push(wrong(given, "a map of JSON schemas"));
        return Values::new();
    }
    let schema = |entry: &Entry| {
        let value = match entry.value.get("schema").filter(|schema| schema.is_map()) {
            None => entry.value.clone(),
            Some(schema) => {
                let mut fields = schema.entries().to_vec();
                fields.extend(entry.value.entry("description").filter(|text| !text.value.is_empty()).cloned());
                schema.here(Kind::Map(fields))
            }
        };
        Entry { value, ..entry.clone() }
    };
    let tree = given.here(Kind::Map(given.entries().iter().map(schema).collect()));
    let schemas: BTreeMap<String, Value> = tree.entries().iter().map(|entry| (entry.key.clone(), entry.value.json())).collect();
    let read = Variables::read(&schemas);
    document.insert("variables".into(), json!(schemas));
    match read {
        Ok(variables) => variables.sample(),
        Err(faults) => {
            notes.extend(faults.into_iter().map(|fault| {
                let (at, way) = tree.nearest(&steps(&fault.pointer).unwrap_or_default());
                Note { at: Some(at), ..Note::error(way.to_string(), fault.message) }
            }));
            // What uses them is not judged as well.
            schemas.into_keys().map(|name| (name, Value::from(1))).collect()
        }
    }
}

/// An escape of a foreign text stays what it is; macros are those of the format.
fn plain(node: &mut Node) {
    node.each_text(&mut |text| keep(text, |_| true));
}
