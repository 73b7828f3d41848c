//! What a run measured.

use crate::table::{Line, short};
use std::fmt::Write;

/// Figures in the order in which they came first, each with one value a round.
#[derive(Default)]
pub(crate) struct Figures {
    all: Vec<(String, &'static str, Vec<f64>)>,
    skipped: Vec<(String, String)>,
    voids: Vec<(String, String)>,
}

impl Figures {
    /// Notes the value of one round.
    pub(crate) fn note(&mut self, name: impl Into<String>, unit: &'static str, value: f64) {
        let name = name.into();
        match self.all.iter_mut().find(|(known, ..)| *known == name) {
            Some((.., rounds)) => rounds.push(value),
            None => self.all.push((name, unit, vec![value])),
        }
    }

    /// Notes a number of things.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub(crate) fn count_of(&mut self, name: impl Into<String>, count: usize) {
        self.note(name, "", count as f64);
    }

    /// Notes the sum of two figures, round by round, where both are there.
    pub(crate) fn sum(&mut self, name: &str, unit: &'static str, [one, other]: [&str; 2]) {
        let (Some(one), Some(other)) = (self.rounds(one), self.rounds(other)) else { return };
        let sums: Vec<_> = one.iter().zip(other).map(|(one, other)| one + other).collect();
        for sum in sums {
            self.note(name, unit, sum);
        }
    }

    /// Notes what could not be measured.
    pub(crate) fn skip(&mut self, name: impl Into<String>, why: impl Into<String>) {
        let (name, why) = (name.into(), why.into());
        eprintln!("not measured: {name}: {why}");
        self.skipped.push((name, why));
    }

    /// Notes what was measured and does not count, because tasks were lost or done twice.
    pub(crate) fn void(&mut self, name: impl Into<String>, why: impl Into<String>) {
        let (name, why) = (name.into(), why.into());
        eprintln!("VOID: {name}: {why}");
        self.all.retain(|(known, ..)| !known.starts_with(&format!("{name}: ")));
        self.voids.push((name, why));
    }

    /// Whether all that was measured counts.
    pub(crate) fn count(&self) -> bool {
        self.voids.is_empty()
    }

    /// The values of a figure, round by round.
    pub(crate) fn rounds(&self, name: &str) -> Option<&[f64]> {
        self.all.iter().find(|(known, ..)| known == name).map(|(.., rounds)| &rounds[..])
    }

    /// As lines of a file of results.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let figure = |(name, unit, rounds): &(String, &str, Vec<f64>)| Line::Figure {
            name: name.clone(),
            unit: (*unit).to_owned(),
            rounds: rounds.clone(),
        };
        let skipped = |(name, why): &(String, String)| Line::Skipped { name: name.clone(), why: why.clone() };
        let void = |(name, why): &(String, String)| Line::Void { name: name.clone(), why: why.clone() };
        self.all.iter().map(figure).chain(self.voids.iter().map(void)).chain(self.skipped.iter().map(skipped)).collect()
    }
}

/// The value below which so many hundredths of all lie.
pub(crate) fn quantile(values: &[f64], hundredth: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) * hundredth / 100).copied().unwrap_or(f64::NAN)
}

/// All figures of a run.
pub(crate) fn table(lines: &[Line]) -> String {
    let mut figures = String::from("| figure | unit | median (min–max) |\n|---|---|---:|\n");
    for line in lines {
        if let Line::Figure { name, unit, rounds } = line {
            let (min, median, max) = spread(rounds);
            let _ = writeln!(figures, "| {name} | {unit} | {} ({}–{}) |", short(median), short(min), short(max));
        }
    }
    figures
}

/// The least, the median, the most.
pub(crate) fn spread(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted[..] {
        [] => (f64::NAN, f64::NAN, f64::NAN),
        [min, .., max] => (min, sorted[sorted.len() / 2], max),
        [one] => (one, one, one),
    }
}
