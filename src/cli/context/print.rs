//! How objects are printed, in the format that was asked for.

use super::Context;
use crate::cli::{
    exit::{Exit, Failure},
    format::{Format, lines},
};
use serde::Serialize;
use std::fmt;

impl Context {
    /// Prints an object of the API: unchanged where a machine reads it, else its `names`, one a line, or as `table` makes it.
    pub(crate) fn print<T: Serialize>(
        &self,
        object: &T,
        names: impl FnOnce(&T) -> Vec<String>,
        table: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        let broken = |e: &dyn fmt::Display| Failure::new(Exit::Error, format!("cannot print the answer: {e}"));
        match self.format() {
            Format::Json => self.document(&(serde_json::to_string_pretty(object).map_err(|e| broken(&e))? + "\n")),
            Format::Jsonl => self.console.text(&lines(&serde_json::to_value(object).map_err(|e| broken(&e))?)),
            Format::Yaml => self.console.text(&serde_yaml::to_string(object).map_err(|e| broken(&e))?),
            Format::Name => self.console.text(&names(object).into_iter().map(|name| name + "\n").collect::<String>()),
            Format::Table | Format::Wide => self.console.text(&table(object)),
        }
    }

    /// Says what became of something, as that it is gone: its name alone where names are asked for, and nothing to machines, which get no object of the API.
    pub(crate) fn gone(&self, name: &dyn fmt::Display, how: &str) -> Result<(), Failure> {
        match self.format() {
            Format::Table | Format::Wide => self.console.line(format_args!("{name} {how}")),
            Format::Name => self.console.line(format_args!("{name}")),
            Format::Json | Format::Jsonl | Format::Yaml => Ok(()),
        }
    }

    /// Prints a document in the format that was asked for, or what the expression of `--jq`, under which it is JSON, makes of it.
    pub(crate) fn document(&self, text: &str) -> Result<(), Failure> {
        match &self.common.jq {
            Some(query) => self.console.text(&query.apply(text)?),
            None => self.console.text(text),
        }
    }

    /// The width to which tables are cut: the terminal's, and none in a pipe or where all is to be seen.
    pub(crate) fn width(&self) -> Option<u16> {
        let cuts = self.console.terminal().stdout && !self.wide();
        self.console.terminal().width.filter(|_| cuts)
    }

    /// Whether tables have their further columns.
    pub(crate) fn wide(&self) -> bool {
        self.format() == Format::Wide
    }

    /// Whether tables have headers.
    pub(crate) fn headers(&self) -> bool {
        !self.common.no_headers
    }
}
