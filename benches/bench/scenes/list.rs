//! `slipway ls`, `get` and `why` at 10,000 tasks while others submit as fast as they can.

use super::{Home, Stage, homes};
use crate::{
    Failure,
    driver::Load,
    figures::{Figures, quantile},
    fill::fill,
    http, machine, rest,
    server::Server,
};
use std::time::Duration;

const TASKS: usize = 10_000;
const SUBMITTERS: usize = 8;
/// What is read, each by itself in turn: the first page as the program asks for it, one of the first tasks, and why it waits among
/// thousands.
const READS: [(&str, &str); 3] = [("ls", "/api/v1/tasks?limit=50"), ("get", "/api/v1/tasks/5000"), ("why", "/api/v1/tasks/5000/why")];

pub(crate) async fn measure(stage: Stage<'_>, figures: &mut Figures) -> Result<(), Failure> {
    for Home { prefix, dir, database } in homes(stage, "list").await? {
        let server = Server::start(&dir, &database)?;
        fill(&server, TASKS).await?;
        for round in 0..=stage.options.rounds {
            let load = Load { connections: SUBMITTERS, batch: 1, time: Duration::from_secs_f64(stage.options.seconds) };
            for (what, path) in READS {
                let (submitted, times) = tokio::try_join!(rest::submit(&server, load), reads(&server, path, load.time))?;
                // The first round warms caches and files.
                if round > 0 {
                    figures.note(format!("{prefix}{what} p50"), "ms", quantile(&times, 50));
                    figures.note(format!("{prefix}{what} p95"), "ms", quantile(&times, 95));
                    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
                    figures.note(format!("{prefix}{what}: submits beside it"), "tasks/s", submitted.len() as f64 / stage.options.seconds);
                }
            }
        }
    }
    Ok(())
}

/// Reads the same again and again, with a pause like a person's; the times in ms.
async fn reads(server: &Server, path: &str, time: Duration) -> Result<Vec<f64>, Failure> {
    let request = Server::request("GET", path, &server.token, "");
    let mut stream = http::connect(&server.address).await?;
    let (began, mut times) = (machine::now(), Vec::new());
    while began.elapsed() < time {
        let sent = machine::now();
        http::exchange(&mut stream, &request, &["200"]).await?;
        times.push(sent.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(times)
}
