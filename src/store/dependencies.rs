//! Tasks that wait for others: what is stored with a submit, and what follows an end.
//!
//! An end does not walk its dependents. It notes in one row that there are some (`awaited`), in its own commit; the
//! clockwork finds the row, counts the end for them a step at a time, and forgets the row when nobody is left. So an end
//! costs the same however many wait for it, and nothing is lost whenever the server dies. What the count decides may be
//! an end in its turn: that is the next row.

use super::{
    Store,
    error::Result,
    lease::{parse, parse_json},
    sql::{self, cells},
    work::{Held, Work},
    writer::{Statement, Transition, Tx},
};
use crate::domain::{Dependency, DependencyKind, OnFailure, TaskId, TaskState};
use std::collections::{BTreeMap, HashMap};

/// What a new task waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct After {
    /// The tasks.
    pub on: BTreeMap<On, DependencyKind>,
    /// What follows where one that had to succeed did not.
    pub on_failure: OnFailure,
}

/// A task that another waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum On {
    /// One that was submitted before.
    Task(TaskId),
    /// The one at this place of the same submit, counted from 0.
    Nth(usize),
}

/// The states of tasks that have ended, null of others; a task that does not exist is absent.
pub(super) const STATES: &str = "select t.id, t.state from task t where t.id in list($1: int)";

const KEEP_DEPENDENCY: &str = "insert into dependency each($1: task int, on_task int, kind text, on_failure text, ended text)";

/// Notes that tasks have ended which others wait for.
pub(super) const AWAIT: &str = "insert into awaited (task, state)
     select j.task, j.state from each($1: task int, state text) j
     where exists (select 1 from dependency d where d.on_task = j.task and d.ended is null)
     on conflict (task) do nothing";

/// Marks dependencies as counted.
pub(super) const COUNT: &str = "update dependency set ended = j.state from each($1: id int, other int, state text) j
     where dependency.task = j.id and dependency.on_task = j.other";

/// Tasks that have ended and for which nobody waits any more: whoever did was told, or has ended.
pub(super) const FORGET_AWAITED: &str = "delete from awaited where not exists
     (select 1 from dependency d join waiting w on w.task = d.task where d.on_task = awaited.task and d.ended is null)";

pub(super) const DEPENDENCIES: &str = "select on_task, kind, on_failure, ended from dependency where task = $1 order by on_task";

/// How the tasks that a submit waits for stand: none of one that has not ended. One that does not exist is absent.
pub(super) type Known = HashMap<TaskId, Option<TaskState>>;

/// Reads how tasks stand.
pub(super) async fn known(tasks: impl Iterator<Item = TaskId>, tx: &mut Tx<'_>) -> Result<Known> {
    let ids: Vec<i64> = tasks.map(|task| task.0).collect();
    if ids.is_empty() {
        return Ok(Known::new());
    }
    let rows = sql::query(STATES).bind(sql::list(ids)).fetch_all(&mut *tx.conn).await?;
    rows.iter()
        .map(|row| {
            let id: i64 = row.try_get("id")?;
            Ok((TaskId(id), row.try_get::<Option<&str>>("state")?.map(|state| parse("task", id, state)).transpose()?))
        })
        .collect()
}

impl After {
    /// Whether `kind` counts at once, as its task has ended in the way that is waited for.
    fn met(on: On, kind: DependencyKind, known: &Known) -> Option<TaskState> {
        let On::Task(id) = on else { return None };
        known.get(&id).copied().flatten().filter(|end| kind.is_met_by(*end))
    }

    /// How many of the tasks hold it back.
    pub(super) fn blockers(&self, known: &Known) -> u32 {
        let open = self.on.iter().filter(|(on, kind)| Self::met(**on, **kind, known).is_none()).count();
        u32::try_from(open).unwrap_or(u32::MAX)
    }
}

/// Stores what new tasks wait for. `tasks`: each with its id and the ids of its submit, by place.
pub(super) async fn insert(tasks: &[(&After, TaskId, &[TaskId])], known: &Known, tx: &mut Tx<'_>) -> Result<()> {
    let mut rows = Vec::new();
    let mut ended = HashMap::new();
    for (after, id, siblings) in tasks {
        for (on, kind) in &after.on {
            let to = match on {
                On::Task(id) => *id,
                On::Nth(nth) => siblings.get(*nth).copied().unwrap_or(*id),
            };
            let met = After::met(*on, *kind, known);
            rows.push(cells![*id, to, *kind, after.on_failure, met]);
            if let (None, Some(end)) = (met, known.get(&to).copied().flatten()) {
                ended.insert(to, end);
            }
        }
    }
    tx.each(KEEP_DEPENDENCY, rows).await?;
    tell(ended.into_iter(), tx).await
}

/// Sees to it that whoever waits for tasks that have ended hears of it.
pub(super) async fn tell(ended: impl Iterator<Item = (TaskId, TaskState)>, tx: &mut Tx<'_>) -> Result<()> {
    let told = tx.each(AWAIT, ended.map(|(task, state)| cells![task, state]).collect()).await?;
    if told > 0 {
        tx.made_due();
    }
    Ok(())
}

/// Reads the JSON array of `[on, kind, onFailure, ended]` that stands in a column.
pub(super) fn read(task: i64, column: Option<&str>) -> Result<Vec<Dependency>> {
    let rows: Vec<(TaskId, DependencyKind, OnFailure, Option<TaskState>)> =
        column.map(|text| parse_json("dependency", task, text)).transpose()?.unwrap_or_default();
    Ok(rows.into_iter().map(|(on, kind, on_failure, ended)| Dependency { on, kind, on_failure, ended }).collect())
}

/// Counts the tasks that ended since for one that waits for them: it is queued when nothing else holds it back, and ends
/// where one of them did not succeed that had to.
pub struct Unblock(pub TaskId);

impl Transition for Unblock {
    type Output = bool;

    fn task(&self) -> TaskId {
        self.0
    }

    fn apply(&self, held: Option<&mut Held>, work: &mut Work<'_, '_>) -> bool {
        let Some(held) = held.filter(|held| held.life.state() == TaskState::Waiting && !held.ended.is_empty()) else { return false };
        let ended = std::mem::take(&mut held.ended);
        held.touched = true;
        held.waits.blockers = held.waits.blockers.saturating_sub(u32::try_from(ended.len()).unwrap_or(u32::MAX));
        work.counted.extend(ended.iter().map(|d| cells![held.task, d.on, d.ended]));
        match ended.iter().find(|dependency| dependency.has_failed()) {
            Some(failed) => {
                let message = match failed.ended {
                    Some(TaskState::Cancelled) => format!("task {}, which had to succeed first, was cancelled", failed.on),
                    _ => format!("task {}, which had to succeed first, failed", failed.on),
                };
                held.give_up(failed.on_failure.end(), message, work);
            }
            None => drop(held.release(work)),
        }
        true
    }
}

/// Forgets the ends that everybody who waited has heard of.
pub struct ForgetAwaited;

impl Statement for ForgetAwaited {
    type Output = ();

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<()>> {
        sql::query(FORGET_AWAITED).execute(&mut *tx.conn).await?;
        Ok(vec![(); batch.len()])
    }
}

impl Store {
    /// What a task depends on, by id.
    pub async fn dependencies(&self, task: TaskId) -> Result<Vec<Dependency>> {
        let rows = sql::query(DEPENDENCIES).bind(task.0).fetch_all(&self.readers).await?;
        rows.iter()
            .map(|row| {
                let ended = row.try_get::<Option<&str>>("ended")?.map(|state| parse("dependency", task.0, state));
                Ok(Dependency {
                    on: TaskId(row.try_get("on_task")?),
                    kind: parse("dependency", task.0, row.try_get("kind")?)?,
                    on_failure: parse("dependency", task.0, row.try_get("on_failure")?)?,
                    ended: ended.transpose()?,
                })
            })
            .collect()
    }
}
