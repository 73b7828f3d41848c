//! Retention: what has ended is forgotten after a time, in small steps.
//!
//! Readers find what is over its time ([`Store::overdue`]), the writer looks again and removes it ([`Prune`]), and takes
//! few milliseconds for it, so that nobody waits. A log's bytes go last: the commit that ends their row's promise notes the
//! task in `unlogged`, from where its bytes are removed until [`BytesGone`] says so. So a death between the two leaves no
//! promise that is not kept and no file that nobody removes.

use super::{
    Store,
    error::Result,
    sql::{self, Dialect},
    writer::{Statement, Tx},
};
use crate::domain::{QueueName, TaskId, UnixMs};
use std::time::Duration;

/// What is removed of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// All of it.
    Task,
    /// The bytes of its logs.
    Log,
    /// Its events.
    Events,
}

/// Up to where ended tasks are over their time: those that ended before this one are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cut {
    /// The end.
    pub at: UnixMs,
    /// Among those that ended at the same time.
    pub task: TaskId,
}

/// The most tasks in one step.
pub(super) const MAX_STEP: u32 = 200;
/// A step takes no more of a task once it has taken so long: others wait for its commit.
const STEP_TIME: Duration = Duration::from_millis(3);
/// After so many tasks a step looks at the clock.
const PIECE: usize = 10;

/// The most elements that go before their array in one piece.
const ELEMENTS: u32 = 40;

/// What must hold before a task is deleted, as a condition on `task t`: it has ended, nothing that has not refers to it, and it
/// is no element of an array, which go with it.
macro_rules! deletable {
    () => {
        "t.state is not null and t.idx is null and not exists
             (select 1 from dependency d join task o on o.id = d.task where d.on_task = t.id and d.ended is null and o.state is null)
             and not exists (select 1 from task c where c.parent = t.id and c.parent is not null and c.idx is null and c.state is null)"
    };
}

const OVERDUE_TASKS: &str = concat!(
    "select t.id from task t where t.queue = $1 and (t.finished_at, t.id) < ($2, $3) and ",
    deletable!(),
    " order by t.finished_at, t.id limit $4"
);
const OVERDUE_LOGS: &str = "select t.id from task t where t.queue = $1 and (t.finished_at, t.id) < ($2, $3)
     and t.state is not null and t.log_expired = 0 order by t.finished_at, t.id limit $4";
const OVERDUE_EVENTS: &str = "select t.id from task t where t.queue = $1 and (t.finished_at, t.id) < ($2, $3)
     and t.state is not null and t.events_expired = 0 order by t.finished_at, t.id limit $4";

/// The oldest of the `$2 + 1` tasks of a queue that ended last; an array counts as one.
pub(super) const NEWEST: &str = "select t.finished_at, t.id from task t where t.queue = $1 and t.state is not null and t.idx is null
     order by t.finished_at desc, t.id desc limit 1 offset $2";

impl Kept {
    pub(super) fn overdue(self) -> &'static str {
        match self {
            Self::Task => OVERDUE_TASKS,
            Self::Log => OVERDUE_LOGS,
            Self::Events => OVERDUE_EVENTS,
        }
    }
}

impl Store {
    /// The cut that leaves the newest `count` ended tasks of a queue; none where there are no more than those.
    pub async fn cut_after(&self, queue: &QueueName, count: u32) -> Result<Option<Cut>> {
        let Some(last) = count.checked_sub(1) else { return Ok(Some(Cut { at: UnixMs(i64::MAX), task: TaskId(0) })) };
        let row = sql::query(NEWEST).bind(queue.as_str()).bind(last).fetch_optional(&self.readers).await?;
        row.map(|row| Ok(Cut { at: UnixMs(row.try_get("finished_at")?), task: TaskId(row.try_get("id")?) })).transpose()
    }

    /// Some tasks of a queue, the oldest first, of which something lies before the cut and can go.
    pub async fn overdue(&self, what: Kept, queue: &QueueName, cut: Cut) -> Result<Vec<TaskId>> {
        let query = sql::query_scalar(what.overdue()).bind(queue.as_str()).bind(cut.at.0).bind(cut.task.0).bind(MAX_STEP);
        let ids: Vec<i64> = query.fetch_all(&self.readers).await?;
        Ok(ids.into_iter().map(TaskId).collect())
    }

    /// Some tasks whose log bytes are to be removed.
    pub async fn unlogged(&self) -> Result<Vec<TaskId>> {
        let ids: Vec<i64> = sql::query_scalar("select task from unlogged limit $1").bind(MAX_STEP).fetch_all(&self.readers).await?;
        Ok(ids.into_iter().map(TaskId).collect())
    }

    /// Whether the log bytes of a task were removed.
    pub async fn log_expired(&self, task: TaskId) -> Result<bool> {
        let expired = sql::query_scalar("select log_expired from task where id = $1").bind(task.0).fetch_optional(&self.readers).await?;
        Ok(expired == Some(1_i64))
    }

    /// Whether some events of a task, or all of it, were removed.
    pub async fn events_expired(&self, task: TaskId) -> Result<bool> {
        let expired = sql::query_scalar("select events_expired from task where id = $1").bind(task.0).fetch_optional(&self.readers).await?;
        Ok(expired != Some(0_i64))
    }
}

/// Removes something of ended tasks, of the first of them only where all would take too long. What may not be removed, or
/// is removed already, is passed over.
pub struct Prune {
    /// What.
    pub what: Kept,
    /// The tasks.
    pub tasks: Vec<TaskId>,
}

impl Statement for Prune {
    /// How many of the tasks were looked at.
    type Output = usize;

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<usize>> {
        let began = tx.clock.monotonic();
        let mut answers = Vec::with_capacity(batch.len());
        for prune in batch {
            let mut done = 0;
            for piece in prune.tasks.chunks(PIECE) {
                if done > 0 && tx.clock.monotonic().saturating_sub(began) >= STEP_TIME {
                    break;
                }
                let ids = piece.to_vec();
                match prune.what {
                    Kept::Task => delete(ids, tx).await?,
                    Kept::Log => expire_log(ids, tx).await?,
                    Kept::Events => expire_events(ids, tx).await?,
                }
                done += piece.len();
            }
            answers.push(done);
        }
        Ok(answers)
    }
}

/// The rows of tasks, in the order in which they go: the task itself last.
pub(super) const DELETE: [&str; 8] = [
    "delete from notes where task in each($1: task int)",
    "delete from upload_use where task in each($1: task int)",
    "delete from evidence where task in each($1: task int)",
    "delete from attempt where task in each($1: task int)",
    "delete from log where task in each($1: task int)",
    "delete from dependency where task in each($1: task int)",
    "delete from task_array where task in each($1: task int)",
    "delete from task where id in each($1: id int)",
];

/// Elements of some arrays, `$2` at most: their arrays go after them.
pub(super) const ELEMENTS_OF: &str =
    "select c.id from task c where c.parent in list($1: int) and c.idx is not null and c.state is not null order by c.id desc limit $2";
const WITH_ELEMENTS: &str = "select y.task from each($1: id int) j, task_array y where y.task = j.id
     and exists (select 1 from task c where c.parent = y.task and c.idx is not null)";

/// Which of some tasks may be deleted.
pub(super) const DELETABLE: &str = concat!("select t.id from each($1: id int) j, task t where t.id = j.id and ", deletable!());
const NOTE_UNLOGGED: &str = "insert into unlogged each($1: task int) on conflict do nothing";
pub(super) const NEWEST_EVENT_OF: &str =
    "select (select max(e.id) from event e where e.task = t.id) from task t where t.id in list($1: int)";
pub(super) const DELETE_EVENTS: &str = "delete from event where task in each($1: task int)";

async fn delete(ids: Vec<TaskId>, tx: &mut Tx<'_>) -> Result<()> {
    let ids = among(DELETABLE, ids, tx).await?;
    let elements = sql::query_scalar(ELEMENTS_OF).bind(sql::list(ids.iter().copied())).bind(ELEMENTS);
    let elements: Vec<i64> = elements.fetch_all(&mut *tx.conn).await?;
    delete_rows(elements.into_iter().map(TaskId).collect(), tx).await?;
    // An array with elements left goes in a later step.
    let kept = among(WITH_ELEMENTS, ids.clone(), tx).await?;
    delete_rows(ids.into_iter().filter(|id| !kept.contains(id)).collect(), tx).await
}

/// Those of some tasks that a statement finds.
async fn among(sql: &'static str, ids: Vec<TaskId>, tx: &mut Tx<'_>) -> Result<Vec<TaskId>> {
    let found: Vec<i64> = sql::query_scalar(sql).bind(sql::column(ids)).fetch_all(&mut *tx.conn).await?;
    Ok(found.into_iter().map(TaskId).collect())
}

async fn delete_rows(ids: Vec<TaskId>, tx: &mut Tx<'_>) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    forget_events(&ids, tx).await?;
    for sql in DELETE {
        tx.each(sql, sql::column(ids.iter().copied())).await?;
    }
    tx.each(NOTE_UNLOGGED, sql::column(ids)).await?;
    Ok(())
}

async fn expire_log(ids: Vec<TaskId>, tx: &mut Tx<'_>) -> Result<()> {
    let ended = "select t.id from each($1: id int) j, task t where t.id = j.id and t.state is not null and t.log_expired = 0";
    let ids = among(ended, ids, tx).await?;
    tx.each("update task set log_expired = 1 where id in each($1: id int)", sql::column(ids.iter().copied())).await?;
    tx.each(NOTE_UNLOGGED, sql::column(ids)).await?;
    Ok(())
}

async fn expire_events(ids: Vec<TaskId>, tx: &mut Tx<'_>) -> Result<()> {
    let ended = "select t.id from each($1: id int) j, task t where t.id = j.id and t.state is not null and t.events_expired = 0";
    let ids = among(ended, ids, tx).await?;
    forget_events(&ids, tx).await?;
    tx.each("update task set events_expired = 1 where id in each($1: id int)", sql::column(ids)).await?;
    Ok(())
}

/// Deletes the events of tasks, and keeps in mind up to where the log of events has holes.
async fn forget_events(ids: &[TaskId], tx: &mut Tx<'_>) -> Result<()> {
    let newest = sql::query_scalar(NEWEST_EVENT_OF).bind(sql::list(ids.iter().copied()));
    let newest: Vec<Option<i64>> = newest.fetch_all(&mut *tx.conn).await?;
    let Some(newest) = newest.into_iter().flatten().max() else { return Ok(()) };
    tx.each(DELETE_EVENTS, sql::column(ids.iter().copied())).await?;
    sql::query(
        "insert into meta (key, value) values ('events_forgotten', $1) on conflict (key) do update
         set value = {sqlite: max; postgres: greatest}(cast(meta.value as bigint), cast(excluded.value as bigint))",
    )
    .bind(newest.to_string())
    .execute(&mut *tx.conn)
    .await?;
    tx.forgot_events(newest);
    Ok(())
}

/// The bytes of these tasks' logs are removed.
pub struct BytesGone(pub Vec<TaskId>);

impl Statement for BytesGone {
    type Output = ();

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<()>> {
        let ids = batch.iter().flat_map(|gone| &gone.0).copied();
        tx.each("delete from unlogged where task in each($1: task int)", sql::column(ids)).await?;
        Ok(vec![(); batch.len()])
    }
}

/// Gives free pages at the end of the database's file back to the file system, some at a time.
pub struct Shrink;

/// Pages that one step gives back.
const SHRINK_PAGES: u32 = 256;
/// Free pages that stay for what comes next (4 MiB).
const SPARE_PAGES: i64 = 1_024;

impl Statement for Shrink {
    /// Whether there are more of them.
    type Output = bool;

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<bool>> {
        if tx.conn.dialect() == Dialect::Postgres {
            // Its vacuum does that.
            return Ok(vec![false; batch.len()]);
        }
        let free = "pragma freelist_count";
        let mut left: i64 = sql::query_scalar(free).fetch_one(&mut *tx.conn).await?;
        if left > SPARE_PAGES {
            sql::query_of(format!("pragma incremental_vacuum({SHRINK_PAGES})")).execute(&mut *tx.conn).await?;
            left = sql::query_scalar(free).fetch_one(&mut *tx.conn).await?;
        }
        Ok(vec![left > SPARE_PAGES; batch.len()])
    }
}
