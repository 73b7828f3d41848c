//! From a text to its documents.

use super::{
    super::note::{Level, Note},
    Entry, Kind, Node, Place, Way,
    cause::cause,
    scalar::resolve,
};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};
use std::{borrow::Cow, collections::HashMap};

/// The largest file, in bytes.
const MAX_BYTES: usize = 4 << 20;
/// How deep values may be nested.
const MAX_DEPTH: usize = 64;
/// The most values in a file, those that aliases repeat included.
const MAX_VALUES: usize = 50_000;
/// The most bytes that aliases repeat.
const MAX_REPEATED: usize = 1 << 20;

/// Reads the documents of a text, empty ones left out.
///
/// # Errors
/// The first thing that is no YAML, comes twice, or is beyond a bound, with its place.
pub(in crate::template::formats) fn compose(text: &str, notes: &mut Vec<Note>) -> Result<Vec<Node>, Note> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > MAX_BYTES {
        return Err(Note::error("", format!("the file has {} bytes; at most {MAX_BYTES} are read", text.len())));
    }
    let mut composer =
        Composer { notes, documents: Vec::new(), open: Vec::new(), anchors: HashMap::new(), size: Size::default(), repeated: 0, kept: 0 };
    let mut parser = Parser::new_from_str(text);
    loop {
        match parser.next_event() {
            None | Some(Ok((Event::StreamEnd, _))) => break,
            Some(Ok((event, span))) => composer.take(event, place(&span.start))?,
            Some(Err(error)) => {
                let (at, message, fix) = cause(text, place(error.marker()), error.info());
                return Err(Note { at: Some(at), fix, ..Note::error("", message) });
            }
        }
    }
    Ok(composer.documents)
}

fn place(marker: &Marker) -> Place {
    Place { line: marker.line(), column: marker.col() + 1 }
}

/// A list or map that has not ended.
struct Open {
    at: Place,
    way: Way,
    anchor: usize,
    /// What had been counted when it began.
    before: Size,
    inside: Inside,
}

enum Inside {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, seen: HashMap<String, Place>, key: Option<(String, Place)>, merged: Vec<Node> },
}

#[derive(Clone, Copy, Default)]
struct Size {
    values: usize,
    bytes: usize,
}

struct Composer<'n> {
    notes: &'n mut Vec<Note>,
    documents: Vec<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, Size)>,
    size: Size,
    repeated: usize,
    /// The values that were kept aside for aliases.
    kept: usize,
}

impl Composer<'_> {
    fn take(&mut self, event: Event<'_>, at: Place) -> Result<(), Note> {
        match event {
            Event::Scalar(text, style, anchor, tag) => self.scalar(text, style, anchor, tag.as_deref(), at),
            Event::SequenceStart(anchor, tag) => self.begin(at, anchor, tag.as_deref(), Inside::List(Vec::new())),
            Event::MappingStart(anchor, tag) => {
                let inside = Inside::Map { entries: Vec::new(), seen: HashMap::new(), key: None, merged: Vec::new() };
                self.begin(at, anchor, tag.as_deref(), inside)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.alias(anchor, at),
            Event::DocumentStart(_) => {
                self.anchors.clear();
                Ok(())
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    /// The way to the value that comes next.
    fn way(&self) -> Way {
        match self.open.last() {
            None => Way::default(),
            Some(Open { way, inside: Inside::List(items), .. }) => way.index(items.len()),
            Some(Open { way, inside: Inside::Map { key, .. }, .. }) => key.as_ref().map_or_else(|| way.clone(), |(key, _)| way.key(key)),
        }
    }

    fn count(&mut self, at: Place, values: usize, bytes: usize) -> Result<(), Note> {
        self.size.values += values;
        self.size.bytes += bytes;
        if self.size.values <= MAX_VALUES && self.repeated <= MAX_REPEATED {
            return Ok(());
        }
        let message = format!("the file says too much: at most {MAX_VALUES} values, and {MAX_REPEATED} bytes repeated by aliases");
        Err(self.error(at, message))
    }

    fn error(&self, at: Place, message: impl Into<String>) -> Note {
        Note { at: Some(at), path: self.way().to_string(), ..Note::error("", message) }
    }

    fn scalar(&mut self, text: Cow<'_, str>, style: ScalarStyle, anchor: usize, tag: Option<&Tag>, at: Place) -> Result<(), Note> {
        self.count(at, 1, text.len())?;
        if self.expects_key() {
            return self.key(text.into_owned(), at);
        }
        let way = self.way();
        let kind = match tag {
            None if style == ScalarStyle::Plain => {
                let (kind, odd) = resolve(&text);
                if odd {
                    self.notes.push(odd_word(&text, &kind, at, &way));
                }
                kind
            }
            None => Kind::Text(text.into_owned()),
            Some(tag) => match tag.suffix.as_str() {
                "str" if tag.is_yaml_core_schema() => Kind::Text(text.into_owned()),
                "bool" | "int" | "float" | "null" if tag.is_yaml_core_schema() => resolve(&text).0,
                _ => return Err(self.tagged(at, tag)),
            },
        };
        let node = Node { at, way, kind };
        if anchor > 0 {
            let bytes = if let Kind::Text(text) = &node.kind { text.len() } else { 8 };
            self.keep(anchor, &node, Size { values: 1, bytes })?;
        }
        self.put(node)
    }

    fn tagged(&self, at: Place, tag: &Tag) -> Note {
        self.error(at, format!("the tag {}{} means nothing here: write the value itself", tag.handle, tag.suffix))
    }

    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { inside: Inside::Map { key: None, .. }, .. }))
    }

    fn key(&mut self, text: String, at: Place) -> Result<(), Note> {
        let Some(Open { way, inside: Inside::Map { seen, key, .. }, .. }) = self.open.last_mut() else { return Ok(()) };
        if text != "<<"
            && let Some(first) = seen.insert(text.clone(), at)
        {
            let message = format!("the key {text:?} comes twice; the first is in line {}", first.line);
            return Err(Note { at: Some(at), path: way.key(&text).to_string(), ..Note::error("", message) });
        }
        *key = Some((text, at));
        Ok(())
    }

    fn begin(&mut self, at: Place, anchor: usize, tag: Option<&Tag>, inside: Inside) -> Result<(), Note> {
        if let Some(tag) = tag.filter(|tag| !(tag.is_yaml_core_schema() && matches!(tag.suffix.as_str(), "map" | "seq"))) {
            return Err(self.tagged(at, tag));
        }
        if self.expects_key() {
            let fix = "a value that begins with { or [ stands in quotes: '{{gpus}}'".to_owned();
            return Err(Note { fix: Some(fix), ..self.error(at, "a key is a text") });
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(self.error(at, format!("values are nested more than {MAX_DEPTH} deep")));
        }
        let (before, way) = (self.size, self.way());
        self.count(at, 1, 0)?;
        self.open.push(Open { at, way, anchor, before, inside });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Note> {
        let Some(Open { at, way, anchor, before, inside }) = self.open.pop() else { return Ok(()) };
        let kind = match inside {
            Inside::List(items) => Kind::List(items),
            Inside::Map { mut entries, mut seen, merged, .. } => {
                for entry in merged.into_iter().flat_map(|node| if let Kind::Map(entries) = node.kind { entries } else { Vec::new() }) {
                    if seen.insert(entry.key.clone(), entry.at).is_none() {
                        entries.push(entry);
                    }
                }
                Kind::Map(entries)
            }
        };
        let node = Node { at, way, kind };
        if anchor > 0 {
            let size = Size { values: self.size.values - before.values, bytes: self.size.bytes - before.bytes };
            self.keep(anchor, &node, size)?;
        }
        self.put(node)
    }

    /// Remembers what an anchor stands for. Anchors within anchors are kept once more for each.
    fn keep(&mut self, anchor: usize, node: &Node, size: Size) -> Result<(), Note> {
        self.kept += size.values;
        if self.kept > MAX_VALUES {
            return Err(self.error(node.at, format!("the file says too much: at most {MAX_VALUES} values with anchors")));
        }
        self.anchors.insert(anchor, (node.clone(), size));
        Ok(())
    }

    fn alias(&mut self, anchor: usize, at: Place) -> Result<(), Note> {
        if self.expects_key() {
            return Err(self.error(at, "a key is a text, not an alias"));
        }
        // Counted before it is copied: what it would become is what is bounded.
        let Some(size) = self.anchors.get(&anchor).map(|(_, size)| *size) else {
            return Err(self.error(at, "an alias inside of what it stands for"));
        };
        self.repeated += size.bytes;
        self.count(at, size.values, size.bytes)?;
        let way = self.way();
        match self.anchors.get(&anchor) {
            Some((node, _)) => self.put(Node { at, way, kind: node.kind.clone() }),
            None => Ok(()),
        }
    }

    /// Puts a value that is complete where it belongs.
    fn put(&mut self, node: Node) -> Result<(), Note> {
        match self.open.last_mut().map(|open| &mut open.inside) {
            None if node.is_null() => {}
            None => self.documents.push(node),
            Some(Inside::List(items)) => items.push(node),
            Some(Inside::Map { entries, key, merged, .. }) => match key.take() {
                Some((name, _)) if name == "<<" => match node.kind {
                    Kind::Map(_) => merged.push(node),
                    Kind::List(items) if items.iter().all(Node::is_map) => merged.extend(items),
                    _ => return Err(Note { at: Some(node.at), ..Note::error("", "<< merges a map, or a list of maps") }),
                },
                Some((key, at)) => entries.push(Entry { key, at, value: node }),
                None => {}
            },
        }
        Ok(())
    }
}

/// The note on a word that other readers take otherwise.
fn odd_word(word: &str, kind: &Kind, at: Place, way: &Way) -> Note {
    let taken = match kind {
        Kind::Bool(value) => value.to_string(),
        Kind::Number(number) => number.to_string(),
        _ => "nothing".to_owned(),
    };
    Note {
        level: Level::Info,
        at: Some(at),
        path: way.to_string(),
        message: format!("{word} is {taken}, as Helm reads it"),
        fix: Some(format!("write {taken}, or {word:?} in quotes for the text")),
    }
}
