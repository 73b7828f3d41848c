//! What the command line asks for.

use crate::{
    row::Row,
    score::{Level, Size, title},
};

/// Rows on a real node whose faults outlast what others' faults take, however they are scaled: an API server or a node that is away,
/// and cuts which the pauses of agents outlast.
const LONG: [u8; 3] = [7, 8, 13];

/// The arguments; `make` fills them from `ROW`, `LEVEL` and `SEED`.
#[derive(Debug)]
pub(crate) struct Options {
    /// `--row N`: this row alone.
    row: Option<u8>,
    /// `--level P|R|W`: at this level alone.
    level: Option<Level>,
    /// `--seed N`; else each row rolls one.
    pub(crate) seed: Option<u64>,
    /// `--tasks N`: another size than the form's.
    pub(crate) tasks: Option<usize>,
    /// `--full`: the full form, whose lines are kept.
    pub(crate) size: Size,
    /// `--table`: writes the table of the kept lines, and runs nothing.
    pub(crate) table: bool,
    /// `--list`: names the rows, and runs nothing.
    pub(crate) list: bool,
    /// Words that `cargo test` hands to every test program: rows whose title holds one.
    words: Vec<String>,
}

impl Options {
    /// Reads them. Flags of the usual test programs are passed over, since `cargo test` gives all programs the same ones.
    pub(crate) fn read(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options =
            Self { row: None, level: None, seed: None, tasks: None, size: Size::Short, table: false, list: false, words: Vec::new() };
        while let Some(arg) = args.next() {
            let mut value = || args.next().filter(|value| !value.is_empty()).ok_or_else(|| format!("{arg} needs a value"));
            let number = |text: String| text.parse::<u64>().map_err(|_| format!("{arg} takes a number, not {text:?}"));
            match arg.as_str() {
                "--row" => options.row = Some(u8::try_from(number(value()?)?).map_err(|_| "there is no such row".to_owned())?),
                "--seed" => options.seed = Some(number(value()?)?),
                "--tasks" => options.tasks = usize::try_from(number(value()?)?).ok(),
                "--level" => options.level = Some(level(&value()?)?),
                "--full" => options.size = Size::Full,
                "--table" => options.table = true,
                "--list" => options.list = true,
                "--test-threads" | "--skip" | "--format" | "--color" | "-Z" => drop(value()?),
                flag if flag.starts_with('-') => {}
                word => options.words.push(word.to_owned()),
            }
        }
        Ok(options)
    }

    /// Whether a row is asked for. One that takes minutes in any form must be named.
    pub(crate) fn want(&self, row: &Row) -> bool {
        let named = |word: &String| title(row.number).contains(word.as_str());
        let long = row.level == Level::R && LONG.contains(&row.number) && !self.list;
        self.row.map_or(!long, |number| number == row.number)
            && self.level.is_none_or(|level| level == row.level)
            && (self.words.is_empty() || self.words.iter().any(named))
    }
}

fn level(text: &str) -> Result<Level, String> {
    match text {
        "P" => Ok(Level::P),
        "R" => Ok(Level::R),
        "W" => Ok(Level::W),
        other => Err(format!("--level takes P, R or W, not {other:?}")),
    }
}
