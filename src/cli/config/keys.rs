//! The keys of a configuration: where each may stand, and what it takes.

use crate::{
    cli::{console::ColorChoice, format::Format, span::parse_seconds},
    domain::{Cpu, Memory},
    wire::{EnvironmentKind, Priority, QueueName},
};
use clap::ValueEnum;
use std::{fmt::Display, str::FromStr};

/// How a value is written in TOML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A text.
    Text,
    /// A whole number.
    Whole,
    /// A table of texts, each under a name of its own.
    Table,
}

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    /// With dots, as people type it.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Whether only the user's own file may hold it.
    pub(super) own: bool,
    /// Where in a task it goes, as a JSON pointer.
    pub(super) pointer: Option<&'static str>,
    pub(super) help: &'static str,
    /// What is wrong with a value.
    pub(super) check: fn(&str) -> Result<(), String>,
}

const fn key(name: &'static str, kind: Kind, pointer: &'static str, help: &'static str, check: fn(&str) -> Result<(), String>) -> Key {
    Key { name, kind, own: false, pointer: Some(pointer), help, check }
}

/// Every key, in the order in which they are shown.
pub(super) const KEYS: [Key; 20] = [
    Key {
        name: "context",
        kind: Kind::Text,
        own: false,
        pointer: None,
        help: "The context to use, one that slipway login made",
        check: text,
    },
    Key { name: "output", kind: Kind::Text, own: true, pointer: None, help: "How to print data, as --output", check: choice::<Format> },
    Key { name: "color", kind: Kind::Text, own: true, pointer: None, help: "When to colour, as --color", check: choice::<ColorChoice> },
    key("submit.queue", Kind::Text, "/queue", "The queue of a task that names none", parsed::<QueueName>),
    key("submit.image", Kind::Text, "/image", "The image that tasks run in, where the queue allows it", text),
    key("submit.gpus", Kind::Whole, "/resources/gpus", "Whole GPUs that a task needs", whole),
    key("submit.cpu", Kind::Text, "/resources/cpu", "CPU that a task needs, where the queue allows it", parsed::<Cpu>),
    key("submit.memory", Kind::Text, "/resources/memory", "Memory that a task needs, where the queue allows it", parsed::<Memory>),
    key("submit.time", Kind::Text, "/timeoutSeconds", "Stop commands after this time", seconds),
    key("submit.max-wait", Kind::Text, "/maxWaitSeconds", "Fail tasks that have not started so long after they were queued", seconds),
    key("submit.total-time", Kind::Text, "/totalTimeoutSeconds", "The time that a task may take in all", seconds),
    key("submit.grace", Kind::Text, "/graceSeconds", "The time between SIGTERM and SIGKILL", seconds),
    key("submit.retries", Kind::Whole, "/retries/user", "Run tasks again up to N times when the command fails", whole),
    key("submit.priority", Kind::Text, "/priority", "How soon tasks are served", parsed::<Priority>),
    key("submit.environment", Kind::Text, "/environment/kind", "How the environment of code is made", parsed::<EnvironmentKind>),
    key("submit.python", Kind::Text, "/environment/python", "The Python of the environment", text),
    key("submit.env", Kind::Table, "/env", "Environment variables of tasks", anything),
    key("submit.labels", Kind::Table, "/labels", "Labels of tasks", anything),
    key("submit.variables", Kind::Table, "/variables", "Values of the queue's variables", anything),
    key("submit.node-selector", Kind::Table, "/nodeSelector", "Labels that nodes must have, where the queue allows it", anything),
];

impl Key {
    /// The variable that stands in for it; none for a table, and for the context, whose variable is read with its option.
    pub(super) fn variable(&self) -> Option<String> {
        let is_option = self.name == "context" || self.kind == Kind::Table;
        (!is_option).then(|| format!("SLIPWAY_{}", self.name.to_ascii_uppercase().replace(['.', '-'], "_")))
    }
}

/// The key of this name, and within a table the name of the entry.
pub(super) fn find(name: &str) -> Option<(&'static Key, Option<&str>)> {
    KEYS.iter().find_map(|key| {
        let rest = name.strip_prefix(key.name)?;
        match rest.strip_prefix('.') {
            Some(entry) if key.kind == Kind::Table && !entry.is_empty() => Some((key, Some(entry))),
            None if rest.is_empty() => Some((key, None)),
            _ => None,
        }
    })
}

/// What says which server is called, with which credential: never part of a configuration.
const CONNECTION: [&str; 6] = ["url", "token", "tokenfile", "cafile", "datadir", "allowplainhttp"];

/// Whether a key would say how a server is reached.
pub(super) fn is_connection(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let plain: String = last.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    CONNECTION.contains(&plain.as_str())
}

fn anything(value: &str) -> Result<(), String> {
    if value.contains('\0') { Err("no value holds a NUL".to_owned()) } else { Ok(()) }
}

fn text(value: &str) -> Result<(), String> {
    let fine = !value.is_empty() && !value.chars().any(char::is_control);
    if fine { Ok(()) } else { Err("a text of one line is needed".to_owned()) }
}

fn parsed<T: FromStr<Err: Display>>(value: &str) -> Result<(), String> {
    value.parse::<T>().map(drop).map_err(|why| why.to_string())
}

fn whole(value: &str) -> Result<(), String> {
    value.parse::<u32>().map(drop).map_err(|_| format!("{value:?} is no whole number"))
}

fn seconds(value: &str) -> Result<(), String> {
    parse_seconds(value).map(drop)
}

fn choice<T: ValueEnum>(value: &str) -> Result<(), String> {
    if T::from_str(value, false).is_ok() {
        return Ok(());
    }
    let known: Vec<_> = T::value_variants().iter().filter_map(|known| Some(known.to_possible_value()?.get_name().to_owned())).collect();
    Err(format!("{value:?} is none of: {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_documented_with_its_variable() {
        let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/CONFIGURATION.md")).unwrap();
        let names = KEYS.iter().flat_map(|key| key.variable().into_iter().chain([key.name.to_owned()]));
        let missing: Vec<_> = names.filter(|name| !document.contains(&format!("`{name}`"))).collect();
        assert!(missing.is_empty(), "docs/CONFIGURATION.md does not name {missing:?}");
    }

    #[test]
    fn an_entry_of_a_table_is_found_whatever_its_name() {
        let found = |name| find(name).map(|(key, entry)| (key.name, entry));
        assert_eq!(found("submit.queue"), Some(("submit.queue", None)));
        assert_eq!(found("submit.labels.team.acme.io/x"), Some(("submit.labels", Some("team.acme.io/x"))));
        assert_eq!(found("submit.env"), Some(("submit.env", None)));
        for unknown in ["submit.environments", "submit.env.", "submit.queue.x", "submit", "queue"] {
            assert_eq!(found(unknown), None, "{unknown}");
        }
        for connection in ["url", "token", "submit.token-file", "caFile", "data_dir", "allow-plain-http"] {
            assert!(is_connection(connection), "{connection}");
        }
        assert!(KEYS.iter().all(|key| !is_connection(key.name)));
    }
}
