//! Keys that stand where Kubernetes would not read them, as in samples that people copied: they are moved, and told.

use crate::template::formats::{
    near::at_key,
    note::{Level, Note},
    source::{Entry, Kind, Node},
};

/// Where a key belongs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Home {
    Job,
    Pod,
}

const KNOWN: [(&str, &str, Home); 5] = [
    ("backoffLimit", "backoffLimit", Home::Job),
    ("backOffLimit", "backoffLimit", Home::Job),
    ("ttlSecondsAfterFinished", "ttlSecondsAfterFinished", Home::Job),
    ("activeDeadlineSeconds", "activeDeadlineSeconds", Home::Job),
    ("securityContext", "securityContext", Home::Pod),
];

/// Moves what is misplaced in a Job: `spec`, `spec.template` and `spec.template.spec`.
pub(super) fn in_job(config: &mut Node, notes: &mut Vec<Note>) {
    let mut moved: Vec<(Home, Entry)> = Vec::new();
    for (place, home) in
        [(&[][..], None), (&["spec"][..], Some(Home::Job)), (&["spec", "template"], None), (&["spec", "template", "spec"], Some(Home::Pod))]
    {
        let Some(entries) = entries_at(config, place) else { continue };
        entries.retain(|entry| {
            let Some((_, name, wanted)) = KNOWN.iter().find(|(key, ..)| *key == entry.key) else { return true };
            // The pod has a deadline of its own.
            if (Some(*wanted) == home && entry.key == *name) || (home == Some(Home::Pod) && *name == "activeDeadlineSeconds") {
                return true;
            }
            let to = if *wanted == Home::Job { "spec" } else { "spec.template.spec" };
            notes.push(at_key(Level::Warning, entry, format!("it belongs to {to}.{name}, and is read as if it stood there")));
            moved.push((*wanted, Entry { key: (*name).to_owned(), ..entry.clone() }));
            false
        });
    }
    for (home, entry) in moved {
        let place: &[&str] = if home == Home::Job { &["spec"] } else { &["spec", "template", "spec"] };
        put(config, place, entry);
    }
}

/// Moves a time to live beside the replicas of a Kubeflow job to where its operator reads it.
pub(super) fn in_object(config: &mut Node, notes: &mut Vec<Note>) {
    let Some(spec) = entries_at(config, &["spec"]) else { return };
    if !spec.iter().any(|entry| entry.key.ends_with("ReplicaSpecs")) {
        return;
    }
    if let Some(index) = spec.iter().position(|entry| entry.key == "ttlSecondsAfterFinished") {
        let entry = spec.remove(index);
        let message = "it belongs to spec.runPolicy.ttlSecondsAfterFinished, and is read as if it stood there";
        notes.push(at_key(Level::Warning, &entry, message));
        put(config, &["spec", "runPolicy"], entry);
    }
}

fn entries_at<'a>(node: &'a mut Node, place: &[&str]) -> Option<&'a mut Vec<Entry>> {
    let mut at = node;
    for key in place {
        let Kind::Map(entries) = &mut at.kind else { return None };
        at = entries.iter_mut().find(|entry| entry.key == *key).map(|entry| &mut entry.value)?;
    }
    if let Kind::Map(entries) = &mut at.kind { Some(entries) } else { None }
}

/// Puts an entry where it belongs, unless the place says it already.
fn put(node: &mut Node, place: &[&str], entry: Entry) {
    let mut at = node;
    for key in place {
        let empty = at.here(Kind::Map(Vec::new()));
        let Kind::Map(entries) = &mut at.kind else { return };
        let index = entries.iter().position(|entry| entry.key == *key).unwrap_or(entries.len());
        if index == entries.len() {
            entries.push(Entry { key: (*key).to_owned(), at: empty.at, value: empty });
        }
        at = &mut entries[index].value;
    }
    if let Kind::Map(entries) = &mut at.kind
        && entries.iter().all(|there| there.key != entry.key)
    {
        entries.push(entry);
    }
}
