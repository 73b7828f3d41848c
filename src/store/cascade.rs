//! Cancelling children with their parent, and elements of an array by their indices: the request is a row, worked off in
//! steps, so that nobody waits for the cancel of ten thousand, and a death in the middle loses none.

use super::{
    cancel::{Cancel, Cancelled},
    error::Result,
    lease::parse,
    sql::{self, Cells, Row, cells},
    work::{Held, Work},
    writer::{Statement, Transition, Tx},
};
use crate::domain::{AttemptRef, Indices, TaskId, TaskState};
use std::collections::BTreeMap;

/// The most children that one commit cancels.
const STEP: usize = 500;

/// Asks some elements of an array to stop.
pub struct CancelElements {
    /// The array.
    pub array: TaskId,
    /// Who asks.
    pub by: String,
    /// Which; those that the array does not have change nothing.
    pub indices: Indices,
}

impl Transition for CancelElements {
    /// None where there is no such task.
    type Output = Option<Cancelled>;

    fn task(&self) -> TaskId {
        self.array
    }

    fn apply(&self, held: Option<&mut Held>, work: &mut Work<'_, '_>) -> Self::Output {
        let held = held?;
        let state = held.life.state();
        if held.is_open_array() {
            work.cascades.push(cells![held.task, &self.by, &self.indices]);
        }
        Some(Cancelled { state })
    }
}

/// Begins what a batch asked for; a parent without open children needs nothing.
pub(super) async fn begin(rows: Vec<Cells>, tx: &mut Tx<'_>) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let now = tx.now.0;
    let done = sql::query(BEGIN).bind(rows).bind(now).execute(&mut *tx.conn).await?;
    if done > 0 {
        tx.made_due();
    }
    Ok(())
}

/// Keeps the wish to cancel the children of tasks.
pub(super) const BEGIN: &str = "insert into cascade (task, by, at, after, indices)
    select j.task, j.by, $2, j.task, j.indices from each($1: task int, by text, indices text) j
    where exists (select 1 from task c where c.parent = j.task and c.state is null)";

/// Cancels children whose parents were cancelled: a step of them. Their own children follow in later steps.
#[derive(Clone, Copy, Debug)]
pub struct Cascade;

/// What a step did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cascaded {
    /// Live attempts that ended with it.
    pub ended: Vec<AttemptRef>,
    /// Live attempts that were asked to stop.
    pub asked: Vec<AttemptRef>,
}

/// The next open children of a task after one of them.
pub(super) const CHILDREN: &str = "select id from task where parent = $1 and id > $2 and state is null order by id limit $3";

/// The next elements of an array after one of them, among the indices of some ranges; in SQLite so many of each range.
pub(super) const ELEMENTS: &str = "select t.id from each($1: low int, high int) j, task t
    where t.parent = $2 and t.id > $3 and t.state is null and t.idx between j.low and j.high order by t.id limit $4";

impl Statement for Cascade {
    type Output = Cascaded;

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<Cascaded>> {
        let mut wanted: BTreeMap<TaskId, String> = BTreeMap::new();
        let rows = sql::query("select id, task, by, after, indices from cascade order by id limit 100").fetch_all(&mut *tx.conn).await?;
        for row in &rows {
            let left = STEP.saturating_sub(wanted.len());
            if left == 0 {
                break;
            }
            let id: i64 = row.try_get("id")?;
            let next = next(row, left, tx).await?;
            match next.last().filter(|_| next.len() == left) {
                Some(last) => {
                    sql::query("update cascade set after = $2 where id = $1").bind(id).bind(last.0).execute(&mut *tx.conn).await?
                }
                None => sql::query("delete from cascade where id = $1").bind(id).execute(&mut *tx.conn).await?,
            };
            let by: &str = row.try_get("by")?;
            wanted.extend(next.into_iter().map(|child| (child, by.to_owned())));
        }
        let mut answers = vec![Cascaded::default(); batch.len()];
        if let Some(first) = answers.first_mut() {
            *first = cancel(wanted, tx).await?;
        }
        Ok(answers)
    }
}

/// The next children that a row wants cancelled.
async fn next(row: &Row, most: usize, tx: &mut Tx<'_>) -> Result<Vec<TaskId>> {
    let task: i64 = row.try_get("task")?;
    let after: i64 = row.try_get("after")?;
    let limit = i64::try_from(most).unwrap_or(i64::MAX);
    let indices: Option<&str> = row.try_get("indices")?;
    let ids: Vec<i64> = match indices {
        None => sql::query_scalar(CHILDREN).bind(task).bind(after).bind(limit).fetch_all(&mut *tx.conn).await?,
        Some(indices) => {
            let indices: Indices = parse("cascade", task, indices)?;
            let ranges: Vec<Cells> = indices.ranges().iter().map(|(low, high)| cells![*low, *high]).collect();
            let elements = sql::query_scalar(ELEMENTS).bind(ranges).bind(task).bind(after).bind(limit);
            let mut ids: Vec<i64> = elements.fetch_all(&mut *tx.conn).await?;
            ids.sort_unstable();
            ids.truncate(most);
            ids
        }
    };
    Ok(ids.into_iter().map(TaskId).collect())
}

async fn cancel(wanted: BTreeMap<TaskId, String>, tx: &mut Tx<'_>) -> Result<Cascaded> {
    let mut done = Cascaded::default();
    let ids: Vec<TaskId> = wanted.keys().copied().collect();
    let mut held = Work::load(&ids, tx).await?;
    let mut work = Work::new(tx);
    for (task, by) in wanted {
        let Some(child) = held.get_mut(&task) else { continue };
        let live = child.lease.as_ref().map(|lease| lease.attempt);
        Cancel { task, by, silent: false }.apply(Some(child), &mut work);
        if let Some(attempt) = live {
            let ended = child.life.state() == TaskState::Cancelled;
            if ended { &mut done.ended } else { &mut done.asked }.push(attempt);
        }
    }
    work.flush(held).await?;
    Ok(done)
}
