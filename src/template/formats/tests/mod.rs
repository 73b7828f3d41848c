//! Whole files of people.

mod clearml;
mod glue;
mod golden;
mod launch;
mod properties;

use super::{Format, Import, read};
use std::fmt::Write;

/// What a file becomes, as people would look at it.
fn shown(import: &Import) -> String {
    let mut text = String::new();
    for note in &import.notes {
        let _ = writeln!(text, "{note}");
    }
    for (what, list) in [("budget", &import.budgets), ("queue", &import.queues)] {
        for one in list {
            let _ = writeln!(text, "{what} {}: {}", one.name, serde_json::to_string_pretty(&one.document).unwrap());
        }
    }
    text
}

fn launch(text: &str) -> Import {
    read(Format::Launch, text, Some("q1"))
}

fn clearml(text: &str) -> Import {
    read(Format::ClearMl, text, None)
}
