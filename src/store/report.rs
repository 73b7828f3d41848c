//! What a runner says about attempts whose agents cannot.

use super::{
    check::Known,
    finish::{settle, store_result},
    work::{Held, Work},
    writer::Transition,
};
use crate::domain::{AttemptNumber, AttemptResult, Event, FailureClass, Reason, TaskId};
use serde_json::Value;
use uuid::Uuid;

/// One report. It counts only where task, attempt and claim are the live ones, and `uid` the one that started.
pub struct Report {
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: AttemptNumber,
    /// The claim.
    pub claim: Uuid,
    /// What carried it.
    pub uid: Option<String>,
    /// What is reported.
    pub reporting: Reporting,
}

/// What is reported.
pub enum Reporting {
    /// Given back before its start.
    Returned,
    /// Proof that it is over without a result.
    Ended(FailureClass, Reason, String),
    /// The result it left behind.
    Finish {
        /// The result.
        result: AttemptResult,
        /// Whether all of the log that it speaks of is stored. Nobody waits for the rest: its agent is gone.
        log_complete: bool,
    },
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportOutcome {
    /// Whether it changed anything.
    pub applied: bool,
    /// What the attempt is now.
    pub known: Known,
}

impl Transition for Report {
    type Output = ReportOutcome;

    fn task(&self) -> TaskId {
        self.task
    }

    fn apply(&self, held: Option<&mut Held>, work: &mut Work<'_, '_>) -> ReportOutcome {
        let Some(held) = held else { return ReportOutcome { applied: false, known: Known::Unknown } };
        let applied = self.applies(held) && self.act(held, work);
        ReportOutcome { applied, known: Known::of(held.life.attempt, held.lease.as_ref(), self.attempt, self.claim) }
    }
}

impl Report {
    fn applies(&self, held: &Held) -> bool {
        let Some(lease) = &held.lease else { return false };
        let same = lease.attempt.attempt == self.attempt && lease.claim == self.claim;
        // Before the start there is no UID to compare; after it only the one that started may be spoken for.
        same && (lease.uid.is_none() || lease.uid == self.uid)
    }

    fn act(&self, held: &mut Held, work: &mut Work<'_, '_>) -> bool {
        match &self.reporting {
            Reporting::Returned => {
                let returned = held.take(Event::Return, None, work).is_ok();
                if returned {
                    work.event(held, "attempt.returned", None, Value::Null);
                }
                returned
            }
            Reporting::Ended(class, reason, message) => held.take(Event::Lost(*class, *reason, message.clone()), Some(false), work).is_ok(),
            Reporting::Finish { result, log_complete } => {
                store_result(held, result.clone(), None, work);
                settle(held, *log_complete, work)
            }
        }
    }
}
