//! Copies of the database: made while the server serves, and taken up by another one.

use super::{
    copy::{self, Told},
    error::Result,
    lease::{self, LEASES, LeaseRecord},
    logs::{self, LogMark},
    record,
    schema::Site,
    sql::{self, Conn, Row},
    sqlite,
};
use crate::domain::{AttemptNumber, AttemptRef, Rng, Sha256, TaskId};
use serde_json::json;
use std::path::Path;

/// Logs of a page.
const PAGE: u32 = 500;

/// The ends of what was begun after a copy was made are not known to it, and may still go on. A restore passes over so many
/// numbers of attempts, ids of tasks and ids of events, so that nothing of before is taken for anything of after.
const ATTEMPTS: u32 = 1_000;
const TASKS: i64 = 10_000;
const EVENTS: i64 = 1_000_000;

/// How many numbers the attempt after a live one passes over: those that attempts may have had which came after it, where
/// it began before a restore.
pub(super) fn passes_over(lease: &LeaseRecord) -> u32 {
    if lease.instance.is_some() { ATTEMPTS } else { 0 }
}

/// A copy of a database, as of one moment.
pub struct DatabaseCopy {
    conn: Conn,
}

impl DatabaseCopy {
    /// Copies the database at `from`, which may be in use, into a file at `to`, which is not there or empty. `told` hears now and
    /// then how many rows it has.
    ///
    /// # Errors
    /// The database's, `NewerSchema`; of Postgres also `Absent` and `Differs`.
    pub async fn make(from: Site<'_>, to: &Path, told: Told<'_>) -> Result<Self> {
        let from = match from {
            Site::File(file) => file,
            Site::Postgres(url) => {
                copy::out_of_postgres(url, to, told).await?;
                return Self::open(to).await;
            }
        };
        let mut conn = sqlite::open_existing(from).await?;
        sql::query("vacuum into $1").bind(to.to_string_lossy().into_owned()).execute(&mut conn).await?;
        conn.close().await?;
        Self::open(to).await
    }

    /// Opens a copy that was made before.
    ///
    /// # Errors
    /// The database's, or `NewerSchema`.
    pub async fn open(path: &Path) -> Result<Self> {
        Ok(Self { conn: sqlite::open_existing(path).await? })
    }

    /// The name of the installation.
    ///
    /// # Errors
    /// The database's.
    pub async fn instance(&mut self) -> Result<String> {
        Ok(sql::query_scalar("select value from meta where key = 'instance'").fetch_one(&mut self.conn).await?)
    }

    /// The next logs after one, of those that have bytes.
    ///
    /// # Errors
    /// The database's.
    pub async fn logs_after(&mut self, after: Option<(AttemptRef, u32)>) -> Result<Vec<LogMark>> {
        let (of, member) = after.unwrap_or((AttemptRef { task: TaskId(0), attempt: AttemptNumber(0) }, 0));
        let rows = sql::query(
            "select l.* from log l join task t on t.id = l.task where (l.task, l.attempt, l.member) > ($1, $2, $3)
             and l.durable > 0 and t.log_expired = 0 order by l.task, l.attempt, l.member limit $4",
        );
        let rows = rows.bind(of.task.0).bind(of.attempt.0).bind(member).bind(PAGE).fetch_all(&mut self.conn).await?;
        let read = |row: &Row| {
            let of = AttemptRef { task: TaskId(row.try_get("task")?), attempt: AttemptNumber(row.try_get("attempt")?) };
            logs::read(row, of)
        };
        rows.iter().map(read).collect()
    }

    /// The uploads that users may name, with their lengths in bytes.
    ///
    /// # Errors
    /// The database's.
    pub async fn uploads(&mut self) -> Result<Vec<(Sha256, u64)>> {
        let rows = sql::query("select sha256, max(size) as size from upload group by sha256").fetch_all(&mut self.conn).await?;
        let read = |row: &Row| Ok((lease::parse("upload", 0, row.try_get("sha256")?)?, row.try_get::<i64>("size")?.cast_unsigned()));
        rows.iter().map(read).collect()
    }

    /// Closes the file.
    ///
    /// # Errors
    /// The database's.
    pub async fn close(self) -> Result<()> {
        Ok(self.conn.close().await?)
    }
}

/// What a restored database holds.
#[derive(Debug)]
pub struct Restored {
    /// The installation's name before.
    pub before: String,
    /// Its name from now on.
    pub instance: String,
    /// How many tasks it has.
    pub tasks: i64,
    /// How many of them have not ended.
    pub open: i64,
    /// The attempts that lived when the copy was made.
    pub live: Vec<LeaseRecord>,
}

/// Makes a copy fit to be served in place of the database that it was made of, which must be served no more. `logs` are
/// the logs of which the copy promises what nobody has.
///
/// # Errors
/// `Corrupt` where SQLite finds it damaged, and the database's.
pub async fn adopt(path: &Path, logs: &[LogMark], rng: &dyn Rng) -> Result<Restored> {
    let (mut conn, readers) = sqlite::open(path).await?;
    readers.close().await;
    let found: String = sql::query_scalar("pragma integrity_check(1)").fetch_one(&mut conn).await?;
    if found != "ok" {
        return Err(super::StoreError::Corrupt { table: "database", id: 0, what: found });
    }
    let before = record::instance(&mut conn, rng).await?;
    sql::query("begin immediate").execute(&mut conn).await?;
    sql::query("update lease set instance = $1 where instance is null").bind(&before).execute(&mut conn).await?;
    sql::query("delete from meta where key = 'instance'").execute(&mut conn).await?;
    let instance = record::instance(&mut conn, rng).await?;
    for sql in ["update ready set attempt = attempt + $1", "update waiting set attempt = attempt + $1"] {
        sql::query(sql).bind(ATTEMPTS).execute(&mut conn).await?;
    }
    for (table, by) in [("task", TASKS), ("event", EVENTS)] {
        sql::query("update sqlite_sequence set seq = seq + $2 where name = $1").bind(table).bind(by).execute(&mut conn).await?;
    }
    for sql in [
        // Whoever watched saw events that are not here.
        "insert into meta (key, value) select 'events_forgotten', cast(seq as text) from sqlite_sequence where name = 'event'
         on conflict (key) do update set value = excluded.value",
        "insert into meta (key, value) values ('restored_up', coalesce((select value from meta where key = 'uptime'), '0'))
         on conflict (key) do update set value = excluded.value",
    ] {
        sql::query(sql).execute(&mut conn).await?;
    }
    for mark in logs {
        let sql = "update log set crc = $4, gaps = $5 where task = $1 and attempt = $2 and member = $3";
        let of = mark.attempt;
        let query = sql::query(sql).bind(of.task.0).bind(of.attempt.0).bind(mark.member).bind(mark.crc);
        query.bind(json!(mark.gaps).to_string()).execute(&mut conn).await?;
    }
    sql::query("commit").execute(&mut conn).await?;
    let counts =
        sql::query("select count(*) as tasks, count(*) filter (where state is null) as open from task").fetch_one(&mut conn).await?;
    let (tasks, open) = (counts.try_get("tasks")?, counts.try_get("open")?);
    let rows = sql::query(LEASES).fetch_all(&mut conn).await?;
    let live = rows.iter().map(LeaseRecord::read).collect::<Result<_>>()?;
    // Closing the last connection moves everything into the one file.
    conn.close().await?;
    Ok(Restored { before, instance, tasks, open, live })
}
