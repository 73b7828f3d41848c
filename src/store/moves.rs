//! Changing whose turn comes first: moving a task among its user's own, boosting it before all others.

use super::{
    error::Result,
    sql,
    work::{Held, Work},
    writer::{Statement, Transition, Tx},
};
use crate::domain::{TaskId, TaskState, order::rank_of};
use serde_json::{Value, json};

/// Gives a task that is waiting or queued another place among its user's own in the same queue.
pub struct Move {
    /// The task.
    pub task: TaskId,
    /// Who moves it.
    pub by: String,
    /// Where to.
    pub to: MoveTo,
}

/// A place among the tasks of one user in one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveTo {
    /// Before all of them.
    Front,
    /// Behind all of them.
    Back,
    /// Right before this one.
    Before(TaskId),
    /// Right behind this one.
    After(TaskId),
}

/// What became of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// It stands there.
    Done,
    /// There is no such task.
    NotFound,
    /// The task is in a state that has no place in the order.
    Refused(TaskState),
    /// There is no such task to stand beside.
    NoAnchor(TaskId),
    /// The task to stand beside has no place in the order.
    AnchorRefused(TaskId, TaskState),
    /// It is of another user or queue.
    Stranger(TaskId),
    /// It is served in another tier.
    OtherTier(TaskId),
    /// Nothing fits between these two.
    NoRoom(TaskId, TaskId),
}

/// Ranks are far apart, so that others fit between.
const STEP: i64 = rank_of(TaskId(1));

/// A place in the order of one user's tasks in one queue.
type Spot = (i64, TaskId);

/// The nearest of a user's pending tasks in a queue on one side of a spot, the task `$3` aside. Each lane of ready tasks
/// tells its nearest by a range of the primary key; those that wait are few and stand in no order.
macro_rules! nearest {
    ($beyond:literal, $order:literal) => {
        concat!(
            "with recursive lane (task, tier, gpus, weight) as (
                 select r.task, r.tier, r.gpus, r.weight
                     from (select 0 as tier union all select 1 union all select 2 union all select 3 union all select 4) j
                     {sqlite: cross join ready r on r.task = (select x.task; postgres: cross join lateral (select x.*}
                      from ready x where x.queue = $1 and x.tier = j.tier and x.usr = $2
                      order by x.gpus, x.weight, x.rank, x.task limit 1){sqlite: ; postgres:  r}
                 union all
                 select n.task, n.tier, n.gpus, n.weight from lane l
                     {sqlite: cross join ready n on n.task = (select x.task; postgres: cross join lateral (select x.*}
                      from ready x where x.queue = $1 and x.tier = l.tier and x.usr = $2
                          and (x.gpus, x.weight, x.rank) > (+l.gpus, +l.weight, 9223372036854775807)
                      order by x.gpus, x.weight, x.rank, x.task limit 1){sqlite: ; postgres:  n}
             )
             select n.rank as at, n.task as id from lane l
                 {sqlite: cross join ready n on n.task = (select x.task; postgres: cross join lateral (select x.*}
                  from ready x where x.queue = $1 and x.tier = l.tier and x.usr = $2 and x.gpus = l.gpus
                     and x.weight = l.weight and x.task <> $3 and (x.rank, x.task) ",
            $beyond,
            " ($4, $5) order by x.rank ",
            $order,
            ", x.task ",
            $order,
            " limit 1){sqlite: ; postgres:  n}
             union all
             select coalesce(t.rank, t.id << 24), t.id from waiting w ordered join task t on t.id = w.task
                 where w.queue = $1 and t.usr = $2 and t.id <> $3 and (coalesce(t.rank, t.id << 24), t.id) ",
            $beyond,
            " ($4, $5)
             order by 1 ",
            $order,
            ", 2 ",
            $order,
            " limit 1"
        )
    };
}

/// The nearest one behind a spot.
pub(super) const BEHIND: &str = nearest!(">", "");
/// The nearest one before a spot.
pub(super) const BEFORE: &str = nearest!("<", "desc");

impl Statement for Move {
    type Output = Moved;

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<Moved>> {
        let mut answers = Vec::with_capacity(batch.len());
        for op in batch {
            answers.push(op.one(tx).await?);
        }
        Ok(answers)
    }
}

impl Move {
    async fn one(&self, tx: &mut Tx<'_>) -> Result<Moved> {
        let anchor = self.to.anchor();
        let ids: Vec<TaskId> = std::iter::once(self.task).chain(anchor).collect();
        let mut loaded = Work::load(&ids, tx).await?;
        let Some(mut held) = loaded.remove(&self.task) else { return Ok(Moved::NotFound) };
        if !is_pending(&held) {
            return Ok(Moved::Refused(held.life.state()));
        }
        let beside = match anchor.map(|id| (id, loaded.get(&id))) {
            None => None,
            Some((id, None)) => return Ok(Moved::NoAnchor(id)),
            Some((id, Some(other))) => {
                if let Some(refused) = unfit(&held, id, other) {
                    return Ok(refused);
                }
                Some(spot(other))
            }
        };
        let rank = match self.rank(&held, beside, tx).await? {
            Ok(rank) => rank,
            Err(refused) => return Ok(refused),
        };
        held.own_rank = Some(rank);
        held.described = true;
        let mut work = Work::new(tx);
        work.event(&held, "task.moved", Some(&self.by), self.to.told());
        work.flush([(self.task, held)].into()).await?;
        Ok(Moved::Done)
    }

    /// The rank that puts the task where it is to stand.
    async fn rank(&self, held: &Held, beside: Option<Spot>, tx: &mut Tx<'_>) -> Result<std::result::Result<i64, Moved>> {
        let own = spot(held).0;
        Ok(match (self.to, beside) {
            (MoveTo::Before(_), Some(at)) => {
                let before = nearest(BEFORE, held, at, tx).await?;
                before.map_or(Ok(at.0.saturating_sub(STEP)), |before| between(before, at))
            }
            (MoveTo::After(_), Some(at)) => {
                let behind = nearest(BEHIND, held, at, tx).await?;
                behind.map_or(Ok(at.0.saturating_add(STEP)), |behind| between(at, behind))
            }
            (MoveTo::Back, _) => {
                Ok(nearest(BEFORE, held, (i64::MAX, TaskId(i64::MAX)), tx).await?.map_or(own, |(rank, _)| rank.saturating_add(STEP)))
            }
            _ => Ok(nearest(BEHIND, held, (i64::MIN, TaskId(0)), tx).await?.map_or(own, |(rank, _)| rank.saturating_sub(STEP))),
        })
    }
}

impl MoveTo {
    fn anchor(self) -> Option<TaskId> {
        match self {
            Self::Before(task) | Self::After(task) => Some(task),
            Self::Front | Self::Back => None,
        }
    }

    fn told(self) -> Value {
        match self {
            Self::Front => json!({ "to": "front" }),
            Self::Back => json!({ "to": "back" }),
            Self::Before(task) => json!({ "before": task }),
            Self::After(task) => json!({ "after": task }),
        }
    }
}

fn is_pending(held: &Held) -> bool {
    matches!(held.life.state(), TaskState::Waiting | TaskState::Queued)
}

fn spot(held: &Held) -> Spot {
    (held.own_rank.unwrap_or(rank_of(held.task)), held.task)
}

/// Why a task cannot stand beside another.
fn unfit(held: &Held, id: TaskId, other: &Held) -> Option<Moved> {
    if (&other.user, &other.queue) != (&held.user, &held.queue) {
        return Some(Moved::Stranger(id));
    }
    if !is_pending(other) {
        return Some(Moved::AnchorRefused(id, other.life.state()));
    }
    let same = match (&held.placed, &other.placed) {
        (Some(own), Some(others)) => own.lane().tier == others.lane().tier,
        _ => (held.boosted, held.priority) == (other.boosted, other.priority),
    };
    (!same).then_some(Moved::OtherTier(id))
}

async fn nearest(sql: &'static str, held: &Held, (rank, task): Spot, tx: &mut Tx<'_>) -> Result<Option<Spot>> {
    let query = sql::query(sql).bind(held.queue.as_str()).bind(&*held.user).bind(held.task.0).bind(rank).bind(task.0);
    let row = query.fetch_optional(&mut *tx.conn).await?;
    row.map(|row| Ok((row.try_get("at")?, TaskId(row.try_get("id")?)))).transpose()
}

/// The middle of two ranks, where there is one.
fn between(first: Spot, second: Spot) -> std::result::Result<i64, Moved> {
    let middle = first.0.midpoint(second.0);
    if first.0 < middle && middle < second.0 { Ok(middle) } else { Err(Moved::NoRoom(first.1, second.1)) }
}

/// Puts a task that is waiting or queued before every priority, or takes that back. Of an array it changes what is shown.
pub struct Boost {
    /// The task.
    pub task: TaskId,
    /// Who does it.
    pub by: String,
    /// Whether it is boosted from now on.
    pub boost: bool,
}

/// What became of a boost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boosted {
    /// It is as was asked.
    Done,
    /// There is no such task.
    NotFound,
    /// The task is in a state that has no place in the order.
    Refused(TaskState),
}

impl Transition for Boost {
    type Output = Boosted;

    fn task(&self) -> TaskId {
        self.task
    }

    fn apply(&self, held: Option<&mut Held>, work: &mut Work<'_, '_>) -> Boosted {
        let Some(held) = held else { return Boosted::NotFound };
        if !is_pending(held) && !held.is_open_array() {
            return Boosted::Refused(held.life.state());
        }
        if held.boosted != self.boost {
            held.boosted = self.boost;
            held.described = true;
            work.event(held, "task.boosted", Some(&self.by), json!({ "boosted": self.boost }));
        }
        Boosted::Done
    }
}
