//! What holds a waiting task back, and its end.

use super::{
    Store,
    error::Result,
    sql::{self, Row},
    work::{Held, Work},
    writer::Transition,
};
use crate::domain::{Event, TaskId, TaskState, UnixMs};
use serde_json::Value;

/// Everything that holds a waiting task back. It is due when nothing of it is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// Uptime in ms at which its pause is over.
    pub due_up: Option<i64>,
    /// The time of day before which it is not started.
    pub not_before: Option<UnixMs>,
    /// How many of the tasks that it depends on have not ended.
    pub blockers: u32,
    /// Whether all slots of its array are taken.
    pub throttled: bool,
}

/// The columns of `waiting`, under the alias `w`.
pub(super) const WAITS: &str = "select w.due_up, w.not_before, w.blockers, w.throttled from waiting w where w.task = $1";

impl Waits {
    /// A pause of its own, and nothing else.
    pub(super) fn pause(until_up: i64) -> Self {
        Self { due_up: Some(until_up), ..Self::default() }
    }

    /// Whether nothing of it is left at uptime `up` and time of day `now`.
    #[must_use]
    pub fn over(&self, up: i64, now: UnixMs) -> bool {
        let held = self.due_up.is_some_and(|at| at > up) || self.not_before.is_some_and(|at| at > now);
        !held && self.blockers == 0 && !self.throttled
    }

    /// Reads the columns `due_up`, `not_before`, `blockers` and `throttled`; all null where the task does not wait.
    pub(super) fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            due_up: row.try_get("due_up")?,
            not_before: row.try_get::<Option<i64>>("not_before")?.map(UnixMs),
            blockers: row.try_get::<Option<u32>>("blockers")?.unwrap_or(0),
            throttled: row.try_get::<Option<bool>>("throttled")?.unwrap_or(false),
        })
    }
}

impl Held {
    /// Puts the task into its queue where it waits and nothing holds it back any more.
    pub(super) fn release(&mut self, work: &mut Work<'_, '_>) -> bool {
        let (up, now) = (work.tx.up.now(), work.tx.now);
        if self.life.state() != TaskState::Waiting {
            return false;
        }
        if !self.waits.over(up, now) {
            // A pause that is over is forgotten, so that the clockwork looks for what else it waits for.
            if self.waits.due_up.is_some_and(|at| at <= up) {
                self.waits.due_up = None;
                self.touched = true;
            }
            return false;
        }
        if self.kin.gated == Some(true) {
            self.kin.gated = Some(false);
            work.opened.push(self.task);
            return true;
        }
        let woken = self.take(Event::Due, None, work).is_ok();
        if woken {
            work.event(self, "task.queued", None, Value::Null);
        }
        woken
    }
}

/// Puts a task back into its queue that nothing holds back any more.
pub struct Wake(pub TaskId);

impl Transition for Wake {
    type Output = bool;

    fn task(&self) -> TaskId {
        self.0
    }

    fn apply(&self, held: Option<&mut Held>, work: &mut Work<'_, '_>) -> bool {
        held.is_some_and(|held| held.release(work))
    }
}

impl Store {
    /// What holds a task back; none where it does not wait.
    pub async fn waits(&self, task: TaskId) -> Result<Option<Waits>> {
        let row = sql::query(WAITS).bind(task.0).fetch_optional(&self.readers).await?;
        row.as_ref().map(Waits::read).transpose()
    }
}
