//! Deadlines: what has fallen due, and what follows.
//!
//! Each of these operations looks at its deadline again inside the writer, so that a late one changes nothing.

use super::{
    Store,
    error::Result,
    finish::settle,
    work::{Held, Work},
    writer::Transition,
};
use crate::domain::{AttemptNumber, AttemptRef, Event, TaskId, UnixMs};
use serde_json::Value;
use sqlx::Row;

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
    /// Whether there are tasks whose end is not known to everybody who waited for it.
    pub awaited: bool,
    /// Tasks that nothing holds back any more.
    pub waiting: Vec<TaskId>,
    /// Whether ready tasks are to rise a tier.
    pub aging: bool,
    /// Whether any deadline lies ahead.
    pub pending: bool,
    /// Whether more has fallen due than is listed.
    pub more: bool,
}

/// The most that is listed of each kind: a step that holds nobody else up.
const STEP: usize = 500;

/// What has fallen due at uptime `$1` and time of day `$2`, `$3` of each kind at most.
pub(super) const DUE: &str = "select * from (select 'expired' as kind, task, attempt from lease where expires_up <= $1 limit $3)
     union all select * from (select 'unsettled', task, attempt from lease where settle_up <= $1 limit $3)
     union all select * from (select 'waiting', task, attempt from waiting
         where due_up <= $1 and due_up is not null and blockers = 0 and throttled = 0 limit $3)
     union all select * from (select 'waiting', task, attempt from waiting
         where not_before <= $2 and not_before is not null and due_up is null and blockers = 0 and throttled = 0 limit $3)
     union all select * from (select 'waiting', task, attempt from waiting
         where task > 0 and not_before is null and due_up is null and blockers = 0 and throttled = 0 limit $3)
     union all select * from (select 'overdue', task, 0 from deadline where start_up <= $1 and start_up is not null limit $3)
     union all select * from (select 'overdue', task, 0 from deadline where end_up <= $1 and end_up is not null and running = 0 limit $3)
     union all select * from (select 'unblocked', w.task, 0 from awaited a
         cross join dependency d on d.on_task = a.task and d.ended is null cross join waiting w on w.task = d.task
         where a.task > 0 limit $3)
     union all select 'awaited', 0, 0 where exists (select 1 from awaited where task > 0)
     union all select * from (select 'aging', task, attempt from ready where age_up <= $1 and age_up is not null limit 1)
     union all select 'pending', 0, 0 where exists (select 1 from lease)
         or exists (select 1 from ready where age_up is not null)
         or exists (select 1 from waiting where due_up is not null and blockers = 0 and throttled = 0)
         or exists (select 1 from deadline where start_up is not null)
         or exists (select 1 from deadline where end_up is not null and running = 0)";

impl Store {
    /// What has fallen due by now, `now` being the time of day, a step of each kind.
    pub async fn due(&self, now: UnixMs) -> Result<Due> {
        let step = i64::try_from(STEP).unwrap_or(i64::MAX);
        let rows = sqlx::query(DUE).bind(self.uptime().now()).bind(now.0).bind(step).fetch_all(&self.readers).await?;
        let mut due = Due::default();
        for row in &rows {
            let task = TaskId(row.try_get("task")?);
            let attempt = AttemptRef { task, attempt: AttemptNumber(row.try_get("attempt")?) };
            match row.try_get::<&str, _>("kind")? {
                "expired" => due.expired.push(attempt),
                "unsettled" => due.unsettled.push(attempt),
                "waiting" => due.waiting.push(task),
                "overdue" => due.overdue.push(task),
                "unblocked" => due.unblocked.push(task),
                "awaited" => due.awaited = true,
                "aging" => due.aging = true,
                _ => due.pending = true,
            }
        }
        let found = [due.expired.len(), due.unsettled.len(), due.waiting.len(), due.overdue.len(), due.unblocked.len()];
        due.more = due.aging || found.iter().any(|found| *found >= STEP);
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
