//! Our server over REST.

use crate::{
    Failure,
    driver::{BODY, DRAIN, Done, Driver, Load, Parts, Processes},
    http, machine,
    runner::{AGENTS, Runner},
    server::Server,
};
use futures::future::{BoxFuture, try_join_all};
use serde_json::Value;
use slipway::wire::{TaskList, TaskQuery, TaskState};
use std::collections::HashSet;
use tokio::task::JoinSet;

/// Runners that claim at once, each with its agents.
const RUNNERS: usize = 4;
/// The most batches that a runner holds at once.
const HELD: usize = 30;
/// The parts of a drain beside the batches.
const STARTS: &str = "start, one a call";
const LIFE: &str = "claim + start + ack";

pub(crate) struct Rest {
    name: &'static str,
    server: Server,
    runners: Vec<Runner>,
    database: Vec<u32>,
    submitted: Vec<i64>,
    drained: Vec<i64>,
}

impl Rest {
    /// `database` are the processes that work for this server.
    pub(crate) async fn open(name: &'static str, server: Server, database: Vec<u32>) -> Result<Self, Failure> {
        let token = Runner::token(&server).await?;
        let mut runners = Vec::new();
        for nth in 0..RUNNERS {
            runners.push(Runner::register(&server, &token, &format!("r{nth}"), AGENTS).await?);
        }
        Ok(Self { name, server, runners, database, submitted: Vec::new(), drained: Vec::new() })
    }
}

/// Submits over so many connections, until the time is over; the ids.
pub(crate) async fn submit(server: &Server, load: Load) -> Result<Vec<i64>, Failure> {
    let (path, body) = match load.batch {
        1 => ("/api/v1/tasks", BODY.to_owned()),
        some => ("/api/v1/tasks:batch", format!(r#"{{"tasks":[{}]}}"#, vec![BODY; some].join(","))),
    };
    let request: bytes::Bytes = Server::request("POST", path, &server.token, &body).into();
    let began = machine::now();
    let mut callers = JoinSet::new();
    for _ in 0..load.connections {
        let (request, address) = (request.clone(), server.address.clone());
        callers.spawn(async move {
            let mut stream = http::connect(&address).await?;
            let mut ids = Vec::new();
            while began.elapsed() < load.time {
                let answer: Value = serde_json::from_slice(&http::exchange(&mut stream, &request, &["201"]).await?)?;
                let id = |value: &Value| value.as_i64().ok_or("no id");
                match answer.get("ids").and_then(Value::as_array) {
                    Some(many) => ids.extend(many.iter().map(id).collect::<Result<Vec<_>, _>>()?),
                    None => ids.push(id(&answer["id"])?),
                }
            }
            Ok::<_, Failure>(ids)
        });
    }
    let mut ids = Vec::new();
    while let Some(ended) = callers.join_next().await {
        ids.extend(ended??);
    }
    Ok(ids)
}

/// The ids of all tasks, and of those that ended well.
pub(crate) async fn listed(server: &Server) -> Result<(Vec<i64>, Vec<i64>), Failure> {
    let client = server.client(&server.token)?;
    let (mut all, mut ended) = (Vec::new(), Vec::new());
    let mut cursor: Option<String> = None;
    loop {
        let query = TaskQuery { limit: Some(1000), cursor: cursor.take(), ..TaskQuery::default() };
        let page: TaskList = client.tasks(&query).await?;
        all.extend(page.items.iter().map(|task| task.id.0));
        ended.extend(page.items.iter().filter(|task| task.state == TaskState::Succeeded).map(|task| task.id.0));
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => return Ok((all, ended)),
        }
    }
}

impl Driver for Rest {
    fn name(&self) -> &'static str {
        self.name
    }

    fn submit(&mut self, load: Load) -> BoxFuture<'_, Result<Done, Failure>> {
        Box::pin(async move {
            let began = machine::now();
            let ids = submit(&self.server, load).await?;
            let done = Done::since(began, ids.len());
            self.submitted.extend(ids);
            Ok(done)
        })
    }

    /// In three passes, so that what goes in batches is told apart from the starts, which are a call each: every agent starts its own
    /// attempt.
    fn drain(&mut self, load: Load) -> BoxFuture<'_, Result<Parts, Failure>> {
        Box::pin(async move {
            for runner in &mut self.runners {
                runner.connect().await?;
            }
            let began = machine::now();
            let claims = self.runners.iter_mut().map(|runner| async move {
                let mut held = Vec::new();
                while began.elapsed() < load.time / 2 && held.len() < HELD {
                    let tasks = runner.claim(load.batch, 0).await?;
                    if tasks.is_empty() {
                        break;
                    }
                    held.push(tasks);
                }
                Ok::<_, Failure>((runner, held))
            });
            let held = try_join_all(claims).await?;
            let claimed = began.elapsed().as_secs_f64();
            let starts = held.into_iter().map(|(runner, held)| async move {
                for tasks in &held {
                    runner.start(tasks).await?;
                }
                Ok::<_, Failure>((runner, held))
            });
            let held = try_join_all(starts).await?;
            let started = began.elapsed().as_secs_f64();
            let ends = held.into_iter().map(|(runner, held)| async move {
                for tasks in &held {
                    runner.report(tasks).await?;
                }
                Ok::<_, Failure>(held)
            });
            let ids: Vec<i64> = try_join_all(ends).await?.into_iter().flatten().flatten().map(|task| task.task.0).collect();
            let all = began.elapsed().as_secs_f64();
            let done = |seconds: f64| Done { tasks: ids.len(), seconds };
            let parts = vec![(DRAIN, done(all + claimed - started)), (STARTS, done(started - claimed)), (LIFE, done(all))];
            self.drained.extend(ids);
            Ok(parts)
        })
    }

    fn processes(&self) -> Processes {
        Processes { queue: vec![self.server.pid()], database: self.database.clone() }
    }

    fn verify(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            let (all, ended) = listed(&self.server).await?;
            same("acknowledged submits", &self.submitted, &all)?;
            same("acknowledged ends", &self.drained, &ended)
        })
    }
}

/// Both hold the same ids, each once.
fn same(what: &str, acknowledged: &[i64], found: &[i64]) -> Result<(), Failure> {
    let [mut once, mut there] = [acknowledged, found].map(|ids| ids.iter().collect::<HashSet<_>>());
    if once.len() == acknowledged.len() && there.len() == found.len() && once == there {
        return Ok(());
    }
    once.retain(|id| !there.remove(id));
    Err(format!("{what}: {} of them, {} found, {} lost, {} unasked for", acknowledged.len(), found.len(), once.len(), there.len()).into())
}
