//! S1, S100: the writes of a queue straight into SQLite, one connection, every transaction durable.

use crate::{
    Failure,
    driver::{BODY, DRAIN, Done, Driver, Load, Parts},
    machine,
};
use futures::future::BoxFuture;
use sqlx::{
    Connection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use std::path::Path;

/// The tables that a task passes through: kept, ready, leased, told.
const SCHEMA: &str = "
    create table task (id integer primary key autoincrement, body text not null, ended integer) strict;
    create table ready (queue integer, band integer, usr integer, rank integer, id integer, attempt integer not null,
        primary key (queue, band, usr, rank, id)) strict, without rowid;
    create table lease (id integer primary key, attempt integer not null, claim integer not null) strict;
    create table event (seq integer primary key, task integer not null, kind text not null) strict;
    create index event_of_task on event (task, seq);";

pub(crate) struct Raw {
    conn: SqliteConnection,
    submitted: usize,
    drained: usize,
}

impl Raw {
    pub(crate) async fn open(path: &Path) -> Result<Self, Failure> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let mut conn = SqliteConnection::connect_with(&options).await?;
        sqlx::raw_sql(SCHEMA).execute(&mut conn).await?;
        Ok(Self { conn, submitted: 0, drained: 0 })
    }

    async fn insert(&mut self, bodies: &str) -> Result<(), Failure> {
        let mut tx = self.conn.begin_with("begin immediate").await?;
        let last: i64 = sqlx::query_scalar("select coalesce(max(id), 0) from task").fetch_one(&mut *tx).await?;
        sqlx::query("insert into task (body) select value from json_each($1)").bind(bodies).execute(&mut *tx).await?;
        for of_new in [
            "insert into ready select 1, 1, 1, id, id, 0 from task where id > $1",
            "insert into event (task, kind) select id, 'submitted' from task where id > $1",
        ] {
            sqlx::query(of_new).bind(last).execute(&mut *tx).await?;
        }
        Ok(tx.commit().await?)
    }

    /// One transaction takes, another ends what it took; how many.
    async fn pass(&mut self, batch: usize) -> Result<usize, Failure> {
        let mut tx = self.conn.begin_with("begin immediate").await?;
        let taken: Vec<i64> = sqlx::query_scalar(
            "delete from ready where (queue, band, usr, rank, id) in
                (select queue, band, usr, rank, id from ready order by queue, band, usr, rank, id limit $1) returning id",
        )
        .bind(i64::try_from(batch)?)
        .fetch_all(&mut *tx)
        .await?;
        let ids = serde_json::to_string(&taken)?;
        for of_taken in [
            "insert into lease select value, 1, 1 from json_each($1)",
            "insert into event (task, kind) select value, 'claimed' from json_each($1)",
        ] {
            sqlx::query(of_taken).bind(&ids).execute(&mut *tx).await?;
        }
        let bodies: Vec<String> = sqlx::query_scalar("select body from task where id in (select value from json_each($1))")
            .bind(&ids)
            .fetch_all(&mut *tx)
            .await?;
        tx.commit().await?;
        let mut tx = self.conn.begin_with("begin immediate").await?;
        let ended = sqlx::query("delete from lease where id in (select value from json_each($1))")
            .bind(&ids)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        for of_ended in [
            "update task set ended = 1 where id in (select value from json_each($1))",
            "insert into event (task, kind) select value, 'ended' from json_each($1)",
        ] {
            sqlx::query(of_ended).bind(&ids).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        if bodies.len() != taken.len() || usize::try_from(ended)? != taken.len() {
            return Err("the probe lost a task".into());
        }
        Ok(taken.len())
    }
}

impl Driver for Raw {
    fn name(&self) -> &'static str {
        "raw sqlite"
    }

    fn submit(&mut self, load: Load) -> BoxFuture<'_, Result<Done, Failure>> {
        Box::pin(async move {
            let bodies = serde_json::to_string(&vec![BODY; load.batch])?;
            let (began, mut count) = (machine::now(), 0);
            while began.elapsed() < load.time {
                self.insert(&bodies).await?;
                count += load.batch;
            }
            self.submitted += count;
            Ok(Done::since(began, count))
        })
    }

    fn drain(&mut self, load: Load) -> BoxFuture<'_, Result<Parts, Failure>> {
        Box::pin(async move {
            let (began, mut count) = (machine::now(), 0);
            while began.elapsed() < load.time {
                match self.pass(load.batch).await? {
                    0 => break,
                    some => count += some,
                }
            }
            self.drained += count;
            Ok(vec![(DRAIN, Done::since(began, count))])
        })
    }

    fn verify(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            let (all, ended): (i64, i64) = sqlx::query_as("select count(*), count(ended) from task").fetch_one(&mut self.conn).await?;
            if (usize::try_from(all)?, usize::try_from(ended)?) == (self.submitted, self.drained) {
                return Ok(());
            }
            Err(format!("raw: {all} tasks and {ended} ended, not {} and {}", self.submitted, self.drained).into())
        })
    }
}
