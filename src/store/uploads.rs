//! Who sent which bytes, and which tasks need them. The bytes are files (`blob`); these rows keep them from being removed.

use super::{
    Store,
    error::Result,
    flush::last_of,
    lease::parse,
    sql::{self, cells},
    submit::{NewTask, Submit},
    writer::{Statement, Tx},
};
use crate::domain::{Sha256, TaskId, UnixMs};
use std::collections::{HashMap, HashSet};

/// Records that a user sent all bytes of an upload, which are on the disk. Repeating it makes it as young as new.
pub struct RecordUpload {
    /// Whose it is.
    pub owner: String,
    /// Its name.
    pub sha256: Sha256,
    /// Its length in bytes.
    pub size: u64,
}

impl Statement for RecordUpload {
    type Output = ();

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<()>> {
        let rows = last_of(batch.iter().map(|u| cells![&u.sha256, &u.owner, u.size, tx.now]), 2);
        tx.each(
            "insert into upload each($1: sha256 text, owner text, size int, created_at int)
             on conflict (sha256, owner) do update set created_at = excluded.created_at",
            rows,
        )
        .await?;
        Ok(vec![(); batch.len()])
    }
}

/// Records that a task left a file, whose bytes are on the disk. It is kept as long as the task.
pub struct RecordOutput {
    /// The task.
    pub task: TaskId,
    /// The name of its bytes.
    pub sha256: Sha256,
    /// Its length in bytes.
    pub size: u64,
}

impl RecordOutput {
    /// Whose upload it is: the task's. No user has such a name.
    #[must_use]
    pub fn owner(task: TaskId) -> String {
        format!("@task/{task}")
    }
}

impl Statement for RecordOutput {
    type Output = ();

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<()>> {
        let whole = batch.iter().map(|o| RecordUpload { owner: Self::owner(o.task), sha256: o.sha256.clone(), size: o.size });
        RecordUpload::run(&whole.collect::<Vec<_>>(), tx).await?;
        let uses = batch.iter().map(|o| cells![&o.sha256, o.task]).collect();
        tx.each(KEEP_USE, uses).await?;
        Ok(vec![(); batch.len()])
    }
}

const KEEP_USE: &str = "insert into upload_use each($1: sha256 text, task int) on conflict do nothing";

/// Of the uploads that a batch of submits names, those that are there, by who sent them.
pub(super) struct Sent(HashMap<String, HashSet<String>>);

impl Sent {
    /// Looks them up.
    pub(super) async fn of(batch: &[Submit], tx: &mut Tx<'_>) -> Result<Self> {
        let named: HashSet<&Sha256> = batch.iter().flat_map(|s| &s.tasks).flat_map(|task| task.spec.setup.uploads()).collect();
        let mut sent = Self(HashMap::new());
        if named.is_empty() {
            return Ok(sent);
        }
        let sql = "select sha256, owner from upload where sha256 in list($1: text)";
        for row in sql::query(sql).bind(sql::list(named)).fetch_all(&mut *tx.conn).await? {
            sent.0.entry(row.try_get("sha256")?).or_default().insert(row.try_get("owner")?);
        }
        Ok(sent)
    }

    /// The first upload that a submit names and its user did not send. A task that repeats another one names what that one
    /// named, whoever sent it.
    pub(super) fn lacks(&self, submit: &Submit) -> Option<Sha256> {
        let mut named = submit.tasks.iter().flat_map(|task| task.spec.setup.uploads().map(|sum| (sum, task.rerun_of.is_some())));
        let may = |sum: &Sha256, again: bool| self.0.get(sum.as_str()).is_some_and(|owners| again || owners.contains(&submit.user));
        named.find(|(sum, again)| !may(sum, *again)).map(|(sum, _)| sum.clone())
    }
}

/// Notes which uploads new tasks need.
pub(super) async fn note_uses<'a>(tasks: impl Iterator<Item = (TaskId, &'a NewTask)>, tx: &mut Tx<'_>) -> Result<()> {
    let rows = tasks.flat_map(|(id, task)| task.spec.setup.uploads().map(move |sum| cells![sum, id]));
    tx.each(KEEP_USE, rows.collect()).await?;
    Ok(())
}

/// The most uploads in one step.
const STEP: u32 = 100;

/// Forgets uploads that no task needs and that were sent before a time, some at a time.
pub struct ForgetUploads {
    /// Younger ones stay: their task may be about to come.
    pub before: UnixMs,
}

impl Statement for ForgetUploads {
    /// Those whose bytes nobody may name any more.
    type Output = Vec<Sha256>;

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<Vec<Sha256>>> {
        let mut answers = Vec::with_capacity(batch.len());
        for forget in batch {
            // All rows of one sum go together, so that none is left whose bytes are gone.
            let rows = sql::query_scalar::<String>(
                "select sha256 from upload u where created_at < $1 and not exists (select 1 from upload_use n where n.sha256 = u.sha256)
                     and not exists (select 1 from upload y where y.sha256 = u.sha256 and y.created_at >= $1)
                 group by sha256 limit $2",
            )
            .bind(forget.before.0)
            .bind(STEP)
            .fetch_all(&mut *tx.conn)
            .await?;
            tx.each("delete from upload where sha256 in each($1: sha256 text)", sql::column(&rows)).await?;
            answers.push(rows.iter().map(|sum| parse("upload", 0, sum)).collect::<Result<_>>()?);
        }
        Ok(answers)
    }
}

impl Store {
    /// The length of a file that a task left.
    pub async fn output(&self, task: TaskId, sha256: &Sha256) -> Result<Option<u64>> {
        self.upload(&RecordOutput::owner(task), sha256).await
    }

    /// The bytes of all files that a task left, but for one of them.
    pub async fn output_bytes(&self, task: TaskId, but: &Sha256) -> Result<u64> {
        let sql = "select cast(coalesce(sum(u.size), 0) as bigint) from upload_use n join upload u on u.sha256 = n.sha256 and u.owner = $2
                   where n.task = $1 and n.sha256 <> $3";
        let sum: i64 =
            sql::query_scalar(sql).bind(task.0).bind(RecordOutput::owner(task)).bind(but.as_str()).fetch_one(&self.readers).await?;
        Ok(sum.cast_unsigned())
    }

    /// The length of an upload that a user sent whole.
    pub async fn upload(&self, owner: &str, sha256: &Sha256) -> Result<Option<u64>> {
        let size = sql::query_scalar::<i64>("select size from upload where sha256 = $1 and owner = $2")
            .bind(sha256.as_str())
            .bind(owner)
            .fetch_optional(&self.readers)
            .await?;
        Ok(size.map(i64::cast_unsigned))
    }
}
