//! The table of values in the chart's README.

use super::values::Key;
use anyhow::{Context, Result};
use std::fmt::Write;

/// Where the table begins and ends.
const MARKS: [&str; 2] = ["<!-- values: made by `make chart` -->\n", "<!-- end of values -->"];

/// The text with the table of these values in the place of the one in it.
pub(super) fn with_table(text: &str, keys: &[Key]) -> Result<String> {
    let (before, rest) = text.split_once(MARKS[0]).with_context(|| format!("there is no line {:?}", MARKS[0].trim()))?;
    let (_, after) = rest.split_once(MARKS[1]).with_context(|| format!("there is no {:?}", MARKS[1]))?;
    Ok([before, MARKS[0], &table(keys), MARKS[1], after].concat())
}

fn table(keys: &[Key]) -> String {
    let mut out = "| value | default | meaning |\n| --- | --- | --- |\n".to_owned();
    for key in keys {
        if let Some(meaning) = &key.meaning {
            let default = key.default.to_string();
            // Writing to a String cannot fail.
            let _ = writeln!(out, "| `{}` | `{}` | {} |", key.path.join("."), cell(&default), cell(meaning));
        }
    }
    out
}

/// A text that does not end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
