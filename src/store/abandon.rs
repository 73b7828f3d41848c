//! Giving an attempt up without proof that it is over.

use super::{
    lease::Refusal,
    start::refuse_dead,
    work::{Held, Work},
    writer::Transition,
};
use crate::domain::{AttemptNumber, Event, TaskId, TaskState};
use serde_json::json;

/// Ends a started attempt on an operator's word. It is the one way in which two commands of a task can overlap, and
/// the event says who chose it.
pub struct Abandon {
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: AttemptNumber,
    /// The operator.
    pub by: String,
    /// Their reason.
    pub reason: String,
}

impl Transition for Abandon {
    /// The state of the task after it.
    type Output = Result<TaskState, Refusal>;

    fn task(&self) -> TaskId {
        self.task
    }

    fn apply(&self, held: Option<&mut Held>, work: &mut Work<'_, '_>) -> Self::Output {
        let held = held.ok_or(Refusal::NotFound)?;
        refuse_dead(held, self.attempt)?;
        work.event(held, "attempt.abandoned", Some(&self.by), json!({ "reason": self.reason }));
        let message = format!("given up by {}: {}", self.by, self.reason);
        let event = if held.lease.as_ref().is_some_and(|l| l.uid.is_some()) { Event::Abandon(message) } else { Event::Return };
        held.take(event, Some(false), work).map_err(|_| Refusal::Superseded)?;
        Ok(held.life.state())
    }
}
