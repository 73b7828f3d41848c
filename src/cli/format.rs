//! How data is printed.

use clap::ValueEnum;
use serde_json::Value;

/// How data is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// The same with more columns, and nothing cut.
    Wide,
    /// The API's object, unchanged.
    Json,
    /// The items of a list, or the object, one a line.
    Jsonl,
    /// The API's object as YAML.
    Yaml,
    /// Ids or names only, one a line.
    Name,
}

impl Format {
    /// Whether a person reads it.
    #[must_use]
    pub fn is_for_people(self) -> bool {
        matches!(self, Self::Table | Self::Wide)
    }

    /// Whether it is the API's object, in whatever notation.
    #[must_use]
    pub fn is_whole(self) -> bool {
        matches!(self, Self::Json | Self::Jsonl | Self::Yaml)
    }
}

/// The items of a list, or the object itself, one a line.
pub(super) fn lines(object: &Value) -> String {
    let items = object.as_array().or_else(|| object.get("items")?.as_array());
    items.map_or_else(|| object.to_string() + "\n", |items| items.iter().map(|item| item.to_string() + "\n").collect())
}
