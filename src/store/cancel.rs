//! Asking a task to stop.

use super::{
    lease::CancelRequest,
    sql::cells,
    work::{Held, Work},
    writer::Transition,
};
use crate::domain::{Event, TaskId, TaskState};
use serde_json::Value;

/// Asks a task to stop: at once before its start, by its agent after it. Its children follow.
pub struct Cancel {
    /// The task.
    pub task: TaskId,
    /// Who asks.
    pub by: String,
    /// Whether the agent of the live attempt has been silent beyond the limit.
    pub silent: bool,
}

/// What became of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled {
    /// The state of the task now. A task that had ended before is unchanged.
    pub state: TaskState,
}

impl Transition for Cancel {
    /// None where there is no such task.
    type Output = Option<Cancelled>;

    fn task(&self) -> TaskId {
        self.task
    }

    fn apply(&self, held: Option<&mut Held>, work: &mut Work<'_, '_>) -> Self::Output {
        let held = held?;
        if !held.life.state().is_terminal() && !held.life.cancel_requested {
            if let Some(lease) = held.lease.as_mut() {
                lease.cancel = Some(CancelRequest { by: self.by.clone(), at: work.tx.now, up: work.tx.up.now() });
                // The runner acts on a request by its age, which a restart must not turn back.
                work.tx.deadline_written();
            }
            if held.kin.gated.is_some() {
                work.asked.push(cells![held.task, &self.by, work.tx.now]);
            }
            work.cascades.push(cells![held.task, &self.by, None::<&str>]);
            work.event(held, "task.cancelRequested", Some(&self.by), Value::Null);
            // No state before the end refuses a cancel.
            let _ = held.take(Event::Cancel { silent: self.silent }, None, work);
        } else if self.silent && held.lease.as_ref().is_some_and(|l| l.result.is_none()) {
            let _ = held.take(Event::Cancel { silent: true }, None, work);
        }
        Some(Cancelled { state: held.life.state() })
    }
}
