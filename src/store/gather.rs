//! What becomes of arrays as their elements go on: counts, throttle, and the end with the last element.
//!
//! What a batch did to elements is told to their arrays in the same transaction, so the counts are always those of the rows.

use super::{
    error::Result,
    lease::parse_json,
    sql::{self, Cells, Row, cells},
    work::{Held, Work},
    writer::{Statement, Tx},
};
use crate::domain::{AttemptResult, End, Event, FailureClass, Outcome, Reason, TaskId, TaskState, UnixMs, array::free_slots};
use std::collections::{BTreeMap, HashMap};

/// The most elements that one commit lets out of the throttle.
const STEP: u32 = 500;
/// So many elements are named where an array failed.
const NAMED: usize = 5;

/// How the elements of each array moved in a batch.
#[derive(Default)]
pub(super) struct Moves(BTreeMap<TaskId, [i64; 7]>);

/// The column of each state in [`Moves`]; the last is that of the throttle.
const STATES: [TaskState; 6] =
    [TaskState::Waiting, TaskState::Queued, TaskState::Active, TaskState::Succeeded, TaskState::Failed, TaskState::Cancelled];
const THROTTLED: usize = 6;

impl Moves {
    /// What became of the elements among some tasks.
    pub(super) fn of<'a>(tasks: impl IntoIterator<Item = &'a Held>) -> Self {
        let mut moves = Self::default();
        for held in tasks {
            let Some(array) = held.kin.array else { continue };
            let (from, to) = (held.before, held.life.state());
            if from == to {
                continue;
            }
            moves.add(array, from, to);
            if held.kin.throttled {
                moves.0.entry(array).or_default()[THROTTLED] -= 1;
            }
        }
        moves
    }

    fn add(&mut self, array: TaskId, from: TaskState, to: TaskState) {
        let delta = self.0.entry(array).or_default();
        for (column, state) in delta.iter_mut().zip(STATES) {
            *column += i64::from(state == to) - i64::from(state == from);
        }
    }

    /// Tells the arrays, lets out of the throttle what has a slot now, and answers the arrays whose last element ended.
    pub(super) async fn tell(self, tx: &mut Tx<'_>) -> Result<Vec<TaskId>> {
        if self.0.is_empty() {
            return Ok(Vec::new());
        }
        let deltas: Vec<Cells> = self
            .0
            .iter()
            .map(|(array, delta)| cells![*array, delta[0], delta[1], delta[2], delta[3], delta[4], delta[5], delta[6]])
            .collect();
        let rows = sql::query(COUNT).bind(deltas).fetch_all(&mut *tx.conn).await?;
        let mut ended = Vec::new();
        let mut left = STEP;
        for row in &rows {
            let array = Slots::read(row)?;
            if array.open == 0 {
                ended.push(array.task);
            } else {
                left -= array.release(left, tx).await?;
            }
        }
        ended.sort_unstable();
        Ok(ended)
    }
}

/// Adds to the counts of arrays.
pub(super) const COUNT: &str = "update task_array set waiting = waiting + j.w, queued = queued + j.q, active = active + j.a, succeeded = succeeded + j.s, failed = failed + j.f,
        cancelled = cancelled + j.c, throttled = throttled + j.t
    from each($1: of_task int, w int, q int, a int, s int, f int, c int, t int) j where task_array.task = j.of_task
    returning task, elements, slots, waiting + queued + active as open, throttled, gated";

/// Lets the first `$3` elements out of the throttle of an array with ids `$1` to `$2`.
pub(super) const RELEASE: &str = "update waiting set throttled = 0 where task in
    (select w.task from waiting w where w.task between $1 and $2 and w.throttled = 1 order by w.task limit $3)";

/// The state of an array's throttle.
struct Slots {
    task: TaskId,
    elements: u32,
    places: u32,
    open: u32,
    throttled: u32,
    gated: bool,
}

impl Slots {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            task: TaskId(row.try_get("task")?),
            elements: row.try_get("elements")?,
            places: row.try_get("slots")?,
            open: row.try_get("open")?,
            throttled: row.try_get("throttled")?,
            gated: row.try_get("gated")?,
        })
    }

    /// Lets elements out of the throttle for the slots that are free, `most` at most; answers how many. The clockwork
    /// wakes them, and comes again where more are left.
    async fn release(&self, most: u32, tx: &mut Tx<'_>) -> Result<u32> {
        let free = if self.gated { 0 } else { free_slots(self.places, self.open, self.throttled) };
        if free == 0 {
            return Ok(0);
        }
        tx.made_due();
        let step = free.min(most);
        if step == 0 {
            return Ok(0);
        }
        let first = self.task.0 + 1;
        sql::query(RELEASE).bind(first).bind(self.task.0 + i64::from(self.elements)).bind(step).execute(&mut *tx.conn).await?;
        sql::query("update task_array set throttled = throttled - $2 where task = $1")
            .bind(self.task.0)
            .bind(step)
            .execute(&mut *tx.conn)
            .await?;
        Ok(step)
    }
}

/// Tells arrays that elements of theirs were claimed.
pub(super) async fn claimed(tasks: &[TaskId], tx: &mut Tx<'_>) -> Result<()> {
    if tasks.is_empty() {
        return Ok(());
    }
    let rows = sql::query(ARRAYS_OF).bind(sql::column(tasks.iter().copied())).fetch_all(&mut *tx.conn).await?;
    let mut moves = Moves::default();
    for row in &rows {
        moves.add(TaskId(row.try_get("parent")?), TaskState::Queued, TaskState::Active);
    }
    moves.tell(tx).await.map(drop)
}

/// The arrays of those tasks that are elements, one row per element.
pub(super) const ARRAYS_OF: &str = "select t.parent from each($1: id int) j, task t where t.id = j.id and t.idx is not null";

/// Lets elements out of the throttle of arrays that have slots for them: what a batch could not do in its own step.
#[derive(Clone, Copy, Debug)]
pub struct Release;

/// Arrays with a slot for an element that waits for one.
pub(super) const RELEASING: &str = "select task, elements, slots, waiting + queued + active as open, throttled, gated from task_array
    {sqlite: indexed by array_releasing; postgres: } where task > 0 and gated = 0 and throttled > 0 and waiting + queued + active - throttled - slots < 0 limit 500";

impl Statement for Release {
    type Output = ();

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<()>> {
        let mut left = STEP;
        for row in sql::query(RELEASING).fetch_all(&mut *tx.conn).await? {
            left -= Slots::read(&row)?.release(left, tx).await?;
        }
        Ok(vec![(); batch.len()])
    }
}

/// What came of the elements of arrays that have all ended; of those that failed the first `$2`.
pub(super) const ENDED: &str = "select a.task, a.elements, a.succeeded, a.failed, a.cancelled,
        (select min(t.started_at) from task t where t.id between a.task + 1 and a.task + a.elements) as started_at,
        (select {sqlite: json_group_array(json_array(idx, class, reason)); postgres: coalesce(json_agg(json_build_array(idx, class, reason)), '[]')::text} from
            (select t.idx, t.class, t.reason from task t where a.failed > 0 and t.id between a.task + 1 and a.task + a.elements
                and t.state = 'failed' order by t.id limit $2) f) as failures
    from each($1: id int) j, task_array a where a.task = j.id";

/// Ends arrays whose last element has ended: failed if any element did, else cancelled if any was.
pub(super) async fn end(arrays: &[TaskId], tx: &mut Tx<'_>) -> Result<()> {
    let named = u32::try_from(NAMED).unwrap_or(u32::MAX);
    let rows = sql::query(ENDED).bind(sql::column(arrays.iter().copied())).bind(named).fetch_all(&mut *tx.conn).await?;
    let mut held: HashMap<TaskId, Held> = Work::load(arrays, tx).await?;
    let mut work = Work::new(tx);
    for row in &rows {
        let Some(array) = held.get_mut(&TaskId(row.try_get("task")?)) else { continue };
        let outcome = gathered(row)?;
        array.started_at = row.try_get::<Option<i64>>("started_at")?.map(UnixMs);
        array.gather(outcome, &mut work);
    }
    Box::pin(work.flush(held)).await
}

/// The end of an array, and its line for people.
fn gathered(row: &Row) -> Result<Outcome> {
    let id: i64 = row.try_get("task")?;
    let (all, failed, cancelled): (u32, u32, u32) = (row.try_get("elements")?, row.try_get("failed")?, row.try_get("cancelled")?);
    let failures: Vec<(u32, FailureClass, Reason)> = parse_json("task", id, row.try_get("failures")?)?;
    let (end, message) = match failures.first() {
        Some((_, class, reason)) => {
            let mut names: Vec<String> = failures.iter().map(|(index, ..)| format!("{id}_{index}")).collect();
            if usize::try_from(failed).unwrap_or(usize::MAX) > names.len() {
                names.push("…".to_owned());
            }
            (End::Failed(*class, *reason), Some(format!("{failed} of {all} elements failed: {}", names.join(", "))))
        }
        None if cancelled > 0 => (End::Cancelled, Some(format!("{cancelled} of {all} elements were cancelled"))),
        None => (End::Succeeded, None),
    };
    Ok(Outcome { end, result: AttemptResult { message, ..AttemptResult::default() } })
}

impl Held {
    /// Whether it is an array that has not ended.
    pub(super) fn is_open_array(&self) -> bool {
        self.kin.gated.is_some() && !self.life.state().is_terminal()
    }

    /// Ends an array as its elements did.
    fn gather(&mut self, outcome: Outcome, work: &mut Work<'_, '_>) {
        let Ok((life, _)) = self.life.clone().next(Event::Gathered(outcome.end)) else { return };
        self.life = life;
        self.touched = true;
        self.last = Some((outcome, None));
        self.announce_end(work);
    }
}

/// Opens arrays that nothing holds back any more; the clockwork lets their elements out.
pub(super) async fn open(arrays: &[TaskId], tx: &mut Tx<'_>) -> Result<()> {
    if arrays.is_empty() {
        return Ok(());
    }
    tx.each("delete from waiting where task in each($1: task int)", sql::column(arrays.iter().copied())).await?;
    tx.each("update task_array set gated = 0 where task in each($1: task int)", sql::column(arrays.iter().copied())).await?;
    tx.made_due();
    Ok(())
}

/// Writes that the arrays among the cancelled tasks were asked to stop as a whole.
pub(super) async fn asked_to_stop(rows: Vec<Cells>, tx: &mut Tx<'_>) -> Result<()> {
    tx.each(
        "update task_array set cancel_by = j.by, cancel_at = j.at from each($1: of_task int, by text, at int) j where task_array.task = j.of_task",
        rows,
    )
    .await?;
    Ok(())
}
