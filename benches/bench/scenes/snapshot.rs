//! Claims on PostgreSQL while somebody keeps a transaction open, so that no row that ended since can be removed.

use super::Stage;
use crate::{
    Failure,
    driver::{Driver, Load},
    figures::Figures,
    machine,
    rest::Rest,
    server::{Database, Server, can_postgres},
};
use std::time::Duration;

/// Before the snapshot, and the last of it.
const WINDOW: Duration = Duration::from_secs(10);

pub(crate) async fn measure(stage: Stage<'_>, figures: &mut Figures) -> Result<(), Failure> {
    let Some(postgres) = stage.postgres.filter(|_| can_postgres().unwrap_or(false)) else {
        figures.skip("a held snapshot", "it needs PostgreSQL, and a server that keeps its tasks there");
        return Ok(());
    };
    let url = postgres.database("snapshot").await?;
    let server = Server::start(&stage.dir.join("on"), &Database::Postgres(url))?;
    let mut queue = Rest::open("held snapshot", server, vec![postgres.pid()]).await?;
    turn(&mut queue).await?;
    let clean = turns(&mut queue, WINDOW).await?;
    let mut holder = postgres.connect("snapshot").await?;
    sqlx::raw_sql("begin isolation level repeatable read; select count(*) from pg_class").execute(&mut holder).await?;
    turns(&mut queue, stage.options.hold.saturating_sub(WINDOW)).await?;
    let held = turns(&mut queue, WINDOW).await?;
    sqlx::raw_sql("rollback").execute(&mut holder).await?;
    queue.verify().await?;
    for (rate, before) in held.into_iter().zip(clean) {
        figures.note("Postgres: claim + start + ack, before the snapshot", "tasks/s", before);
        figures.note("Postgres: claim + start + ack, at the end of the snapshot", "tasks/s", rate);
    }
    Ok(())
}

/// The rates of all turns within the time.
async fn turns(queue: &mut Rest, time: Duration) -> Result<Vec<f64>, Failure> {
    let (began, mut rates) = (machine::now(), Vec::new());
    while began.elapsed() < time {
        rates.push(turn(queue).await?);
    }
    Ok(rates)
}

/// Submits some and drains them; the rate of the whole lives.
async fn turn(queue: &mut Rest) -> Result<f64, Failure> {
    let load = |millis| Load { connections: 8, batch: 100, time: Duration::from_millis(millis) };
    queue.submit(load(200)).await?;
    let parts = queue.drain(load(1_000)).await?;
    Ok(parts.last().ok_or("nothing to drain")?.1.rate())
}
