//! A `podTemplate` under way, of values that know their places.

use super::{
    note::{Level, Note},
    source::{Entry, Kind, Node},
};
use crate::template::{Values, check_queue, pointer::steps};
use serde_json::{Value, json};

/// A part of a pod template, and what it takes from weaker layers.
pub(super) struct Pod {
    /// Where it stands as a whole.
    root: Node,
    metadata: Vec<Entry>,
    spec: Vec<Entry>,
    container: Vec<Entry>,
    /// Pointers to what it replaces as a whole.
    pub(super) remove: Vec<String>,
}

impl Pod {
    /// An empty one, made of what stands in `root`.
    pub(super) fn new(root: &Node) -> Self {
        Self { root: root.here(Kind::Null), metadata: Vec::new(), spec: Vec::new(), container: Vec::new(), remove: Vec::new() }
    }

    pub(super) fn metadata(&mut self, entry: Entry) -> Result<(), Note> {
        insert(&mut self.metadata, entry)
    }

    pub(super) fn spec(&mut self, entry: Entry) -> Result<(), Note> {
        insert(&mut self.spec, entry)
    }

    /// Something of the task's container.
    pub(super) fn container(&mut self, entry: Entry) -> Result<(), Note> {
        insert(&mut self.container, entry)
    }

    /// The value of a field of the task's container.
    pub(super) fn of_container(&mut self, field: &str) -> Option<&mut Node> {
        self.container.iter_mut().find(|entry| entry.key == field).map(|entry| &mut entry.value)
    }

    /// All values that it holds.
    pub(super) fn parts(&mut self) -> impl Iterator<Item = &mut Node> {
        [&mut self.metadata, &mut self.spec, &mut self.container].into_iter().flatten().map(|entry| &mut entry.value)
    }

    pub(super) fn of_spec(&mut self, field: &str) -> Option<&mut Node> {
        self.spec.iter_mut().find(|entry| entry.key == field).map(|entry| &mut entry.value)
    }

    /// Adds to a list of the spec or of the task's container, after what is there.
    pub(super) fn append(&mut self, in_container: bool, field: &str, items: Node) {
        let list = if in_container { &mut self.container } else { &mut self.spec };
        match list.iter_mut().find(|entry| entry.key == field).map(|entry| &mut entry.value.kind) {
            Some(Kind::List(there)) => {
                if let Kind::List(more) = items.kind {
                    there.extend(more);
                }
            }
            Some(_) => {}
            None => list.push(Entry { key: field.to_owned(), at: items.at, value: items }),
        }
    }

    /// Adds an annotation or a label where there is none of that name.
    pub(super) fn mark(&mut self, field: &str, key: String, value: Node) {
        let entry = Entry { key, at: value.at, value };
        match self.metadata.iter_mut().find(|there| there.key == field).map(|there| &mut there.value.kind) {
            Some(Kind::Map(entries)) if entries.iter().all(|there| there.key != entry.key) => entries.push(entry),
            Some(_) => {}
            None => {
                let value = self.root.here(Kind::Map(vec![entry]));
                self.metadata.push(Entry { key: field.to_owned(), at: value.at, value });
            }
        }
    }

    /// The document, and what is wrong with it. None where it says nothing.
    pub(super) fn finish(mut self, values: &Values, notes: &mut Vec<Note>) -> Option<Value> {
        let root = self.root;
        if !self.container.is_empty() {
            let flat = root.here(Kind::Map(std::mem::take(&mut self.container)));
            match self.spec.iter_mut().find(|entry| entry.key == "containers").map(|entry| &mut entry.value.kind) {
                Some(Kind::List(containers)) if !containers.is_empty() => {
                    if let (Kind::Map(there), Kind::Map(more)) = (&mut containers[0].kind, flat.kind) {
                        for entry in more {
                            if let Err(note) = insert(there, entry) {
                                notes.push(note);
                            }
                        }
                    }
                }
                _ => {
                    self.spec.retain(|entry| entry.key != "containers");
                    let list = root.here(Kind::List(vec![flat]));
                    self.spec.push(Entry { key: "containers".into(), at: list.at, value: list });
                }
            }
        }
        let mut entries = Vec::new();
        for (key, fields) in [("metadata", self.metadata), ("spec", self.spec)] {
            if !fields.is_empty() {
                entries.push(Entry { key: key.to_owned(), at: root.at, value: root.here(Kind::Map(fields)) });
            }
        }
        if entries.is_empty() {
            return None;
        }
        let tree = root.here(Kind::Map(entries));
        notes.extend(faults(&tree, values));
        let mut document = tree.json();
        if !self.remove.is_empty() {
            document["remove"] = json!(self.remove);
        }
        Some(document)
    }
}

/// What is wrong with a pod template, with the places of the file and some values of its variables.
pub(super) fn faults(tree: &Node, values: &Values) -> Vec<Note> {
    let told = |fault: crate::template::Fault| {
        let (at, way) = tree.nearest(&steps(&fault.pointer).unwrap_or_default());
        Note { level: Level::Error, at: Some(at), path: way.to_string(), message: fault.message, fix: None }
    };
    check_queue(&tree.json(), values).into_iter().map(told).collect()
}

fn insert(entries: &mut Vec<Entry>, entry: Entry) -> Result<(), Note> {
    if let Some(there) = entries.iter().find(|there| there.key == entry.key) {
        let message = format!("this says {} again, which {} says already", entry.key, there.value.way);
        return Err(Note { at: Some(entry.at), ..Note::on(Level::Error, &entry.value, message) }.fix("keep one of the two"));
    }
    entries.push(entry);
    Ok(())
}
