//! How long an idle server takes from a submit to a claim, at 50 tasks a second: a runner waits, as runners do, and the clock starts
//! when the submit was due.

use super::{Home, Stage, homes};
use crate::{
    Failure,
    driver::BODY,
    figures::{Figures, quantile},
    http, machine,
    peer::Peer,
    runner::Runner,
    server::Server,
};
use serde_json::Value;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

const PERIOD: Duration = Duration::from_millis(20);
/// Of one round.
const TASKS: usize = 150;

pub(crate) async fn measure(stage: Stage<'_>, figures: &mut Figures) -> Result<(), Failure> {
    let mut places = Vec::new();
    for Home { prefix, dir, database } in homes(stage, "latency").await? {
        let server = Server::start(&dir, &database)?;
        let token = Runner::token(&server).await?;
        places.push((prefix, Runner::register(&server, &token, "idle", 16).await?, server));
    }
    let mut peer = peer(stage, figures).await?;
    for round in 0..=stage.options.rounds {
        for (prefix, runner, server) in &mut places {
            let before = machine::sync(stage.dir)?;
            let times = passes(server, runner).await?;
            let sync = before.max(machine::sync(stage.dir)?);
            // The first round warms caches and files.
            if round > 0 {
                let half = quantile(&times, 50);
                figures.note(format!("{prefix}idle submit to claim p50"), "ms", half);
                figures.note(format!("{prefix}idle submit to claim p50 less 3 F"), "ms", half - 3.0 * sync);
                figures.note(format!("{prefix}idle submit to claim p99"), "ms", quantile(&times, 99));
            }
        }
        if let Some(peer) = &mut peer {
            let times = peer.latency(TASKS, PERIOD.as_millis()).await?;
            if round > 0 {
                figures.note("graphile-worker: idle submit to claim p50", "ms", quantile(&times, 50));
                figures.note("graphile-worker: idle submit to claim p99", "ms", quantile(&times, 99));
            }
        }
    }
    Ok(())
}

/// The one that is told of jobs; pg-boss polls.
async fn peer(stage: Stage<'_>, figures: &mut Figures) -> Result<Option<Peer>, Failure> {
    let Some(postgres) = stage.postgres.filter(|_| stage.options.peers) else { return Ok(None) };
    let url = postgres.database("graphile_latency").await?;
    match Peer::open("graphile-worker", &url, stage.options.tuned, vec![postgres.pid()]).await {
        Ok(peer) => Ok(Some(peer)),
        Err(error) => {
            figures.skip("graphile-worker: idle submit to claim", error.to_string());
            Ok(None)
        }
    }
}

/// The moments at which submits are due, each told when it has come, by a thread that does nothing else: a timer of the runtime counts
/// whole milliseconds, and is 1 to 2 of them late.
fn ticks() -> mpsc::UnboundedReceiver<Instant> {
    let (tell, ticks) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let mut at = machine::now();
        for _ in 0..TASKS {
            at += PERIOD;
            std::thread::sleep(at.saturating_duration_since(machine::now()));
            if tell.send(at).is_err() {
                return;
            }
        }
    });
    ticks
}

/// Submits in step while the runner claims; the time of each, in ms.
async fn passes(server: &Server, runner: &mut Runner) -> Result<Vec<f64>, Failure> {
    let request = Server::request("POST", "/api/v1/tasks", &server.token, BODY);
    let address = server.address.clone();
    let submitter = tokio::spawn(async move {
        let mut stream = http::connect(&address).await?;
        let (mut ticks, mut due) = (ticks(), HashMap::new());
        while let Some(at) = ticks.recv().await {
            let answer: Value = serde_json::from_slice(&http::exchange(&mut stream, &request, &["201"]).await?)?;
            due.insert(answer["id"].as_i64().ok_or("no id")?, at);
        }
        Ok::<_, Failure>(due)
    });
    let (mut claimed, mut arrived) = (Vec::new(), Vec::new());
    while claimed.len() < TASKS {
        let tasks = runner.claim(16, 10).await?;
        arrived.extend(tasks.iter().map(|_| machine::now()));
        if tasks.is_empty() {
            return Err("a task did not come within 10 s".into());
        }
        claimed.extend(tasks);
    }
    let mut due = submitter.await??;
    let mut times = Vec::new();
    for (task, at) in claimed.iter().zip(arrived) {
        let began = due.remove(&task.task.0).ok_or_else(|| format!("task {} came twice or was never submitted", task.task))?;
        times.push((at - began).as_secs_f64() * 1e3);
    }
    runner.finish(&claimed).await?;
    Ok(times)
}
