//! Queues.

use super::{
    Store,
    error::Result,
    events::NewEvent,
    lease::parse,
    writer::{Statement, Tx},
};
use crate::domain::{QueueName, UnixMs};
use serde_json::json;
use sqlx::{Row, sqlite::SqliteRow};

/// A queue. Its document is the caller's JSON; the store does not look into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueRecord {
    /// Its name.
    pub name: QueueName,
    /// What it was applied with, as JSON.
    pub doc: String,
    /// Who paused it, why, and when.
    pub paused: Option<(String, Option<String>, UnixMs)>,
    /// Counts its changes, from 1.
    pub revision: i64,
    /// When it was created.
    pub created_at: UnixMs,
    /// When it was changed last.
    pub updated_at: UnixMs,
    /// Its tasks held back.
    pub waiting: u64,
    /// Its tasks ready to be claimed.
    pub queued: u64,
    /// Its tasks with a live attempt.
    pub active: u64,
}

/// Why a queue operation is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueRefusal {
    /// There is no such queue.
    NotFound,
    /// The revision asked for is not the present one.
    Revision(i64),
    /// It has tasks that have not ended.
    Busy,
}

/// Creates or replaces a queue. A document equal to the stored one changes nothing, not even the revision.
pub struct ApplyQueue {
    /// Its name.
    pub name: QueueName,
    /// Its document, as JSON.
    pub doc: String,
    /// Who applies it.
    pub by: String,
    /// The revision it must have; 0 asks that it does not exist.
    pub if_revision: Option<i64>,
}

impl Statement for ApplyQueue {
    /// Whether it was created.
    type Output = std::result::Result<bool, QueueRefusal>;

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<Self::Output>> {
        let mut answers = Vec::with_capacity(batch.len());
        for apply in batch {
            answers.push(apply.one(tx).await?);
        }
        Ok(answers)
    }
}

impl ApplyQueue {
    async fn one(&self, tx: &mut Tx<'_>) -> Result<std::result::Result<bool, QueueRefusal>> {
        let now = stored(&self.name, tx).await?;
        let revision = now.as_ref().map_or(0, |(revision, _)| *revision);
        if self.if_revision.is_some_and(|wanted| wanted != revision) {
            return Ok(Err(QueueRefusal::Revision(revision)));
        }
        if now.is_some_and(|(_, doc)| doc == self.doc) {
            return Ok(Ok(false));
        }
        sqlx::query(
            "insert into queue (name, doc, revision, created_at, updated_at) values ($1, $2, 1, $3, $3)
             on conflict (name) do update set doc = excluded.doc, revision = revision + 1, updated_at = excluded.updated_at",
        )
        .bind(self.name.as_str())
        .bind(&self.doc)
        .bind(tx.now.0)
        .execute(&mut *tx.conn)
        .await?;
        tx.rules_written();
        event(tx, "queue.applied", &self.name, &self.by, None);
        Ok(Ok(revision == 0))
    }
}

/// Stops claims from a queue, or lets them go on.
pub struct PauseQueue {
    /// The queue.
    pub name: QueueName,
    /// Who does it.
    pub by: String,
    /// `Some(reason)` pauses, `None` resumes. Pausing a paused queue replaces the reason.
    pub pause: Option<Option<String>>,
}

impl Statement for PauseQueue {
    type Output = std::result::Result<(), QueueRefusal>;

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<Self::Output>> {
        let mut answers = Vec::with_capacity(batch.len());
        for op in batch {
            let done = sqlx::query("update queue set paused_by = $2, paused_reason = $3, paused_at = $4, revision = revision + 1, updated_at = $5 where name = $1")
                .bind(op.name.as_str())
                .bind(op.pause.as_ref().map(|_| &op.by))
                .bind(op.pause.clone().flatten())
                .bind(op.pause.as_ref().map(|_| tx.now.0))
                .bind(tx.now.0)
                .execute(&mut *tx.conn)
                .await?;
            if done.rows_affected() == 0 {
                answers.push(Err(QueueRefusal::NotFound));
                continue;
            }
            match &op.pause {
                Some(reason) => event(tx, "queue.paused", &op.name, &op.by, reason.as_deref()),
                None => event(tx, "queue.resumed", &op.name, &op.by, None),
            }
            tx.rules_written();
            answers.push(Ok(()));
        }
        Ok(answers)
    }
}

/// Deletes a queue all of whose tasks have ended. The tasks stay.
pub struct DeleteQueue {
    /// The queue.
    pub name: QueueName,
    /// Who does it.
    pub by: String,
    /// The revision it must have.
    pub if_revision: Option<i64>,
}

impl Statement for DeleteQueue {
    type Output = std::result::Result<(), QueueRefusal>;

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<Self::Output>> {
        let mut answers = Vec::with_capacity(batch.len());
        for op in batch {
            answers.push(op.one(tx).await?);
        }
        Ok(answers)
    }
}

impl DeleteQueue {
    async fn one(&self, tx: &mut Tx<'_>) -> Result<std::result::Result<(), QueueRefusal>> {
        let Some((revision, _)) = stored(&self.name, tx).await? else { return Ok(Err(QueueRefusal::NotFound)) };
        if self.if_revision.is_some_and(|wanted| wanted != revision) {
            return Ok(Err(QueueRefusal::Revision(revision)));
        }
        let busy: bool = sqlx::query_scalar(
            "select exists (select 1 from ready where queue = $1) or exists (select 1 from lease where queue = $1)
                 or exists (select 1 from waiting where queue = $1)",
        )
        .bind(self.name.as_str())
        .fetch_one(&mut *tx.conn)
        .await?;
        if busy {
            return Ok(Err(QueueRefusal::Busy));
        }
        sqlx::query("delete from queue where name = $1").bind(self.name.as_str()).execute(&mut *tx.conn).await?;
        tx.rules_written();
        event(tx, "queue.deleted", &self.name, &self.by, None);
        Ok(Ok(()))
    }
}

async fn stored(name: &QueueName, tx: &mut Tx<'_>) -> Result<Option<(i64, String)>> {
    Ok(sqlx::query_as("select revision, doc from queue where name = $1").bind(name.as_str()).fetch_optional(&mut *tx.conn).await?)
}

fn event(tx: &mut Tx<'_>, kind: &'static str, queue: &QueueName, by: &str, reason: Option<&str>) {
    let data = match reason {
        Some(reason) => json!({ "queue": queue, "reason": reason }),
        None => json!({ "queue": queue }),
    };
    tx.events.push(NewEvent { kind, task: None, attempt: None, actor: Some(by.to_owned()), data });
}

const QUEUES: &str = "select q.*, (select count(*) from waiting w where w.queue = q.name) as waiting,
       (select count(*) from ready r where r.queue = q.name) as queued, (select count(*) from lease l where l.queue = q.name) as active from queue q";

impl Store {
    /// One queue.
    pub async fn queue(&self, name: &QueueName) -> Result<Option<QueueRecord>> {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("{QUEUES} where q.name = $1")))
            .bind(name.as_str())
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// All queues, by name.
    pub async fn queues(&self) -> Result<Vec<QueueRecord>> {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!("{QUEUES} order by q.name"))).fetch_all(&self.readers).await?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &SqliteRow) -> Result<QueueRecord> {
    let count = |name: &str| row.try_get::<i64, _>(name).map(i64::cast_unsigned);
    let paused = match (row.try_get::<Option<String>, _>("paused_by")?, row.try_get::<Option<i64>, _>("paused_at")?) {
        (Some(by), Some(at)) => Some((by, row.try_get("paused_reason")?, UnixMs(at))),
        _ => None,
    };
    Ok(QueueRecord {
        name: parse("queue", 0, row.try_get("name")?)?,
        doc: row.try_get("doc")?,
        paused,
        revision: row.try_get("revision")?,
        created_at: UnixMs(row.try_get("created_at")?),
        updated_at: UnixMs(row.try_get("updated_at")?),
        waiting: count("waiting")?,
        queued: count("queued")?,
        active: count("active")?,
    })
}
