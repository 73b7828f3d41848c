//! What queues were: the last revisions of each, with who applied them and when.

use super::{
    Store,
    error::Result,
    lease::parse,
    sql::{self, Row},
    writer::Tx,
};
use crate::domain::{QueueName, UnixMs};

/// The most revisions that are kept of a queue.
pub const MAX_REVISIONS: i64 = 100;

/// A queue as it once was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisionRecord {
    /// The queue.
    pub queue: QueueName,
    /// Which of its revisions.
    pub revision: i64,
    /// What it was applied with, as JSON.
    pub doc: String,
    /// Who applied it, where that is known.
    pub by: Option<String>,
    /// When.
    pub at: UnixMs,
}

/// Keeps the present document of a queue as a revision, and lets go of the oldest.
pub(super) async fn keep(queue: &QueueName, by: &str, tx: &mut Tx<'_>) -> Result<()> {
    sql::query(
        "insert into queue_revision (queue, revision, doc, by, at) select name, revision, doc, $2, updated_at from queue where name = $1",
    )
    .bind(queue.as_str())
    .bind(by)
    .execute(&mut *tx.conn)
    .await?;
    sql::query("delete from queue_revision where queue = $1 and revision <= (select revision from queue where name = $1) - $2")
        .bind(queue.as_str())
        .bind(MAX_REVISIONS)
        .execute(&mut *tx.conn)
        .await?;
    Ok(())
}

/// Forgets a queue: one of the same name begins anew.
pub(super) async fn forget(queue: &QueueName, tx: &mut Tx<'_>) -> Result<()> {
    sql::query("delete from queue_revision where queue = $1").bind(queue.as_str()).execute(&mut *tx.conn).await?;
    Ok(())
}

impl Store {
    /// The revisions of a queue that are kept, newest first.
    pub async fn revisions(&self, queue: &QueueName) -> Result<Vec<RevisionRecord>> {
        let sql = "select * from queue_revision where queue = $1 order by revision desc";
        let rows = sql::query(sql).bind(queue.as_str()).fetch_all(&self.readers).await?;
        rows.iter().map(read).collect()
    }

    /// The revision of a queue that stood at a time; none where it is not kept any more.
    pub async fn revision_at(&self, queue: &QueueName, at: UnixMs) -> Result<Option<RevisionRecord>> {
        let sql = "select * from queue_revision where queue = $1 and at <= $2 order by revision desc limit 1";
        let row = sql::query(sql).bind(queue.as_str()).bind(at.0).fetch_optional(&self.readers).await?;
        row.as_ref().map(read).transpose()
    }
}

fn read(row: &Row) -> Result<RevisionRecord> {
    Ok(RevisionRecord {
        queue: parse("queue_revision", 0, row.try_get("queue")?)?,
        revision: row.try_get("revision")?,
        doc: row.try_get("doc")?,
        by: row.try_get("by")?,
        at: UnixMs(row.try_get("at")?),
    })
}
