//! Files that set up a role.

use crate::cli;
use anyhow::{Result, anyhow};
use serde::de::DeserializeOwned;

/// A document out of the text of the file `name`, YAML or JSON; faults have their place.
pub(super) fn parse<T: DeserializeOwned>(name: &str, text: &str) -> Result<T> {
    // As a plain value first: it refuses keys that come twice, which maps would take.
    let read = cli::parse_file::<serde_yaml::Value>(name, text).and_then(|_| cli::parse_file(name, text));
    read.map_err(|failure| {
        let hints = failure.hints.iter().map(|hint| format!("\n  {hint}"));
        anyhow!("{}{}", failure.message.unwrap_or_default(), hints.collect::<String>())
    })
}
