//! Memory for 1,000 followers of logs to which nothing comes, and what a follower is kept waiting beside others that never read.

use super::{Stage, attempt::Attempt};
use crate::{
    Failure,
    figures::{Figures, quantile},
    machine,
    runner::Runner,
    server::{Database, Server},
    stream::Stream,
};
use futures::future::try_join_all;
use std::time::{Duration, Instant};

const FOLLOWERS: usize = 1_000;
/// Logs that they follow.
const LOGS: usize = 10;
/// Followers that never read.
const STUCK: usize = 20;
/// What the one that reads sees a round, piece by piece.
const PIECES: usize = 150;
const PIECE: usize = 128 << 10;
/// As `slipway logs --follow` asks for a log, and as other programs do.
const EVENTS: &str = "text/event-stream";
const BYTES: &str = "text/plain";
const PERIOD: Duration = Duration::from_millis(20);

pub(crate) async fn measure(stage: Stage<'_>, figures: &mut Figures) -> Result<(), Failure> {
    idle(stage, figures).await?;
    let server = Server::start(&stage.dir.join("stuck"), &Database::Sqlite)?;
    let mut runner = Runner::register(&server, &Runner::token(&server).await?, "logs", 1).await?;
    for round in 0..=stage.options.rounds {
        let (alone, base) = follow(&server, &mut runner, 0).await?;
        let (beside, memory) = follow(&server, &mut runner, STUCK).await?;
        // The first round warms caches and files.
        if round > 0 {
            for (what, times) in [("alone", &alone), ("beside stuck ones", &beside)] {
                figures.note(format!("follower {what} p50"), "ms", quantile(times, 50));
                figures.note(format!("follower {what} p99"), "ms", quantile(times, 99));
            }
            #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
            figures.note("server memory, a stuck follower", "KB", (memory - base).max(0.0) * 1e3 / STUCK as f64);
        }
    }
    Ok(())
}

async fn idle(stage: Stage<'_>, figures: &mut Figures) -> Result<(), Failure> {
    let server = Server::start(&stage.dir.join("idle"), &Database::Sqlite)?;
    let mut runner = Runner::register(&server, &Runner::token(&server).await?, "logs", 1).await?;
    let mut logs = Vec::new();
    for _ in 0..LOGS {
        let mut attempt = Attempt::begin(&server, &mut runner).await?;
        attempt.put(b"begun\n").await?;
        logs.push(attempt);
    }
    let before = machine::resident(server.pid())?;
    let followers = (0..FOLLOWERS).map(|nth| {
        let path = format!("/api/v1/tasks/{}/log?follow=true", logs[nth % LOGS].task);
        let server = &server;
        async move {
            let mut stream = Stream::open(server, &path, EVENTS).await?;
            stream.next().await?;
            Ok::<_, Failure>(stream)
        }
    });
    let followers = try_join_all(followers).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let all = machine::resident(server.pid())?;
    figures.note("server memory, 1,000 idle followers", "MB", all);
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    figures.note("server memory, an idle follower", "KB", (all - before) * 1e3 / followers.len() as f64);
    Ok(())
}

/// How long each piece of a log takes from the agent to a follower, in ms, and how much the server's memory grew, in MB.
async fn follow(server: &Server, runner: &mut Runner, stuck: usize) -> Result<(Vec<f64>, f64), Failure> {
    let mut attempt = Attempt::begin(server, runner).await?;
    let path = format!("/api/v1/tasks/{}/log?follow=true", attempt.task);
    let before = machine::resident(server.pid())?;
    let held = try_join_all((0..stuck).map(|_| Stream::open(server, &path, EVENTS))).await?;
    let mut live = Stream::open(server, &path, BYTES).await?;
    // The first byte of a log finds its followers by the clock; from then on they are told.
    attempt.put(b"begun\n").await?;
    live.next().await?;
    let reader = tokio::spawn(async move {
        let (mut arrived, mut total) = (Vec::new(), 0);
        while arrived.len() < PIECES {
            total += live.next().await?;
            while arrived.len() < PIECES && total >= (arrived.len() + 1) * PIECE {
                arrived.push(machine::now());
            }
        }
        Ok::<_, Failure>(arrived)
    });
    let (mut ticks, mut due, text) = (tokio::time::interval(PERIOD), Vec::<Instant>::new(), vec![b'x'; PIECE]);
    for _ in 0..PIECES {
        due.push(ticks.tick().await.into_std());
        attempt.put(&text).await?;
    }
    let arrived = tokio::time::timeout(Duration::from_secs(10), reader).await???;
    let after = machine::resident(server.pid())?;
    drop(held);
    let times = due.iter().zip(arrived).map(|(due, at)| (at - *due).as_secs_f64() * 1e3).collect();
    Ok((times, after - before))
}
