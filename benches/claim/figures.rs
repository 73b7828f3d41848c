//! Figures: collected by round, printed as a table and as one JSON line each.

use crate::{Effort, Failure};
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs::File,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

#[expect(clippy::disallowed_methods, reason = "a benchmark measures the machine's time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Times of one kind of act, each round's by itself.
#[derive(Default)]
pub(crate) struct Rounds(Vec<Vec<Duration>>);

/// The figures of a run.
pub(crate) struct Figures {
    effort: Effort,
    deep: usize,
    times: BTreeMap<(String, usize), Rounds>,
    plain: Vec<(String, f64, &'static str, Option<f64>)>,
}

/// The most that a claim at depth may cost, as a multiple of one among a thousand.
const CLAIM_RATIO: f64 = 1.6;

impl Figures {
    pub(crate) fn new(effort: Effort, deep: usize) -> Self {
        Self { effort, deep, times: BTreeMap::new(), plain: Vec::new() }
    }

    /// Notes how long an act took, in a round from 0; what warms up is round 0 and counts nowhere.
    pub(crate) fn note(&mut self, what: &str, depth: usize, round: usize, took: Duration) {
        let rounds = &mut self.times.entry((what.to_owned(), depth)).or_default().0;
        rounds.resize(rounds.len().max(round + 1), Vec::new());
        rounds[round].push(took);
    }

    /// A figure of another kind, with the most that it should be.
    pub(crate) fn one(&mut self, what: &str, value: f64, unit: &'static str, goal: Option<f64>) {
        self.plain.push((what.to_owned(), value, unit, goal));
    }

    /// What the machine needs to make a few bytes durable: a floor under every commit.
    pub(crate) fn sync_of(&mut self, dir: &Path) -> Result<(), Failure> {
        let mut file = File::create(dir.join("sync"))?;
        let mut took = Vec::new();
        for _ in 0..150 {
            let began = now();
            file.write_all(&[7; 4096])?;
            file.sync_data()?;
            took.push(began.elapsed());
        }
        self.one("fdatasync of 4 KiB, median", millis(median(took)), "ms", None);
        Ok(())
    }

    pub(crate) fn print(&self) {
        println!(
            "ms, min / median / max over {} rounds of {} claims of their medians; p99 over all",
            self.effort.rounds, self.effort.claims
        );
        for ((what, depth), rounds) in &self.times {
            let (medians, p99) = (rounds.medians(), rounds.p99());
            let (min, mid, max) = spread(medians.clone());
            println!("  {what:<34} {depth:>9}  {min:>8.3} / {mid:>8.3} / {max:>8.3}   p99 {p99:>8.3}");
            println!("{}", json!({ "figure": what, "depth": depth, "unit": "ms", "min": min, "median": mid, "max": max, "p99": p99 }));
        }
        let kinds = self.times.keys().map(|(what, _)| what).collect::<std::collections::BTreeSet<_>>();
        for what in kinds {
            let [Some(shallow), Some(deep)] = [1_000, self.deep].map(|depth| self.times.get(&(what.clone(), depth))) else { continue };
            let ratios = shallow.medians().iter().zip(deep.medians()).map(|(s, d)| d / s).collect();
            let (min, mid, max) = spread(ratios);
            let goal = what.contains("claim").then_some(CLAIM_RATIO);
            let verdict = goal.map_or(String::new(), |goal| format!("   must be ≤ {goal}: {}", if mid <= goal { "met" } else { "MISSED" }));
            println!("  {what:<34} {:>9} ÷ 1000   {min:.2} / {mid:.2} / {max:.2}{verdict}", self.deep);
            println!("{}", json!({ "figure": format!("{what}, ratio"), "min": min, "median": mid, "max": max, "goal": goal }));
        }
        for (what, value, unit, goal) in &self.plain {
            let verdict = goal.map_or(String::new(), |goal| format!("   goal ≤ {goal}: {}", if *value <= goal { "met" } else { "MISSED" }));
            println!("  {what:<55} {value:>8.2} {unit}{verdict}");
            println!("{}", json!({ "figure": what, "value": value, "unit": unit, "goal": goal }));
        }
    }
}

impl Rounds {
    /// The median of each round but the one that warmed up, in ms.
    fn medians(&self) -> Vec<f64> {
        self.0.iter().skip(1).filter(|round| !round.is_empty()).map(|round| millis(median(round.clone()))).collect()
    }

    fn p99(&self) -> f64 {
        let mut all: Vec<Duration> = self.0.iter().skip(1).flatten().copied().collect();
        all.sort_unstable();
        all.get(all.len() * 99 / 100).copied().map_or(0.0, millis)
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[0], values[values.len() / 2], values[values.len() - 1])
}
