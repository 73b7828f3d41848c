//! Files that people have: read once, where the file is, into native queue documents. Pure.
//!
//! Three formats: native (read elsewhere; here it is only told apart), the Helm values of ClearML's agent, and the queue
//! configurations of W&B Launch, with bare parts of Job and Pod manifests. What has no equivalent is kept in the document's
//! `importedFrom`, and every key that does not become what it was is told in a [`Note`] with its place.
//!
//! A document is what `PUT /queues/{name}` takes. A foreign key that replaces a whole key of a weaker layer becomes a
//! `remove` pointer in the `podTemplate`, so that the server merges native documents alone.

mod clearml;
mod detect;
mod launch;
mod literal;
mod near;
mod note;
mod pod;
mod source;
#[cfg(test)]
mod tests;

pub use note::{Level, Note};
pub use source::Place;

use serde_json::Value;
use std::fmt;

/// The format of a file of queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Queue documents of ours.
    Native,
    /// Helm values of ClearML's agent.
    ClearMl,
    /// A queue configuration of W&B Launch, its agent's values or file, or a part of a manifest.
    Launch,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "native",
            Self::ClearMl => "clearml",
            Self::Launch => "launch",
        })
    }
}

/// A queue or budget of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// Its name, a legal one.
    pub name: String,
    /// What `PUT` takes for it, as JSON.
    pub document: Value,
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Import {
    /// The queues, in the order of the file; their documents say no name.
    pub queues: Vec<Named>,
    /// The budgets that the queues name: they must be there before.
    pub budgets: Vec<Named>,
    /// What there is to say, in the order of the file.
    pub notes: Vec<Note>,
}

impl Import {
    /// Whether the file cannot be used as it is.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.notes.iter().any(|note| note.level == Level::Error)
    }

    fn refused(notes: Vec<Note>) -> Self {
        Self { notes, ..Self::default() }
    }
}

/// What the values of ClearML's agent mean to a glue, as its own file says it: `basePodTemplate` lies under every queue,
/// `templateOverrides` over its queue, `queueSettings.maxPods` bounds that queue's pods here. Fields of the glue's own file
/// may stand beside them at the root. None where the text is no such file.
#[must_use]
pub fn glue(text: &str) -> Option<(Value, Vec<Note>)> {
    let mut notes = Vec::new();
    let documents = source::compose(text, &mut notes).ok()?;
    let [root] = documents.as_slice() else { return None };
    (detect::detect(root) == Format::ClearMl).then(|| {
        let file = clearml::glue(root, &mut notes);
        (file, in_order(notes))
    })
}

/// The keys that Helm values of a foreign chart may have, by what they stand in (the root is empty); of others a reader says that
/// they are unknown. Of `templateOverrides` those that are no field of a pod.
#[must_use]
pub fn known_keys(format: Format) -> Vec<(&'static str, Vec<&'static str>)> {
    match format {
        Format::Native => Vec::new(),
        Format::ClearMl => clearml::known().into(),
        Format::Launch => launch::known().into(),
    }
}

/// Which format a text has. Where it is no YAML it counts as native: that reader says what is wrong.
///
/// # Errors
/// It is no YAML, or beyond a bound: the notes say where.
pub fn detect(text: &str) -> Result<Format, Note> {
    let documents = source::compose(text, &mut Vec::new())?;
    Ok(documents.iter().map(detect::detect).find(|format| *format != Format::Native).unwrap_or(Format::Native))
}

/// Reads a text of a foreign format into native documents. `name` is that of the queue in files that say none.
#[must_use]
pub fn read(format: Format, text: &str, name: Option<&str>) -> Import {
    let mut notes = Vec::new();
    let documents = match source::compose(text, &mut notes) {
        Ok(documents) => documents,
        Err(note) => return Import::refused(vec![note]),
    };
    let mut import = Import { notes, ..Import::default() };
    match (format, documents.as_slice()) {
        (Format::Native, _) => import.notes.push(Note::error("", "a file of the native format is no foreign one")),
        (_, []) => import.notes.push(Note::error("", "the file is empty")),
        (Format::ClearMl, [root]) => clearml::read(root, name, &mut import),
        (Format::Launch, [root]) => launch::read(root, name, &mut import),
        (_, [_, second, ..]) => {
            let fix = "put each of them into a file of its own".to_owned();
            let note = Note::on(Level::Error, second, format!("the file holds {} documents, where one is read", documents.len()));
            import.notes.push(note.fix(fix));
        }
    }
    import.notes = in_order(import.notes);
    import
}

/// The most notes that are told of a file.
const MAX_NOTES: usize = 200;

/// Notes in the order of the file, errors before all where there are too many.
fn in_order(mut notes: Vec<Note>) -> Vec<Note> {
    notes.sort_by_key(|note| note.at);
    notes.dedup();
    if notes.len() > MAX_NOTES {
        let more = notes.len() - MAX_NOTES;
        notes.sort_by_key(|note| note.level);
        notes.truncate(MAX_NOTES);
        notes.push(Note { level: Level::Info, ..Note::error("", format!("and {more} more")) });
    }
    notes
}
