//! Ending an attempt whose agent has stopped its command by itself.

use super::{
    work::{Held, Work},
    writer::Transition,
};
use crate::domain::{AttemptRef, Event, FailureClass, Reason, TaskId};
use serde_json::Value;

/// Ends a started attempt without a result whose agent has been silent for so long that it has stopped its command. Nobody else
/// may end one without proof but an operator; whether the agent is that silent, the caller knows.
pub struct Supersede(pub AttemptRef);

impl Transition for Supersede {
    /// Whether it was ended.
    type Output = bool;

    fn task(&self) -> TaskId {
        self.0.task
    }

    fn apply(&self, held: Option<&mut Held>, work: &mut Work<'_, '_>) -> bool {
        let Some(held) = held else { return false };
        if !held.live(self.0.attempt).is_some_and(|lease| lease.self_stop && lease.uid.is_some() && lease.result.is_none()) {
            return false;
        }
        work.event(held, "attempt.superseded", None, Value::Null);
        let message = "its agent was silent for so long that it has stopped the command by itself".to_owned();
        held.take(Event::Lost(FailureClass::Lost, Reason::AttemptLost, message), Some(false), work).is_ok()
    }
}
