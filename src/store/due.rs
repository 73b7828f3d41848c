//! Deadlines: what has fallen due, and what follows.
//!
//! Each of these operations looks at its deadline again inside the writer, so that a late one changes nothing.

use super::{
    Store,
    error::Result,
    finish::settle,
    sql,
    work::{Held, Work},
    writer::Transition,
};
use crate::domain::{AttemptNumber, AttemptRef, Event, TaskId, UnixMs};
use serde_json::Value;

/// Everything that has fallen due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Claims that ran out before their start.
    pub expired: Vec<AttemptRef>,
    /// Results whose log did not come.
    pub unsettled: Vec<AttemptRef>,
    /// Tasks one of whose limits is over while their command does not run.
    pub overdue: Vec<TaskId>,
    /// Tasks that wait for others which have ended since.
    pub unblocked: Vec<TaskId>,
    /// Tasks that nothing holds back any more.
    pub waiting: Vec<TaskId>,
    /// What there is to do beside, a step of each.
    pub chores: Vec<Chore>,
    /// Whether any deadline lies ahead.
    pub pending: bool,
    /// Whether more has fallen due than is listed.
    pub more: bool,
}

/// What the clockwork does a step at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chore {
    /// Forget the ends that everybody who waited for them has heard of.
    ForgetAwaited,
    /// Let ready tasks rise a tier.
    Age,
    /// Let elements of arrays into slots that are free.
    Release,
    /// Cancel children with their parents.
    Cascade,
}

/// The most that is listed of each kind: a step that holds nobody else up.
const STEP: usize = 500;

/// What has fallen due at uptime `$1` and time of day `$2`, `$3` of each kind at most.
pub(super) const DUE: &str = "select * from (select 'expired' as kind, task, attempt from lease where expires_up <= $1 limit $3) d1
     union all select * from (select 'unsettled', task, attempt from lease where settle_up <= $1 limit $3) d2
     union all select * from (select 'waiting', task, attempt from waiting
         where due_up <= $1 and due_up is not null and blockers = 0 and throttled = 0 limit $3) d3
     union all select * from (select 'waiting', task, attempt from waiting
         where not_before <= $2 and not_before is not null and due_up is null and blockers = 0 and throttled = 0 limit $3) d4
     union all select * from (select 'waiting', task, attempt from waiting
         where task > 0 and not_before is null and due_up is null and blockers = 0 and throttled = 0 limit $3) d5
     union all select * from (select 'overdue', task, 0 from deadline where start_up <= $1 and start_up is not null limit $3) d6
     union all select * from (select 'overdue', task, 0 from deadline where end_up <= $1 and end_up is not null and running = 0 limit $3) d7
     union all select * from (select 'unblocked', w.task, 0 from awaited a
         ordered join dependency d on d.on_task = a.task and d.ended is null ordered join waiting w on w.task = d.task
         where a.task > 0 limit $3) d8
     union all select 'forget', 0, 0 where exists (select 1 from awaited where task > 0)
     union all select 'release', 0, 0 where exists (select 1 from task_array {sqlite: indexed by array_releasing; postgres: } where task > 0 and gated = 0 and throttled > 0
         and waiting + queued + active - throttled - slots < 0)
     union all select 'cascade', 0, 0 where exists (select 1 from cascade where id > 0)
     union all select * from (select 'age', task, attempt from ready where age_up <= $1 and age_up is not null limit 1) d9
     union all select 'pending', 0, 0 where exists (select 1 from lease)
         or exists (select 1 from ready where age_up is not null)
         or exists (select 1 from waiting where due_up is not null and blockers = 0 and throttled = 0)
         or exists (select 1 from deadline where start_up is not null)
         or exists (select 1 from deadline where end_up is not null and running = 0)";

impl Store {
    /// What has fallen due by now, `now` being the time of day, a step of each kind.
    pub async fn due(&self, now: UnixMs) -> Result<Due> {
        let step = i64::try_from(STEP).unwrap_or(i64::MAX);
        let rows = sql::query(DUE).bind(self.uptime().now()).bind(now.0).bind(step).fetch_all(&self.readers).await?;
        let mut due = Due::default();
        for row in &rows {
            let task = TaskId(row.try_get("task")?);
            let attempt = AttemptRef { task, attempt: AttemptNumber(row.try_get("attempt")?) };
            match row.try_get::<&str>("kind")? {
                "expired" => due.expired.push(attempt),
                "unsettled" => due.unsettled.push(attempt),
                "waiting" => due.waiting.push(task),
                "overdue" => due.overdue.push(task),
                "unblocked" => due.unblocked.push(task),
                "forget" => due.chores.push(Chore::ForgetAwaited),
                "age" => due.chores.push(Chore::Age),
                "release" => due.chores.push(Chore::Release),
                "cascade" => due.chores.push(Chore::Cascade),
                _ => due.pending = true,
            }
        }
        let found = [due.expired.len(), due.unsettled.len(), due.waiting.len(), due.overdue.len(), due.unblocked.len()];
        due.more = due.chores.iter().any(|chore| *chore != Chore::ForgetAwaited) || found.iter().any(|found| *found >= STEP);
        // One that waits for several of them is found with each, and counts them all at once.
        due.unblocked.sort_unstable();
        due.unblocked.dedup();
        Ok(due)
    }
}

/// Gives an attempt back whose claim ran out before its start.
pub struct Expire(pub AttemptRef);

impl Transition for Expire {
    type Output = bool;

    fn task(&self) -> TaskId {
        self.0.task
    }

    fn apply(&self, held: Option<&mut Held>, work: &mut Work<'_, '_>) -> bool {
        let now = work.tx.up.now();
        let Some(held) = held else { return false };
        let over = held.live(self.0.attempt).is_some_and(|l| l.expires_up.is_some_and(|at| at <= now));
        let returned = over && held.take(Event::Return, None, work).is_ok();
        if returned {
            work.event(held, "attempt.returned", None, Value::Null);
        }
        returned
    }
}

/// Ends an attempt whose result is stored and whose log did not come in time.
pub struct SettleOverdue(pub AttemptRef);

impl Transition for SettleOverdue {
    type Output = bool;

    fn task(&self) -> TaskId {
        self.0.task
    }

    fn apply(&self, held: Option<&mut Held>, work: &mut Work<'_, '_>) -> bool {
        let now = work.tx.up.now();
        let Some(held) = held else { return false };
        let over = held.live(self.0.attempt).is_some_and(|l| l.settle_up.is_some_and(|at| at <= now));
        over && settle(held, false, work)
    }
}
