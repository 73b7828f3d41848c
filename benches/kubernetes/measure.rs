//! The figures of one run, from what was recorded. Pure.

use crate::record::Line;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Below what half, 95 and 99 of 100 values lie, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
}

impl Spread {
    pub(crate) fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or(f64::NAN);
        Self { p50: at(50), p95: at(95), p99: at(99) }
    }
}

/// When something happened to each task.
pub(crate) type At = BTreeMap<i64, f64>;

/// The first line of each task with this word.
pub(crate) fn of_word(lines: &[Line], word: &str) -> At {
    let mut at = At::new();
    for line in lines.iter().filter(|line| line.word == word) {
        at.entry(line.task).or_insert(line.at);
    }
    at
}

/// How long it took from one to the other, for each task that has both.
pub(crate) fn between(from: &At, to: &At) -> Spread {
    let spans: Vec<f64> = to.iter().filter_map(|(task, at)| Some(at - from.get(task)?)).collect();
    Spread::of(&spans)
}

/// How long each slot was empty between two commands: the nth start takes the slot that the end `slots` before it left. Starts at
/// which there were slots yet that nobody had used are left out, and so is the emptiness after the last start.
pub(crate) fn turnarounds(starts: &At, ends: &At, slots: usize) -> Vec<f64> {
    let sorted = |at: &At| {
        let mut all: Vec<f64> = at.values().copied().collect();
        all.sort_by(f64::total_cmp);
        all
    };
    sorted(starts).into_iter().skip(slots).zip(sorted(ends)).map(|(start, end)| start - end).collect()
}

/// The mean; 0 of nothing.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(crate) fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// Tasks a second, from the first that was handed over to the last that was finished.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(crate) fn rate(submitted: &At, finished: &At) -> f64 {
    let first = submitted.values().copied().fold(f64::INFINITY, f64::min);
    let last = finished.values().copied().fold(f64::NEG_INFINITY, f64::max);
    finished.len() as f64 / (last - first)
}

/// What is wrong with how often the tasks ran; none where each began once and came once to its own end.
pub(crate) fn not_once(tasks: impl IntoIterator<Item = i64>, lines: &[Line]) -> Option<String> {
    let mut seen: BTreeMap<i64, Vec<&str>> = tasks.into_iter().map(|task| (task, Vec::new())).collect();
    for line in lines {
        seen.entry(line.task).or_default().push(&line.word);
    }
    let wrong: Vec<_> = seen.iter().filter(|(_, words)| **words != ["start", "end"]).collect();
    let (task, words) = wrong.first()?;
    Some(format!("{} tasks did not run exactly once; of task {task} is on record: {words:?}", wrong.len()))
}
