//! Files of queues or budgets: one of them, a list, or all of them by name. What was done with each is told alike.

use super::{
    context::Context,
    exit::{Exit, Failure},
    file,
    format::Format,
};
use serde::de::DeserializeOwned;
use std::{collections::BTreeMap, fmt, path::Path};

/// A document that stands in such a file.
pub(super) trait Named: DeserializeOwned {
    /// The type of its name.
    type Name: PartialEq + Clone + fmt::Display;
    /// All of them by name, below one key.
    type All: DeserializeOwned + Into<BTreeMap<Self::Name, Self>>;
    /// What it is: `queue`.
    const WHAT: &'static str;
    /// The key of all of them: `queues`.
    const KEY: &'static str;
    /// The name that it gives itself.
    fn name(&self) -> Option<&Self::Name>;
}

/// What apply did to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Created,
    Changed,
    Unchanged,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
        })
    }
}

/// Tells at once what was done to one of several: should a later one be refused, it is known what was done.
pub(super) fn told(context: &Context, name: &impl fmt::Display, change: Change) -> Result<(), Failure> {
    match context.format() {
        Format::Table | Format::Wide => context.console.line(format_args!("{name} {change}")),
        Format::Name => context.console.line(name),
        Format::Json | Format::Jsonl | Format::Yaml => Ok(()),
    }
}

/// All documents of a file, or of standard input.
pub(super) async fn load<T: Named>(context: &Context, path: &Path) -> Result<Vec<(T::Name, T)>, Failure> {
    let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    read(&name, &file::text(&name, context.read(path).await?)?)
}

/// The documents in a text, in its order (by name where they stand by name).
pub(super) fn read<T: Named>(file: &str, text: &str) -> Result<Vec<(T::Name, T)>, Failure> {
    let shape: serde_yaml::Value = file::parse(file, text)?;
    let all = match &shape {
        serde_yaml::Value::Sequence(_) => file::parse::<Vec<T>>(file, text)?,
        serde_yaml::Value::Mapping(map) if map.contains_key(T::KEY) => {
            let by_name: BTreeMap<T::Name, T> = file::parse::<T::All>(file, text)?.into();
            return by_name.into_iter().map(|(key, one)| named(file, key, one)).collect();
        }
        _ => vec![file::parse::<T>(file, text)?],
    };
    if all.is_empty() {
        return Err(Failure::usage(format!("{file} holds no {}", T::WHAT)));
    }
    let unnamed = |i: usize| {
        Failure::new(Exit::Usage, format!("{file}: {} {} has no name", T::WHAT, i + 1)).hint(format!("add a line: name: my-{}", T::WHAT))
    };
    all.into_iter().enumerate().map(|(i, one)| Ok((one.name().cloned().ok_or_else(|| unnamed(i))?, one))).collect()
}

fn named<T: Named>(file: &str, key: T::Name, one: T) -> Result<(T::Name, T), Failure> {
    match one.name() {
        Some(name) if *name != key => Err(Failure::usage(format!("{file}: the {} under {key} calls itself {name}", T::WHAT))),
        _ => Ok((key, one)),
    }
}
