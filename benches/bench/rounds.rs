//! The compared part: every driver in turn, phase by phase, round by round, so that a machine whose speed drifts slows all of them.

use crate::{
    Failure,
    driver::{DRAIN, Driver, Load, Parts},
    figures::Figures,
    machine,
    options::Options,
    postgres::Postgres,
};
use std::{path::Path, time::Duration};

#[derive(Clone, Copy)]
enum Phase {
    One,
    Batch,
    Drain,
}

const PHASES: [(Phase, &str, usize, usize); 3] =
    [(Phase::One, "submit", 64, 1), (Phase::Batch, "submit by 100", 8, 100), (Phase::Drain, DRAIN, 8, 100)];

/// Beyond this share of waiting for a CPU a round is noisy.
const PRESSURE: f64 = 0.15;
/// Beyond this ratio of F before and after a phase, the phase does not count.
const MOVED: f64 = 2.0;

/// Plays all rounds and verifies all drivers; whether more than every third round was noisy. What was measured while F moved beyond
/// twice is dropped, of all drivers alike, so that ratios stay within a round.
pub(crate) async fn run(
    drivers: &mut [Box<dyn Driver>],
    postgres: Option<&Postgres>,
    options: &Options,
    dir: &Path,
    figures: &mut Figures,
) -> Result<bool, Failure> {
    let mut noisy = 0;
    for round in 0..=options.rounds {
        let pressure = machine::pressure().await;
        let mut times_moved = Vec::new();
        for (phase, what, connections, batch) in PHASES {
            let load = Load { connections, batch, time: Duration::from_secs_f64(options.seconds) };
            let mut all = Vec::new();
            let before = machine::sync(dir)?;
            for driver in &mut *drivers {
                let measured = measure(driver.as_mut(), postgres, phase, what, load).await;
                all.extend(measured.map_err(|error| format!("{}: {what}: {error}", driver.name()))?);
            }
            let after = machine::sync(dir)?;
            let moved = before.max(after) / before.min(after);
            times_moved.push(moved);
            // The first round warms caches and files.
            if round > 0 && moved <= MOVED {
                figures.note("F: fdatasync p50", "ms", before);
                for measured in &all {
                    measured.note(figures);
                }
            }
            if round > 0 && moved > MOVED {
                figures.note("dropped, because F moved", "times", moved);
            }
        }
        let loud = pressure > PRESSURE || times_moved.iter().any(|moved| *moved > MOVED);
        eprintln!("round {round}: others {:.0} %, F moved {times_moved:.1?} times{}", pressure * 100.0, if loud { ", noisy" } else { "" });
        if round > 0 {
            figures.note("others wait for a CPU before the round", "%", pressure * 100.0);
            noisy += usize::from(loud);
        }
    }
    for driver in drivers {
        if let Err(error) = driver.verify().await {
            figures.void(driver.name(), error.to_string());
        }
    }
    Ok(noisy * 3 > options.rounds)
}

/// A phase of a driver, and what it cost.
struct Measured {
    driver: &'static str,
    parts: Parts,
    queue: f64,
    database: f64,
    wal: f64,
}

async fn measure(
    driver: &mut dyn Driver,
    postgres: Option<&Postgres>,
    phase: Phase,
    what: &'static str,
    load: Load,
) -> Result<Option<Measured>, Failure> {
    let processes = driver.processes();
    let postgres = postgres.filter(|_| !processes.database.is_empty());
    let (queue, database) = (machine::cpu(&processes.queue), machine::cpu(&processes.database));
    let wal = match postgres {
        Some(postgres) => postgres.wal().await?,
        None => 0.0,
    };
    let parts = match phase {
        Phase::One | Phase::Batch => vec![(what, driver.submit(load).await?)],
        Phase::Drain => driver.drain(load).await?,
    };
    if parts.iter().all(|(_, done)| done.tasks == 0) {
        return Ok(None);
    }
    let wal = match postgres {
        Some(postgres) => postgres.wal().await? - wal,
        None => 0.0,
    };
    let (queue, database) = (machine::cpu(&processes.queue) - queue, machine::cpu(&processes.database) - database);
    Ok(Some(Measured { driver: driver.name(), parts, queue, database, wal }))
}

impl Measured {
    /// The rate of each part; the cost is that of all of them together.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    fn note(&self, figures: &mut Figures) {
        for (part, done) in &self.parts {
            figures.note(format!("{}: {part}", self.driver), "tasks/s", done.rate());
        }
        let Some((what, done)) = self.parts.last() else { return };
        let tasks = done.tasks as f64;
        for (cost, unit, value) in [
            ("CPU of the queue", "µs/task", self.queue * 1e6 / tasks),
            ("CPU of the database", "µs/task", self.database * 1e6 / tasks),
            ("WAL", "bytes/task", self.wal / tasks),
        ] {
            if value > 0.0 {
                figures.note(format!("{}: {what}, {cost}", self.driver), unit, value);
            }
        }
    }
}
