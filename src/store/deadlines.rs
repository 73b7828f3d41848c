//! How long a task may wait for its start, and how long it may take in all.
//!
//! Both count from when it was first queued, on uptime. While its command runs, its agent ends it in time; otherwise the
//! clockwork does. An attempt that was claimed and has not started is taken back with it: its start is refused from that
//! commit on.

use super::{
    sql::{Cells, Row, cells},
    uptime::Uptime,
    work::{Held, Work},
    writer::Transition,
};
use crate::domain::{End, Event, FailureClass, Reason, Status, TaskId};

/// The limits of a task that has been queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Deadline {
    /// Uptime in ms by which it must have started; none once it has.
    pub(super) start_up: Option<i64>,
    /// Uptime in ms by which it must have ended.
    pub(super) end_up: Option<i64>,
    /// Whether its command runs: then its agent sees to the end.
    pub(super) running: bool,
}

/// Writes the deadlines of tasks.
pub(super) const KEEP_DEADLINE: &str = "insert into deadline each($1: task int, start_up int, end_up int, running int)
     on conflict (task) do update set start_up = excluded.start_up, end_up = excluded.end_up, running = excluded.running";

/// Forgets the deadlines of tasks.
pub(super) const FORGET_DEADLINE: &str = "delete from deadline where task in each($1: task int)";

impl Deadline {
    /// Those of a task that is queued for the first time now; none where it has no limits.
    pub(super) fn of(max_wait: Option<u64>, total: Option<u64>, up: &Uptime) -> Option<Self> {
        let after = |seconds: Option<u64>| seconds.map(|s| up.after(s.saturating_mul(1_000)));
        let deadline = Self { start_up: after(max_wait), end_up: after(total), running: false };
        (deadline.start_up.is_some() || deadline.end_up.is_some()).then_some(deadline)
    }

    /// Reads the columns `start_up`, `end_up` and `running`, all null where there is none.
    pub(super) fn read(row: &Row) -> sqlx::Result<Option<Self>> {
        let Some(running) = row.try_get("running")? else { return Ok(None) };
        Ok(Some(Self { start_up: row.try_get("start_up")?, end_up: row.try_get("end_up")?, running }))
    }

    /// As a row.
    pub(super) fn row(&self, task: TaskId) -> Cells {
        cells![task, self.start_up, self.end_up, self.running]
    }
}

impl Held {
    /// Keeps the deadlines right after a change of the task.
    pub(super) fn keep_deadline(&mut self, work: &mut Work<'_, '_>) {
        let started = matches!(&self.life.status, Status::Active(live) if live.started);
        match &self.life.status {
            Status::Ended(_) => self.deadline = None,
            Status::Queued if self.queued_up.is_none() => {
                self.queued_up = Some(work.tx.up.now());
                self.deadline = Deadline::of(self.max_wait_seconds, self.total_timeout_seconds, work.tx.up);
                work.tx.deadline_written();
            }
            _ => {}
        }
        if let Some(deadline) = &mut self.deadline {
            deadline.running = started;
            deadline.start_up = deadline.start_up.filter(|_| !started);
        }
    }

    /// Ends the task where one of its limits is over and its command does not run.
    pub(super) fn overdue(&mut self, work: &mut Work<'_, '_>) -> bool {
        let now = work.tx.up.now();
        let Some(deadline) = self.deadline.filter(|deadline| !deadline.running) else { return false };
        let over = |at: Option<i64>| at.is_some_and(|at| at <= now);
        let after = |seconds: Option<u64>| format!("{} s after it was first queued", seconds.unwrap_or_default());
        let (reason, message) = if over(deadline.end_up) {
            (Reason::DeadlineExceeded, format!("it had not ended {}", after(self.total_timeout_seconds)))
        } else if over(deadline.start_up) {
            (Reason::NotStartedInTime, format!("it had not started {}", after(self.max_wait_seconds)))
        } else {
            return false;
        };
        self.give_up(End::Failed(FailureClass::Timeout, reason), message, work)
    }

    /// Ends the task before its start by a rule that it names.
    pub(super) fn give_up(&mut self, end: End, message: String, work: &mut Work<'_, '_>) -> bool {
        self.take(Event::GiveUp(end, message), None, work).is_ok()
    }
}

/// Ends a task one of whose limits is over, where its command does not run.
pub struct Overdue(pub TaskId);

impl Transition for Overdue {
    type Output = bool;

    fn task(&self) -> TaskId {
        self.0
    }

    fn apply(&self, held: Option<&mut Held>, work: &mut Work<'_, '_>) -> bool {
        held.is_some_and(|held| held.overdue(work))
    }
}
