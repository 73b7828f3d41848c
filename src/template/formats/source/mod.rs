//! A YAML file with the place of everything in it.
//!
//! Written words mean what Helm takes them for (YAML 1.1), because that is how the files that come here were read until
//! now. Input is bounded: size, depth, and what aliases expand to.

mod cause;
mod compose;
mod scalar;

pub(super) use compose::compose;

use serde_json::{Map, Number, Value};
use std::{fmt, rc::Rc};

/// A place in a file, counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// How a value is reached from the root of its document; shown as `queues.gpu.tolerations[0]`.
#[derive(Clone, Debug, Default)]
pub(super) struct Way(Option<Rc<Step>>);

#[derive(Debug)]
struct Step {
    before: Way,
    last: Last,
}

#[derive(Debug)]
enum Last {
    Key(String),
    Index(usize),
}

impl Way {
    pub(super) fn key(&self, key: &str) -> Self {
        Self(Some(Rc::new(Step { before: self.clone(), last: Last::Key(key.to_owned()) })))
    }

    pub(super) fn index(&self, index: usize) -> Self {
        Self(Some(Rc::new(Step { before: self.clone(), last: Last::Index(index) })))
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(step) = &self.0 else { return Ok(()) };
        step.before.fmt(f)?;
        match &step.last {
            Last::Index(index) => write!(f, "[{index}]"),
            Last::Key(key) => {
                let dot = if step.before.0.is_some() { "." } else { "" };
                let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "_-".contains(c));
                if plain { write!(f, "{dot}{key}") } else { write!(f, "{dot}{key:?}") }
            }
        }
    }
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: Place,
    pub(super) way: Way,
    pub(super) kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    /// The place of the key.
    pub(super) at: Place,
    pub(super) value: Node,
}

impl Node {
    /// A value that stands where `self` does: what a reader makes of it.
    pub(super) fn here(&self, kind: Kind) -> Self {
        Self { at: self.at, way: self.way.clone(), kind }
    }

    /// A text in the place of this value.
    pub(super) fn text_here(&self, text: impl Into<String>) -> Self {
        self.here(Kind::Text(text.into()))
    }

    /// A map that stands where this value does.
    pub(super) fn map_here<const N: usize>(&self, entries: [(&str, Node); N]) -> Self {
        let entry = |(key, value): (&str, Node)| Entry { key: key.to_owned(), at: value.at, value };
        self.here(Kind::Map(entries.into_iter().map(entry).collect()))
    }

    /// The entries of a map; none of anything else.
    pub(super) fn entries(&self) -> &[Entry] {
        if let Kind::Map(entries) = &self.kind { entries } else { &[] }
    }

    /// The items of a list; none of anything else.
    pub(super) fn items(&self) -> &[Node] {
        if let Kind::List(items) = &self.kind { items } else { &[] }
    }

    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Kind::Text(text) = &self.kind { Some(text) } else { None }
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self.kind, Kind::Map(_))
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    /// Whether Helm takes the value for none.
    pub(super) fn is_empty(&self) -> bool {
        match &self.kind {
            Kind::Null | Kind::Bool(false) => true,
            Kind::Bool(true) => false,
            Kind::Number(number) => number.as_f64() == Some(0.0),
            Kind::Text(text) => text.is_empty(),
            Kind::List(items) => items.is_empty(),
            Kind::Map(entries) => entries.is_empty(),
        }
    }

    /// What it is, for people: `a list`.
    pub(super) fn what(&self) -> &'static str {
        match &self.kind {
            Kind::Null => "nothing",
            Kind::Bool(_) => "true or false",
            Kind::Number(_) => "a number",
            Kind::Text(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }

    pub(super) fn json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(number) => Value::Number(number.clone()),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(items) => items.iter().map(Self::json).collect(),
            Kind::Map(entries) => Value::Object(entries.iter().map(|e| (e.key.clone(), e.value.json())).collect::<Map<_, _>>()),
        }
    }

    /// Changes the texts in it, keys left out.
    pub(super) fn each_text(&mut self, change: &mut impl FnMut(&mut String)) {
        match &mut self.kind {
            Kind::Text(text) => change(text),
            Kind::List(items) => items.iter_mut().for_each(|item| item.each_text(change)),
            Kind::Map(entries) => entries.iter_mut().for_each(|entry| entry.value.each_text(change)),
            _ => {}
        }
    }

    /// What a JSON pointer leads to, or the last thing on its way: the place to name. A key's place counts where the
    /// pointer ends at its value.
    pub(super) fn nearest(&self, steps: &[String]) -> (Place, &Way) {
        let mut here = (self.at, self);
        for step in steps {
            let next = match &here.1.kind {
                Kind::Map(entries) => entries.iter().find(|e| e.key == *step).map(|e| (e.at, &e.value)),
                Kind::List(items) => step.parse::<usize>().ok().and_then(|i| items.get(i)).map(|item| (item.at, item)),
                _ => None,
            };
            let Some(next) = next else { break };
            here = next;
        }
        (here.0, &here.1.way)
    }
}
