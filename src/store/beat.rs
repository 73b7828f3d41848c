//! The heartbeats that are worth writing: the first one, and changes of phase.

use super::{
    lease::Refusal,
    start::of_agent,
    work::{Held, Work},
    writer::Transition,
};
use crate::domain::{AttemptNumber, Event, Phase, TaskId};
use serde_json::json;

/// Records the phase of an attempt and closes its start. Every other heartbeat stays in memory.
pub struct Beat {
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: AttemptNumber,
    /// SHA-256 of the attempt token presented.
    pub token_hash: [u8; 32],
    /// The phase reported.
    pub phase: Phase,
}

impl Transition for Beat {
    /// Whether somebody asked to stop the attempt.
    type Output = Result<bool, Refusal>;

    fn task(&self) -> TaskId {
        self.task
    }

    fn apply(&self, held: Option<&mut Held>, work: &mut Work<'_, '_>) -> Self::Output {
        let held = of_agent(held, self.attempt, &self.token_hash)?;
        if held.live(self.attempt).and_then(|lease| lease.start_token.take()).is_some() {
            held.touched = true;
        }
        let before = held.lease.as_ref().and_then(|l| l.phase);
        if Some(self.phase) > before && held.take(Event::Reach(self.phase), None, work).is_ok() {
            work.event(held, "attempt.phase", None, json!({ "phase": self.phase }));
        }
        Ok(held.life.cancel_requested)
    }
}
