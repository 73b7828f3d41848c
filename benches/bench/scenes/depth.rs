//! What claims and submits take among a thousand pending tasks and among many, and the server's memory.

use super::Stage;
use crate::{
    Failure,
    driver::BODY,
    figures::{Figures, quantile},
    fill::fill,
    http, machine,
    runner::Runner,
    server::{Database, Server},
};

/// Of each kind, in a round.
const CALLS: usize = 100;

struct Place {
    name: &'static str,
    server: Server,
    runner: Runner,
}

pub(crate) async fn measure(stage: Stage<'_>, figures: &mut Figures) -> Result<(), Failure> {
    let mut places = Vec::new();
    for (name, depth) in [("1 k", 1_000), ("1 M", stage.options.depth)] {
        let server = Server::start(&stage.dir.join(name), &Database::Sqlite)?;
        let token = Runner::token(&server).await?;
        let runner = Runner::register(&server, &token, "deep", 16).await?;
        if depth == 1_000 {
            figures.note("server memory, idle", "MB", machine::resident(server.pid())?);
        }
        let began = machine::now();
        fill(&server, depth).await?;
        figures.note(format!("filling up to {name}"), "s", began.elapsed().as_secs_f64());
        places.push(Place { name, server, runner });
    }
    for round in 0..=stage.options.rounds {
        for place in &mut places {
            let (claims, submits) = place.calls().await?;
            // The first round warms caches and files.
            if round > 0 {
                figures.note(format!("claim p50 at {}", place.name), "ms", claims);
                figures.note(format!("submit p50 at {}", place.name), "ms", submits);
            }
        }
    }
    let deep = places.last().ok_or("no place")?;
    figures.note("server memory, 1 M pending", "MB", machine::resident(deep.server.pid())?);
    Ok(())
}

impl Place {
    /// Claims one task a call, and submits as many; the median of each kind, in ms.
    async fn calls(&mut self) -> Result<(f64, f64), Failure> {
        self.runner.connect().await?;
        let (mut claims, mut submits, mut held) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..CALLS {
            let began = machine::now();
            let tasks = self.runner.claim(1, 0).await?;
            claims.push(began.elapsed().as_secs_f64() * 1e3);
            if tasks.len() != 1 {
                return Err("a claim came back empty".into());
            }
            held.extend(tasks);
        }
        let request = Server::request("POST", "/api/v1/tasks", &self.server.token, BODY);
        let mut stream = http::connect(&self.server.address).await?;
        for _ in 0..CALLS {
            let began = machine::now();
            http::exchange(&mut stream, &request, &["201"]).await?;
            submits.push(began.elapsed().as_secs_f64() * 1e3);
        }
        self.runner.finish(&held).await?;
        Ok((quantile(&claims, 50), quantile(&submits, 50)))
    }
}
