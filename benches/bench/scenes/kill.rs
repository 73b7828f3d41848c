//! The server is killed under load and started again: what it acknowledged is there, and nothing ended twice.

use super::{Home, Stage, homes};
use crate::{Failure, driver::BODY, figures::Figures, http, machine, rest, runner::Runner, server::Server};
use futures::future::join_all;
use serde_json::Value;
use std::{collections::HashSet, time::Duration};

const SUBMITTERS: usize = 16;
/// From the start of the load to the kill.
const LOAD: Duration = Duration::from_millis(1_500);

pub(crate) async fn measure(stage: Stage<'_>, figures: &mut Figures) -> Result<(), Failure> {
    for Home { prefix, dir, database } in homes(stage, "kill").await? {
        let mut server = Server::start(&dir, &database)?;
        let token = Runner::token(&server).await?;
        let (mut submitted, mut ended) = (Vec::new(), Vec::new());
        for _ in 0..stage.options.kills {
            let (some, others) = load(&mut server, &token).await?;
            submitted.extend(some);
            ended.extend(others);
            let began = machine::now();
            server = Server::start(&dir, &database)?;
            let mut runner = Runner::register(&server, &token, "drain", 1).await?;
            let claimed = runner.claim(1, 10).await?;
            figures.note(format!("{prefix}kill -9 of the server: start to first claim"), "ms", began.elapsed().as_secs_f64() * 1e3);
            runner.finish(&claimed).await?;
            ended.extend(claimed.iter().map(|task| task.task.0));
        }
        let (all, succeeded) = rest::listed(&server).await?;
        for (what, acknowledged, found) in [("submits", &submitted, &all), ("ends", &ended, &succeeded)] {
            let found: HashSet<_> = found.iter().collect();
            let lost = acknowledged.iter().filter(|id| !found.contains(id)).count();
            let twice = acknowledged.len() - acknowledged.iter().collect::<HashSet<_>>().len();
            figures.count_of(format!("{prefix}kill -9: {what} acknowledged"), acknowledged.len());
            figures.count_of(format!("{prefix}kill -9: {what} lost or twice"), lost + twice);
        }
    }
    Ok(())
}

/// Submits and drains until the server dies of it; the ids of the acknowledged submits and ends.
async fn load(server: &mut Server, token: &str) -> Result<(Vec<i64>, Vec<i64>), Failure> {
    let request: bytes::Bytes = Server::request("POST", "/api/v1/tasks", &server.token, BODY).into();
    let submitters: Vec<_> = (0..SUBMITTERS)
        .map(|_| {
            let (address, request) = (server.address.clone(), request.clone());
            tokio::spawn(async move {
                let mut ids = Vec::new();
                let ended = submits(&address, &request, &mut ids).await;
                (ids, ended)
            })
        })
        .collect();
    let mut runner = Runner::register(server, token, "drain", 16).await?;
    let drain = tokio::spawn(async move {
        let mut ids = Vec::new();
        let ended = drains(&mut runner, &mut ids).await;
        (ids, ended)
    });
    tokio::time::sleep(LOAD).await;
    let early = drain.is_finished() || submitters.iter().any(tokio::task::JoinHandle::is_finished);
    server.kill()?;
    let (drained, why) = drain.await?;
    if early {
        return Err(format!("the load ended before the kill: {why:?}").into());
    }
    let submitted = join_all(submitters).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok((submitted.into_iter().flat_map(|(ids, _)| ids).collect(), drained))
}

/// Until the connection breaks.
async fn submits(address: &str, request: &[u8], ids: &mut Vec<i64>) -> Result<(), Failure> {
    let mut stream = http::connect(address).await?;
    loop {
        let answer: Value = serde_json::from_slice(&http::exchange(&mut stream, request, &["201"]).await?)?;
        ids.push(answer["id"].as_i64().ok_or("no id")?);
    }
}

/// Until the connection breaks.
async fn drains(runner: &mut Runner, ids: &mut Vec<i64>) -> Result<(), Failure> {
    loop {
        let tasks = runner.claim(50, 1).await?;
        runner.finish(&tasks).await?;
        ids.extend(tasks.iter().map(|task| task.task.0));
    }
}
