//! What a run measured.

use crate::table::Line;

/// Figures in the order in which they came first, each with one value a round.
#[derive(Default)]
pub(crate) struct Figures {
    all: Vec<(String, &'static str, Vec<f64>)>,
    skipped: Vec<(String, String)>,
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

    /// Notes what could not be measured.
    pub(crate) fn skip(&mut self, name: impl Into<String>, why: impl Into<String>) {
        let (name, why) = (name.into(), why.into());
        eprintln!("not measured: {name}: {why}");
        self.skipped.push((name, why));
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
        self.all.iter().map(figure).chain(self.skipped.iter().map(skipped)).collect()
    }
}
