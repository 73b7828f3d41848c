//! Results as JSON lines, and the table that the README shows of the newest.

use serde::{Deserialize, Serialize};
use std::{
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
};

/// Between these lines of the top README stands the table.
const BEGIN: &str = "<!-- table: written by `make bench-table` from the newest file in benches/results -->";
const END: &str = "<!-- end of the table -->";

/// One line of a file of results.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub(crate) enum Line {
    /// Where and when; the first line.
    Run { at: String, commit: String, hardware: String, rounds: usize, seconds: f64, noisy: bool },
    /// One thing measured, per round.
    Figure { name: String, unit: String, rounds: Vec<f64> },
    /// Two things in one round, or one against a fixed bound.
    Goal { name: String, rule: String, median: f64, min: f64, max: f64, must: f64, stretch: f64, verdict: String, noisy: bool },
    /// What this run could not measure, and why.
    Skipped { name: String, why: String },
    /// What was measured and does not count, because tasks were lost or done twice.
    Void { name: String, why: String },
}

/// The newest file of results, if there is one: their names begin with the time.
fn newest(dir: &Path) -> io::Result<Option<PathBuf>> {
    let mut files = Vec::new();
    if !dir.exists() {
        return Ok(None);
    }
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let dated = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(|c: char| c.is_ascii_digit()));
        if dated && path.extension().is_some_and(|ending| ending == "jsonl") {
            files.push(path);
        }
    }
    Ok(files.into_iter().max())
}

/// The lines of the newest file; none where there is no file.
pub(crate) fn read_newest(dir: &Path) -> io::Result<Vec<Line>> {
    newest(dir)?.map_or_else(|| Ok(Vec::new()), |path| read(&path))
}

fn read(path: &Path) -> io::Result<Vec<Line>> {
    fs::read_to_string(path)?.lines().map(|line| serde_json::from_str(line).map_err(io::Error::from)).collect()
}

/// The README with this table in place of the one that it has.
pub(crate) fn replaced(readme: &str, lines: &[Line]) -> io::Result<String> {
    let missing = || io::Error::other("the README has no marked section for the table");
    let (before, rest) = readme.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    Ok(format!("{before}{BEGIN}\n\n{}\n{END}{after}", markdown(lines)))
}

/// The table of a run: what must hold, and what is not there.
pub(crate) fn markdown(lines: &[Line]) -> String {
    let mut goals = String::from("| goal | median (min–max) | must | stretch | verdict |\n|---|---:|---:|---:|---|\n");
    let (mut head, mut rest) = (String::from("No run yet.\n"), String::new());
    for line in lines {
        let _ = match line {
            Line::Run { at, commit, hardware, rounds, seconds, noisy } => {
                let noise = if *noisy { " **Noisy: other programs used the machine.**" } else { "" };
                head = format!("{at}, commit {commit}, {rounds} rounds of {seconds} s, {hardware}.{noise}\n");
                Ok(())
            }
            Line::Goal { name, median, min, max, must, stretch, verdict, noisy, .. } => {
                let noise = if *noisy { ", noisy" } else { "" };
                let [median, min, max, must, stretch] = [median, min, max, must, stretch].map(|value| short(*value));
                writeln!(goals, "| {name} | {median} ({min}–{max}) | {must} | {stretch} | {verdict}{noise} |")
            }
            Line::Skipped { name, why } => writeln!(rest, "- not measured: {name}: {why}"),
            Line::Void { name, why } => writeln!(rest, "- **void**: {name}: {why}"),
            Line::Figure { .. } => Ok(()),
        };
    }
    if lines.is_empty() {
        return head;
    }
    [head, goals, rest].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Three digits that count.
pub(crate) fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
