//! The end of an attempt as its agent reports it.

use super::{
    lease::Refusal,
    start::of_agent,
    work::{Held, Work},
    writer::Transition,
};
use crate::domain::{AttemptNumber, AttemptRef, AttemptResult, Event, Notes, Status, TaskId, TaskState};
use serde_json::json;

/// Stores the result of an attempt. The first one counts; a repeat changes nothing.
pub struct Finish {
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: AttemptNumber,
    /// SHA-256 of the attempt token presented.
    pub token_hash: [u8; 32],
    /// The result.
    pub result: AttemptResult,
    /// The length and CRC-32C of the whole log.
    pub log: (u64, u32),
    /// What the attempt says of itself at its end; kept with the first result.
    pub notes: Option<Box<Notes>>,
    /// Set where nothing more of the log is to come: whether it is complete. The attempt then ends in the same commit, as it
    /// does where the log is empty.
    pub settled: Option<bool>,
}

/// Where the attempt stands after a finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Whether it is over.
    pub settled: bool,
    /// The state of its task.
    pub state: TaskState,
}

impl Transition for Finish {
    type Output = Result<Finished, Refusal>;

    fn task(&self) -> TaskId {
        self.task
    }

    fn apply(&self, held: Option<&mut Held>, work: &mut Work<'_, '_>) -> Self::Output {
        let held = of_agent(held, self.attempt, &self.token_hash)?;
        let first = matches!(&held.life.status, Status::Active(live) if live.result.is_none());
        if let Some(notes) = self.notes.as_ref().filter(|_| first) {
            work.note(AttemptRef { task: self.task, attempt: self.attempt }, notes);
        }
        store_result(held, self.result.clone(), Some(self.log), work);
        let empty = (self.log.0 == 0).then(|| held.has_log(self.log));
        if let Some(complete) = self.settled.or(empty) {
            settle(held, complete, work);
        }
        Ok(Finished { settled: held.lease.is_none(), state: held.life.state() })
    }
}

/// Ends an attempt whose result is stored, because its log is now whole or never will be.
pub struct Settle {
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: AttemptNumber,
    /// Whether the log is complete.
    pub log_complete: bool,
}

impl Transition for Settle {
    /// Whether it ended now.
    type Output = bool;

    fn task(&self) -> TaskId {
        self.task
    }

    fn apply(&self, held: Option<&mut Held>, work: &mut Work<'_, '_>) -> bool {
        held.filter(|h| h.lease.as_ref().is_some_and(|l| l.attempt.attempt == self.attempt))
            .is_some_and(|held| settle(held, self.log_complete, work))
    }
}

/// Stores the first result and sets the limit on the wait for its log.
pub(super) fn store_result(held: &mut Held, result: AttemptResult, log: Option<(u64, u32)>, work: &mut Work<'_, '_>) {
    let first = matches!(&held.life.status, Status::Active(live) if live.result.is_none());
    if held.take(Event::Finish(result), None, work).is_err() || !first {
        return;
    }
    held.refine();
    let until = work.tx.up.after(work.tx.times.log_settle_ms);
    if let Some(lease) = &mut held.lease {
        lease.log = log;
        lease.settle_up = Some(until);
        lease.start_token = None;
        work.tx.deadline_written();
    }
    work.event(held, "attempt.phase", None, json!({ "phase": "finishing" }));
}

/// Ends the attempt by its stored result; `false` where none is stored.
pub(super) fn settle(held: &mut Held, log_complete: bool, work: &mut Work<'_, '_>) -> bool {
    let stored = matches!(&held.life.status, Status::Active(live) if live.result.is_some());
    stored && held.take(Event::Settle, Some(log_complete), work).is_ok()
}
