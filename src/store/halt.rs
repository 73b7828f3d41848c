//! Pausing a queue, draining it, and ending both.

use super::{
    error::Result,
    queues::{QueueRefusal, event},
    sql,
    writer::{Statement, Tx},
};
use crate::domain::{QueueName, UnixMs};

/// Who halted something, why, and when.
pub type Halt = (String, Option<String>, UnixMs);

/// Stops claims from a queue, or lets claims and submits go on.
pub struct PauseQueue {
    /// The queue.
    pub name: QueueName,
    /// Who does it.
    pub by: String,
    /// `Some(reason)` pauses, `None` resumes, which ends a drain too. Pausing a paused queue replaces the reason.
    pub pause: Option<Option<String>>,
}

const PAUSE: &str = "update queue set paused_by = $2, paused_reason = $3, paused_at = $4, revision = revision + 1, updated_at = $4
     where name = $1";
const DRAIN: &str = "update queue set draining_by = $2, draining_reason = $3, draining_at = $4, revision = revision + 1, updated_at = $4
     where name = $1";
const RESUME: &str =
    "update queue set paused_by = null, paused_reason = null, paused_at = null, draining_by = null, draining_reason = null,
     draining_at = null, revision = revision + 1, updated_at = $2 where name = $1";

impl Statement for PauseQueue {
    type Output = std::result::Result<(), QueueRefusal>;

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<Self::Output>> {
        let mut answers = Vec::with_capacity(batch.len());
        for op in batch {
            answers.push(match &op.pause {
                Some(reason) => halt(PAUSE, "queue.paused", &op.name, &op.by, reason.as_deref(), tx).await?,
                None => resume(&op.name, &op.by, tx).await?,
            });
            tx.rules_written();
        }
        Ok(answers)
    }
}

/// Takes no more tasks into a queue; those in it are served. Draining a draining queue replaces the reason.
pub struct DrainQueue {
    /// The queue.
    pub name: QueueName,
    /// Who does it.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
}

impl Statement for DrainQueue {
    type Output = std::result::Result<(), QueueRefusal>;

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<Self::Output>> {
        let mut answers = Vec::with_capacity(batch.len());
        for op in batch {
            answers.push(halt(DRAIN, "queue.draining", &op.name, &op.by, op.reason.as_deref(), tx).await?);
        }
        Ok(answers)
    }
}

async fn halt(
    sql: &'static str,
    kind: &'static str,
    name: &QueueName,
    by: &str,
    reason: Option<&str>,
    tx: &mut Tx<'_>,
) -> Result<std::result::Result<(), QueueRefusal>> {
    let done = sql::query(sql).bind(name.as_str()).bind(by).bind(reason).bind(tx.now.0).execute(&mut *tx.conn).await?;
    if done == 0 {
        return Ok(Err(QueueRefusal::NotFound));
    }
    event(tx, kind, name, by, reason);
    Ok(Ok(()))
}

async fn resume(name: &QueueName, by: &str, tx: &mut Tx<'_>) -> Result<std::result::Result<(), QueueRefusal>> {
    let done = sql::query(RESUME).bind(name.as_str()).bind(tx.now.0).execute(&mut *tx.conn).await?;
    if done == 0 {
        return Ok(Err(QueueRefusal::NotFound));
    }
    event(tx, "queue.resumed", name, by, None);
    Ok(Ok(()))
}
