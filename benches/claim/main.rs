//! What a claim and a submit cost at a thousand pending tasks and at a million, in the store and over REST.
//!
//! Four databases: `plain` (one user, one queue) and `mixed` (1,000 users, 50 queues, sizes, priorities, limits and budgets),
//! each at both depths. All variants run in turn, round by round, so that a machine whose speed drifts slows all of them:
//! figures are min / median / max of the rounds' medians, and each ratio is the median of the rounds' ratios. Every commit
//! is synced. Inside: no task is served twice, plain tasks come in their order, no claim comes back empty, and at the end
//! the counts add up; otherwise the figures are void.
//!
//! `cargo bench --bench claim [-- ROUNDS CLAIMS DEPTH]`, default 7 rounds of 60 claims and a million. `SLIPWAY_BENCH_DIR`
//! puts the databases elsewhere; one on a memory file system shows the cost without that of a sync.

#![expect(clippy::print_stdout, reason = "its figures are its output")]

mod figures;
mod inside;
mod rest;
mod world;

use figures::Figures;
use slipway::{app::ambient::SystemRng, domain::Rng};
use std::path::PathBuf;
use uuid::Uuid;
use world::{Shape, World};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How much is measured.
#[derive(Clone, Copy)]
struct Effort {
    rounds: usize,
    claims: usize,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // `cargo bench` adds a flag of its own.
    let mut numbers = std::env::args().skip(1).filter_map(|arg| arg.parse::<usize>().ok());
    let effort = Effort { rounds: numbers.next().unwrap_or(7), claims: numbers.next().unwrap_or(60) };
    let deep = numbers.next().unwrap_or(1_000_000);
    let dir = tempfile::tempdir_in(directory())?;
    let mut worlds = Vec::new();
    for (name, shape, depth) in
        [("plain", Shape::Plain, 1_000), ("plain", Shape::Plain, deep), ("mixed", Shape::Mixed, 1_000), ("mixed", Shape::Mixed, deep)]
    {
        let began = figures::now();
        let world = World::make(dir.path(), name, shape, depth).await?;
        eprintln!("{name} {depth}: made in {:.1} s", began.elapsed().as_secs_f64());
        worlds.push(world);
    }
    let mut figures = Figures::new(effort, deep);
    figures.sync_of(dir.path())?;
    inside::measure(&worlds, effort, &mut figures).await?;
    rest::measure(&worlds, effort, &mut figures).await?;
    figures.print();
    Ok(())
}

/// The identity of a request.
fn fresh() -> Uuid {
    let mut bytes = [0; 16];
    SystemRng.fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

#[expect(clippy::disallowed_methods, reason = "where a benchmark puts its files is its caller's choice")]
fn directory() -> PathBuf {
    std::env::var_os("SLIPWAY_BENCH_DIR").map_or_else(|| env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from)
}
