//! What must hold, as ratios within each round (docs: `benches/README.md`), and whether it did.

use crate::{
    figures::{Figures, spread},
    table::Line,
};

/// A ratio of two figures, or one figure, and its bounds.
struct Goal {
    name: &'static str,
    over: &'static str,
    /// Without one, the figure itself.
    under: Option<&'static str>,
    /// Whether more is better.
    least: bool,
    must: f64,
    stretch: f64,
}

const fn ratio(name: &'static str, over: &'static str, under: &'static str, must: f64, stretch: f64) -> Goal {
    Goal { name, over, under: Some(under), least: true, must, stretch }
}

const fn at_most(name: &'static str, over: &'static str, under: Option<&'static str>, must: f64, stretch: f64) -> Goal {
    Goal { name, over, under, least: false, must, stretch }
}

const GOALS: &[Goal] = &[
    ratio("single submit, against bare axum", "slipway sqlite: submit", "H: submit", 0.15, 0.22),
    ratio("single submit, against one-commit inserts", "slipway sqlite: submit", "raw sqlite: submit", 2.5, 4.0),
    ratio("single submit, against graphile-worker", "slipway sqlite: submit", "graphile-worker: submit", 5.0, 10.0),
    ratio("single submit, against pg-boss", "slipway sqlite: submit", "pg-boss: submit", 5.0, 10.0),
    ratio("batches of 100, against raw SQLite", "slipway sqlite: submit by 100", "raw sqlite: submit by 100", 0.6, 1.0),
    ratio("batches of 100, against pg-boss", "slipway sqlite: submit by 100", "pg-boss: submit by 100", 1.5, 3.0),
    ratio("Postgres: batches of 100, against pg-boss", "slipway postgres: submit by 100", "pg-boss: submit by 100", 1.5, 3.0),
    ratio("claim + ack by 100, against raw SQLite", "slipway sqlite: claim + ack by 100", "raw sqlite: claim + ack by 100", 0.5, 0.75),
    ratio("Postgres: single submit, against pgbench", "slipway postgres: submit", "pgbench: submit", 1.5, 2.5),
    ratio("Postgres: single submit, against graphile-worker", "slipway postgres: submit", "graphile-worker: submit", 5.0, 10.0),
    ratio("Postgres: single submit, against pg-boss", "slipway postgres: submit", "pg-boss: submit", 5.0, 10.0),
    ratio("Postgres: batches of 100, against pgbench", "slipway postgres: submit by 100", "pgbench: submit by 100", 0.5, 0.8),
    ratio(
        "Postgres: claim + ack by 100, against pgbench",
        "slipway postgres: claim + ack by 100",
        "pgbench: claim + ack by 100",
        0.6,
        0.85,
    ),
    ratio(
        "Postgres: claim + ack by 100, against graphile-worker",
        "slipway postgres: claim + ack by 100",
        "graphile-worker: claim + ack by 100",
        1.5,
        2.0,
    ),
    ratio("Postgres: claim + ack by 100, against pg-boss", "slipway postgres: claim + ack by 100", "pg-boss: claim + ack by 100", 1.5, 2.0),
    at_most("Postgres: WAL of a task's life", "Postgres: WAL of a task's life", None, 2_500.0, 1_900.0),
    ratio(
        "Postgres: a snapshot held",
        "Postgres: claim + start + ack, at the end of the snapshot",
        "Postgres: claim + start + ack, before the snapshot",
        0.8,
        0.95,
    ),
    ratio("claims, 256 connections against 8", "claims on 256 connections", "claims on 8 connections", 0.9, 1.0),
    ratio(
        "Postgres: claims, 256 connections against 8",
        "Postgres: claims on 256 connections",
        "Postgres: claims on 8 connections",
        0.9,
        1.0,
    ),
    at_most("idle submit to claim p50, less 3 F", "idle submit to claim p50 less 3 F", None, 0.7, 0.3),
    at_most("idle submit to claim p99", "idle submit to claim p99", None, 10.0, 3.0),
    at_most(
        "idle submit to claim p50, against graphile-worker",
        "idle submit to claim p50",
        Some("graphile-worker: idle submit to claim p50"),
        0.5,
        0.25,
    ),
    at_most("claim p50, 1 M pending against 1 k", "claim p50 at 1 M", Some("claim p50 at 1 k"), 1.6, 1.0),
    at_most("submit p50, 1 M pending against 1 k", "submit p50 at 1 M", Some("submit p50 at 1 k"), 1.43, 1.0),
    at_most("server memory, idle", "server memory, idle", None, 25.0, 10.0),
    at_most("server memory, 1 M pending", "server memory, 1 M pending", None, 200.0, 120.0),
    at_most("server memory, 1,000 idle followers", "server memory, 1,000 idle followers", None, 60.0, 25.0),
    at_most("server memory, a stuck follower", "server memory, a stuck follower", None, 64.0, 32.0),
    at_most("a follower beside stuck ones, p50", "follower beside stuck ones p50", Some("follower alone p50"), 1.5, 1.1),
    at_most("`ls` at 10 k tasks under writes, p95", "ls p95", None, 150.0, 50.0),
    at_most("Postgres: `ls` at 10 k tasks under writes, p95", "Postgres: ls p95", None, 150.0, 50.0),
    at_most("`get` at 10 k tasks under writes, p95", "get p95", None, 150.0, 50.0),
    at_most("Postgres: `get` at 10 k tasks under writes, p95", "Postgres: get p95", None, 150.0, 50.0),
    at_most("`why` at 10 k tasks under writes, p95", "why p95", None, 150.0, 50.0),
    at_most("Postgres: `why` at 10 k tasks under writes, p95", "Postgres: why p95", None, 150.0, 50.0),
    ratio("log ingest, against zstd -1 on one core", "log ingest", "zstd -1", 0.4, 0.8),
    at_most("kill -9: submits lost or twice", "kill -9: submits lost or twice", None, 0.0, 0.0),
    at_most("kill -9: ends lost or twice", "kill -9: ends lost or twice", None, 0.0, 0.0),
    at_most("Postgres: kill -9: submits lost or twice", "Postgres: kill -9: submits lost or twice", None, 0.0, 0.0),
    at_most("Postgres: kill -9: ends lost or twice", "Postgres: kill -9: ends lost or twice", None, 0.0, 0.0),
    at_most("kill -9: start to first claim", "kill -9 of the server: start to first claim", None, 2_000.0, 500.0),
];

/// What became of each goal of which the run has the figures. A must is missed only where every round missed it: the spread of
/// the rounds is the noise that a run states.
pub(crate) fn judge(figures: &Figures, noisy: bool) -> Vec<Line> {
    let judge = |goal: &Goal| {
        let over = figures.rounds(goal.over)?;
        let values: Vec<f64> = match goal.under {
            Some(under) => over.iter().zip(figures.rounds(under)?).map(|(over, under)| over / under).collect(),
            None => over.to_vec(),
        };
        let (min, median, max) = spread(&values);
        let reaches = |value: f64, bound: f64| if goal.least { value >= bound } else { value <= bound };
        let best = if goal.least { max } else { min };
        let verdict = match () {
            () if reaches(median, goal.stretch) => "stretch",
            () if reaches(median, goal.must) => "must",
            () if reaches(best, goal.must) => "within noise",
            () => "MISSED",
        };
        let rule = goal.under.map_or_else(|| goal.over.to_owned(), |under| format!("{} / {under}", goal.over));
        let noisy = noisy || max > 1.5 * min;
        let (name, verdict) = (goal.name.to_owned(), verdict.to_owned());
        Some(Line::Goal { name, rule, median, min, max, must: goal.must, stretch: goal.stretch, verdict, noisy })
    };
    GOALS.iter().filter_map(judge).collect()
}
