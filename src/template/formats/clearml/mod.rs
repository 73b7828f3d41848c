//! The Helm values of ClearML's agent, of the open chart and of the closed one, and a queue's block of them alone.
//!
//! A queue takes each key from its `templateOverrides`, or from `basePodTemplate` where it says nothing there. A key counts
//! as a whole, and what is empty says nothing. Of weaker layers (a runner's base) it replaces whole keys too, by `remove`.

mod files;
mod glue;
mod keys;
mod monitored;
mod queue;
mod template;

pub(super) use glue::read as glue;
pub(super) use keys::known;

use super::{
    Import, Named,
    near::wrong,
    note::{Level, Note},
    source::{Entry, Kind, Node},
};
use crate::domain::QueueName;

/// What all queues of a file have in common.
#[derive(Default)]
struct Common<'a> {
    /// `basePodTemplate`.
    base: Option<&'a Node>,
    /// `defaultContainerImage`.
    image: Option<&'a Node>,
    /// Secrets with which images are pulled.
    pull_secrets: Vec<Node>,
    /// The account of every task's pod.
    service_account: Option<&'a Node>,
    /// How long ended pods stay, in minutes.
    keep_minutes: Option<&'a Node>,
}

/// Reads values into queues. `name` is that of a block that stands alone.
pub(super) fn read(root: &Node, name: Option<&str>, import: &mut Import) {
    if !root.is_map() {
        import.notes.push(wrong(root, "a map"));
        return;
    }
    keys::survey(root, &mut import.notes);
    let common = common(root, &mut import.notes);
    let mut blocks: Vec<(String, &Node)> = Vec::new();
    for (key, block) in named_blocks(root, &mut import.notes) {
        match legal(key, block, &mut import.notes) {
            Some(name) if blocks.iter().any(|(known, _)| *known == name) => {
                import.notes.push(Note::on(Level::Error, block, format!("two queues are called {name}")));
            }
            Some(name) => blocks.push((name, block)),
            None => {}
        }
    }
    if blocks.is_empty() && (root.get("templateOverrides").is_some() || root.get("queueSettings").is_some()) {
        match name {
            Some(name) => blocks.push((name.to_owned(), root)),
            None => import
                .notes
                .push(Note::on(Level::Error, root, "the file does not say what the queue is called").fix("name it: --name NAME")),
        }
    } else if blocks.is_empty() && !import.is_refused() {
        blocks.push(("default".to_owned(), root));
        import.notes.push(Note::on(Level::Info, root, "it names no queue, so it is the one called default"));
    }
    for (name, block) in blocks {
        let document = queue::read(&common, block, &mut import.notes);
        import.queues.push(Named { name, document });
    }
    monitored::read(root, import);
}

fn common<'a>(root: &'a Node, notes: &mut Vec<Note>) -> Common<'a> {
    let find = |key: &str| keys::glue(root).into_iter().chain([root]).find_map(|block| block.get(key)).filter(|value| !value.is_empty());
    if let Some(cap) = find("maxPods") {
        notes.push(Note::on(Level::Warning, cap, format!("left out: {}", keys::CAP)));
    }
    let base = find("basePodTemplate");
    if let Some(base) = base.filter(|base| !base.is_map()) {
        notes.push(wrong(base, "a map"));
    }
    Common {
        base,
        image: find("defaultContainerImage"),
        pull_secrets: pull_secrets(root, notes),
        service_account: find("serviceAccountName"),
        keep_minutes: find("completedPodDeletionDelayMinutes"),
    }
}

/// The Secrets that `imageCredentials` names.
fn pull_secrets(root: &Node, notes: &mut Vec<Note>) -> Vec<Node> {
    let Some(credentials) = root.get("imageCredentials") else { return Vec::new() };
    let enabled = credentials.get("enabled").is_none_or(|enabled| !enabled.is_empty());
    let existing = credentials.get("existingSecret").filter(|secret| enabled && !secret.is_empty());
    if enabled
        && existing.is_none()
        && ["username", "password"].iter().any(|key| credentials.get(key).is_some_and(|value| !value.is_empty()))
    {
        let note = Note::on(Level::Warning, credentials, "left out: credentials stand in a Secret of the cluster, not in a queue");
        notes.push(note.fix("make it with kubectl create secret docker-registry, and name it in templateOverrides.imagePullSecrets"));
    }
    let more = credentials.get("extraImagePullSecrets").map(Node::items).unwrap_or_default();
    let reference = |secret: &Node| if secret.is_map() { secret.clone() } else { secret.map_here([("name", secret.clone())]) };
    existing.into_iter().chain(more).map(reference).collect()
}

/// The queues of a file with what is said of each.
fn named_blocks<'a>(root: &'a Node, notes: &mut Vec<Note>) -> Vec<(Entry, &'a Node)> {
    let mut found = Vec::new();
    if let Some(block) = keys::glue(root) {
        if let Some(queues) = block.get("queues").filter(|queues| !queues.is_empty()) {
            match &queues.kind {
                Kind::Map(entries) => found.extend(entries.iter().map(|entry| (entry.clone(), &entry.value))),
                Kind::List(items) => found.extend(items.iter().filter_map(|item| Some((called(item.text()?, item), item)))),
                _ => notes.push(wrong(queues, "a map of queues")),
            }
        }
        if let Some(list) = block.get("queue").filter(|list| !list.is_empty()) {
            match list.text() {
                Some(text) => {
                    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
                    found.extend(names.map(|name| (called(name, list), list)));
                }
                None => notes.push(wrong(list, "names of queues, a,b,c")),
            }
        }
        if let Some(apps) = block.get("appsQueue").filter(|apps| apps.get("enabled").is_some_and(|on| !on.is_empty())) {
            found.push((called("apps", apps), apps));
        }
    }
    found
}

fn called(name: &str, node: &Node) -> Entry {
    Entry { key: name.to_owned(), at: node.at, value: node.clone() }
}

/// The name of a queue, made legal where it is not.
fn legal(entry: Entry, block: &Node, notes: &mut Vec<Note>) -> Option<String> {
    if entry.key.parse::<QueueName>().is_ok() {
        return Some(entry.key);
    }
    let fine = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = entry.key.chars().map(fine).collect();
    let name = name.trim_matches(['.', '_', '-']).chars().take(63).collect::<String>();
    let name = name.trim_end_matches(['.', '_', '-']).to_owned();
    let note = |level, message: String| Note { at: Some(entry.at), ..Note::on(level, block, message) };
    if name.is_empty() {
        let message = format!("{:?} can be no name of a queue: 1 to 63 of A-Z a-z 0-9 . _ -", entry.key);
        notes.push(note(Level::Error, message));
        return None;
    }
    notes.push(note(Level::Warning, format!("the queue {:?} is called {name} here", entry.key)));
    Some(name)
}
