//! The compared part: every driver in turn, phase by phase, round by round, so that a machine whose speed drifts slows all of them.

use crate::{
    Failure,
    driver::{Done, Driver, Load},
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
    [(Phase::One, "submit", 64, 1), (Phase::Batch, "submit by 100", 8, 100), (Phase::Drain, "claim + ack by 100", 8, 100)];

/// Beyond this share of waiting for a CPU a round is noisy.
const PRESSURE: f64 = 0.15;

/// Plays all rounds and verifies all drivers; whether more than every third round was noisy.
pub(crate) async fn run(
    drivers: &mut [Box<dyn Driver>],
    postgres: Option<&Postgres>,
    options: Options,
    dir: &Path,
    figures: &mut Figures,
) -> Result<bool, Failure> {
    let mut noisy = 0;
    for round in 0..=options.rounds {
        let (pressure, before) = (machine::pressure().await, machine::sync(dir)?);
        for (phase, what, connections, batch) in PHASES {
            for driver in &mut *drivers {
                let load = Load { connections, batch, time: Duration::from_secs_f64(options.seconds) };
                let Some(measured) = measure(driver.as_mut(), postgres, phase, load).await? else { continue };
                // The first round warms caches and files.
                if round > 0 {
                    measured.note(&format!("{}: {what}", driver.name()), figures);
                }
            }
        }
        let after = machine::sync(dir)?;
        let moved = before.max(after) / before.min(after);
        let loud = pressure > PRESSURE || moved > 2.0;
        eprintln!(
            "round {round}: others {:.0} %, sync {before:.2} and {after:.2} ms{}",
            pressure * 100.0,
            if loud { ", noisy" } else { "" }
        );
        if round > 0 {
            figures.note("others wait for a CPU before the round", "%", pressure * 100.0);
            figures.note("F: fdatasync p50", "ms", before);
            noisy += usize::from(loud);
        }
    }
    for driver in drivers {
        driver.verify().await?;
    }
    Ok(noisy * 3 > options.rounds)
}

/// A phase of a driver, and what it cost.
struct Measured {
    done: Done,
    queue: f64,
    database: f64,
    wal: f64,
}

async fn measure(driver: &mut dyn Driver, postgres: Option<&Postgres>, phase: Phase, load: Load) -> Result<Option<Measured>, Failure> {
    let processes = driver.processes();
    let postgres = postgres.filter(|_| !processes.database.is_empty());
    let (queue, database) = (machine::cpu(&processes.queue), machine::cpu(&processes.database));
    let wal = match postgres {
        Some(postgres) => postgres.wal().await?,
        None => 0.0,
    };
    let done = match phase {
        Phase::One | Phase::Batch => Some(driver.submit(load).await?),
        Phase::Drain => driver.drain(load).await?,
    };
    let Some(done) = done.filter(|done| done.tasks > 0) else { return Ok(None) };
    let wal = match postgres {
        Some(postgres) => postgres.wal().await? - wal,
        None => 0.0,
    };
    let (queue, database) = (machine::cpu(&processes.queue) - queue, machine::cpu(&processes.database) - database);
    Ok(Some(Measured { done, queue, database, wal }))
}

impl Measured {
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    fn note(&self, name: &str, figures: &mut Figures) {
        let tasks = self.done.tasks as f64;
        figures.note(name, "tasks/s", self.done.rate());
        for (what, unit, value) in [
            ("CPU of the queue", "µs/task", self.queue * 1e6 / tasks),
            ("CPU of the database", "µs/task", self.database * 1e6 / tasks),
            ("WAL", "bytes/task", self.wal / tasks),
        ] {
            if value > 0.0 {
                figures.note(format!("{name}, {what}"), unit, value);
            }
        }
    }
}
