//! Keys that are not known.

use super::{
    note::{Level, Note},
    source::{Entry, Node},
};
use crate::domain::did_you_mean;

/// The error about a key that nothing is known of, with the nearest that is known.
pub(super) fn unknown<'a>(entry: &Entry, known: impl IntoIterator<Item = &'a str>) -> Note {
    let note = Note { at: Some(entry.at), ..Note::on(Level::Error, &entry.value, "unknown key") };
    // What differs much in length is not looked at: a file may have thousands of keys that nobody knows.
    let alike = known.into_iter().filter(|known| known.len().abs_diff(entry.key.len()) <= 6);
    match did_you_mean(&entry.key, alike) {
        Some(near) => note.fix(format!("did you mean {near}?")),
        None => note,
    }
}

/// A note at a key.
pub(super) fn at_key(level: Level, entry: &Entry, message: impl Into<String>) -> Note {
    Note { at: Some(entry.at), ..Note::on(level, &entry.value, message) }
}

/// The error about a value of the wrong kind.
pub(super) fn wrong(node: &Node, wanted: &str) -> Note {
    Note::on(Level::Error, node, format!("{} is expected here, and there is {}", wanted, node.what()))
}
