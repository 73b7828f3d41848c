//! Queues.

use super::{
    Store,
    budgets::{self, BudgetFault},
    error::Result,
    events::NewEvent,
    halt::Halt,
    lease::{parse, parse_json},
    revisions,
    sql::{self, Row},
    writer::{Statement, Tx},
};
use crate::domain::{
    QueueName, UnixMs,
    order::{Amount, Cost, QueueRules},
};
use serde::Deserialize;
use serde_json::json;

/// A queue. Its document is the caller's JSON; the store reads the rules in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueRecord {
    /// Its name.
    pub name: QueueName,
    /// What it was applied with, as JSON.
    pub doc: String,
    /// Who paused it, why, and when.
    pub paused: Option<Halt>,
    /// Who drains it, why, and since when.
    pub draining: Option<Halt>,
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
    /// The GPUs that these count for.
    pub gpus: Amount,
}

/// Why a queue operation is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueRefusal {
    /// There is no such queue.
    NotFound,
    /// The revision asked for is not the present one.
    Revision(i64),
    /// It has tasks that have not ended.
    Busy,
    /// Another keeps it.
    Kept(String),
    /// The budgets that it names do not exist, or are guaranteed to more than they hold.
    Budgets(Vec<BudgetFault>),
}

/// Creates or replaces a queue. A document equal to the stored one changes nothing, not even the revision.
pub struct ApplyQueue {
    /// Its name.
    pub name: QueueName,
    /// Its document, as JSON.
    pub doc: String,
    /// What a task of it costs that says nothing itself: that of its template.
    pub cost: Cost,
    /// Who applies it.
    pub by: String,
    /// The revision it must have; 0 asks that it does not exist.
    pub if_revision: Option<i64>,
    /// Who may keep it now.
    pub kept_by: Keeper,
}

/// Who may keep a queue (`managedBy` of its document) that is replaced. One that nobody keeps can always be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// Anybody.
    Any,
    /// This one alone; none where nobody may.
    Only(Option<String>),
}

/// The part of a document that says who keeps it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    #[serde(default)]
    managed_by: Option<String>,
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
        let revision = now.as_ref().map_or(0, |now| now.revision);
        if self.if_revision.is_some_and(|wanted| wanted != revision) {
            return Ok(Err(QueueRefusal::Revision(revision)));
        }
        let (gpus, weight) = (self.cost.gpus.0.cast_signed(), self.cost.weight.0.cast_signed());
        // Another version may derive another cost from the same document.
        if now.as_ref().is_some_and(|now| now.doc == self.doc && now.cost == (gpus, weight)) {
            return Ok(Ok(false));
        }
        if let (Keeper::Only(wanted), Some(now)) = (&self.kept_by, &now) {
            let Kept { managed_by } = parse_json("queue", 0, &now.doc)?;
            if let Some(other) = managed_by.filter(|other| wanted.as_ref() != Some(other)) {
                return Ok(Err(QueueRefusal::Kept(other)));
            }
        }
        let rules: QueueRules = parse_json("queue", 0, &self.doc)?;
        let faults = budgets::faults(&self.name, &rules, tx).await?;
        if !faults.is_empty() {
            return Ok(Err(QueueRefusal::Budgets(faults)));
        }
        sql::query(
            "insert into queue (name, doc, template_gpus, template_weight, revision, created_at, updated_at) values ($1, $2, $3, $4, 1, $5, $5)
             on conflict (name) do update set doc = excluded.doc, template_gpus = excluded.template_gpus,
                 template_weight = excluded.template_weight, revision = queue.revision + 1, updated_at = excluded.updated_at",
        )
        .bind(self.name.as_str())
        .bind(&self.doc)
        .bind(gpus)
        .bind(weight)
        .bind(tx.now.0)
        .execute(&mut *tx.conn)
        .await?;
        revisions::keep(&self.name, &self.by, tx).await?;
        tx.rules_written();
        event(tx, "queue.applied", &self.name, &self.by, None);
        Ok(Ok(revision == 0))
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
        let Some(Stored { revision, .. }) = stored(&self.name, tx).await? else { return Ok(Err(QueueRefusal::NotFound)) };
        if self.if_revision.is_some_and(|wanted| wanted != revision) {
            return Ok(Err(QueueRefusal::Revision(revision)));
        }
        let busy: bool = sql::query_scalar(
            "select exists (select 1 from ready where queue = $1) or exists (select 1 from lease where queue = $1)
                 or exists (select 1 from waiting where queue = $1)",
        )
        .bind(self.name.as_str())
        .fetch_one(&mut *tx.conn)
        .await?;
        if busy {
            return Ok(Err(QueueRefusal::Busy));
        }
        sql::query("delete from queue where name = $1").bind(self.name.as_str()).execute(&mut *tx.conn).await?;
        revisions::forget(&self.name, tx).await?;
        tx.rules_written();
        event(tx, "queue.deleted", &self.name, &self.by, None);
        Ok(Ok(()))
    }
}

/// The part of a queue's row that an operation compares with.
struct Stored {
    revision: i64,
    doc: String,
    /// GPUs and weight of its template.
    cost: (i64, i64),
}

async fn stored(name: &QueueName, tx: &mut Tx<'_>) -> Result<Option<Stored>> {
    let sql = "select revision, doc, template_gpus, template_weight from queue where name = $1";
    let row = sql::query(sql).bind(name.as_str()).fetch_optional(&mut *tx.conn).await?;
    let read = |row: Row| {
        let cost = (row.try_get("template_gpus")?, row.try_get("template_weight")?);
        Ok(Stored { revision: row.try_get("revision")?, doc: row.try_get("doc")?, cost })
    };
    row.map(read).transpose()
}

pub(super) fn event(tx: &mut Tx<'_>, kind: &'static str, queue: &QueueName, by: &str, reason: Option<&str>) {
    let data = match reason {
        Some(reason) => json!({ "queue": queue, "reason": reason }),
        None => json!({ "queue": queue }),
    };
    tx.events.push(NewEvent { kind, task: None, attempt: None, actor: Some(by.to_owned()), data });
}

const QUEUES: &str = "select q.*, (select count(*) from waiting w where w.queue = q.name) as waiting,
       (select count(*) from ready r where r.queue = q.name) as queued, (select count(*) from lease l where l.queue = q.name) as active,
       (select cast(coalesce(sum(l.load_gpus), 0) as bigint) from lease l where l.queue = q.name) as gpus from queue q";

impl Store {
    /// One queue.
    pub async fn queue(&self, name: &QueueName) -> Result<Option<QueueRecord>> {
        let row = sql::query_of(format!("{QUEUES} where q.name = $1")).bind(name.as_str()).fetch_optional(&self.readers).await?;
        row.as_ref().map(read).transpose()
    }

    /// All queues, by name.
    pub async fn queues(&self) -> Result<Vec<QueueRecord>> {
        let rows = sql::query_of(format!("{QUEUES} order by q.name")).fetch_all(&self.readers).await?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &Row) -> Result<QueueRecord> {
    let count = |name: &str| row.try_get::<i64>(name).map(i64::cast_unsigned);
    Ok(QueueRecord {
        name: parse("queue", 0, row.try_get("name")?)?,
        doc: row.try_get("doc")?,
        paused: halt(row, ["paused_by", "paused_reason", "paused_at"])?,
        draining: halt(row, DRAINING)?,
        revision: row.try_get("revision")?,
        created_at: UnixMs(row.try_get("created_at")?),
        updated_at: UnixMs(row.try_get("updated_at")?),
        waiting: count("waiting")?,
        queued: count("queued")?,
        active: count("active")?,
        gpus: Amount(count("gpus")?),
    })
}

/// The columns of a drain.
pub(super) const DRAINING: [&str; 3] = ["draining_by", "draining_reason", "draining_at"];

/// Who halted a queue, of these columns of it.
pub(super) fn halt(row: &Row, [by, reason, at]: [&str; 3]) -> Result<Option<Halt>> {
    let halted = row.try_get::<Option<String>>(by)?.zip(row.try_get::<Option<i64>>(at)?);
    halted.map(|(by, at)| Ok((by, row.try_get(reason)?, UnixMs(at)))).transpose()
}
