//! Runners: who claims.

use super::{
    Store,
    error::Result,
    flush::last_of,
    lease::parse,
    sql::{self, Row, cells},
    writer::{Statement, Tx},
};
use crate::domain::{RunnerName, UnixMs};
use uuid::Uuid;

/// A registered runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunnerRecord {
    /// Its name.
    pub name: RunnerName,
    /// The data directory it belongs to.
    pub instance: Uuid,
    /// What it said of itself, as JSON.
    pub doc: String,
    /// When it registered last.
    pub registered_at: UnixMs,
    /// How many attempts it holds.
    pub active: u32,
}

/// Records a runner, in place of what stood under its name.
pub struct Register {
    /// Its name.
    pub name: RunnerName,
    /// The data directory it belongs to.
    pub instance: Uuid,
    /// What it says of itself, as JSON.
    pub doc: String,
}

impl Statement for Register {
    type Output = ();

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<()>> {
        let now = tx.now.0;
        let rows = last_of(batch.iter().map(|r| cells![&r.name, r.instance, &r.doc, now]), 1);
        tx.each(
            "insert into runner each($1: name text, instance text, doc text, registered_at int)
             on conflict (name) do update set instance = excluded.instance, doc = excluded.doc, registered_at = excluded.registered_at",
            rows,
        )
        .await?;
        Ok(vec![(); batch.len()])
    }
}

/// Renews every claim of a runner that has not started; none gets shorter by it.
pub struct Renew(pub RunnerName);

impl Statement for Renew {
    type Output = ();

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<()>> {
        let names: Vec<&RunnerName> = batch.iter().map(|r| &r.0).collect();
        sql::query("update lease set expires_up = {sqlite: max; postgres: greatest}(expires_up, $2) where expires_up is not null and runner in each($1: name text)")
            .bind(sql::column(names))
            .bind(tx.up.after(tx.times.claim_lease_ms))
            .execute(&mut *tx.conn)
            .await?;
        tx.deadline_written();
        Ok(vec![(); batch.len()])
    }
}

const RUNNERS: &str =
    "select name, instance, doc, registered_at, (select count(*) from lease l where l.runner = runner.name) as active from runner";

impl Store {
    /// One runner.
    pub async fn runner(&self, name: &RunnerName) -> Result<Option<RunnerRecord>> {
        let row = sql::query_of(format!("{RUNNERS} where name = $1")).bind(name.as_str()).fetch_optional(&self.readers).await?;
        row.as_ref().map(read).transpose()
    }

    /// All runners, by name.
    pub async fn runners(&self) -> Result<Vec<RunnerRecord>> {
        let rows = sql::query_of(format!("{RUNNERS} order by name")).fetch_all(&self.readers).await?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &Row) -> Result<RunnerRecord> {
    Ok(RunnerRecord {
        name: parse("runner", 0, row.try_get("name")?)?,
        instance: parse("runner", 0, row.try_get("instance")?)?,
        doc: row.try_get("doc")?,
        registered_at: UnixMs(row.try_get("registered_at")?),
        active: row.try_get("active")?,
    })
}
