//! What a runner says about attempts whose agents cannot.

use super::{
    check::Known,
    finish::{settle, store_result},
    work::{Held, Work},
    writer::Transition,
};
use crate::domain::{AttemptNumber, AttemptResult, Event, Evidence, FailureClass, Phase, Reason, TaskId};
use serde_json::{Value, json};
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
    /// What the runner saw, kept with the attempt.
    pub evidence: Option<Evidence>,
    /// What is reported.
    pub reporting: Reporting,
}

/// What is reported.
pub enum Reporting {
    /// Nothing but the evidence.
    Seen {
        /// How far it has come without its agent; counts before its start alone.
        phase: Option<Phase>,
        /// With a phase: how long in ms the attempt may go on towards its start although nobody renews its claim. What
        /// carries it is there, and may start while the runner is away.
        hold_ms: u64,
    },
    /// What the runner started itself runs.
    Runs,
    /// What the runner started itself is given back, because it found no place: all of it is gone, and nothing of it ran.
    Recalled(Reason),
    /// Given back before its start. With a reason it found no place, and the task is held for a while.
    Returned(Option<Reason>),
    /// It is over without a result.
    Ended {
        /// The failure class.
        class: FailureClass,
        /// The reason.
        reason: Reason,
        /// One line for people.
        message: String,
        /// Whether that is proven. Without proof it counts only before the start, which it refuses from then on.
        proven: bool,
    },
    /// The result it left behind.
    Finish {
        /// The result.
        result: AttemptResult,
        /// The length and CRC-32C of the whole log.
        log: (u64, u32),
        /// Whether that is what is stored, where it is known; what is recorded says so else. Nobody waits for the rest: its
        /// agent is gone.
        log_complete: Option<bool>,
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
        let ours = self.applies(held);
        // Before the act, so that it goes with the attempt wherever that goes.
        let news = ours && self.evidence.as_ref().is_some_and(|evidence| held.saw(evidence, work));
        let only_seen = matches!(self.reporting, Reporting::Seen { .. } | Reporting::Runs);
        let applied = ours && (self.act(held, work) || (news && only_seen));
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
            Reporting::Seen { phase, hold_ms } => phase.is_some_and(|phase| reach(held, phase, *hold_ms, work)),
            Reporting::Runs => {
                let started = held.lease.as_ref().is_some_and(|l| l.uid.is_some() && l.phase < Some(Phase::Running));
                let runs = started && held.take(Event::Reach(Phase::Running), None, work).is_ok();
                if runs {
                    work.event(held, "attempt.phase", None, json!({ "phase": Phase::Running }));
                }
                runs
            }
            Reporting::Recalled(reason) => {
                let recalled = held.hold(Event::Recall, *reason, work).is_ok();
                if recalled {
                    work.event(held, "attempt.returned", None, json!({ "reason": reason }));
                }
                recalled
            }
            Reporting::Returned(None) => {
                let returned = held.take(Event::Return, None, work).is_ok();
                if returned {
                    work.event(held, "attempt.returned", None, Value::Null);
                }
                returned
            }
            Reporting::Returned(Some(reason)) => {
                let held_back = held.hold(Event::Hold, *reason, work).is_ok();
                if held_back {
                    work.event(held, "attempt.returned", None, json!({ "reason": reason }));
                }
                held_back
            }
            Reporting::Ended { proven: false, .. } if held.lease.as_ref().is_some_and(|l| l.uid.is_some()) => false,
            Reporting::Ended { class, reason, message, .. } => {
                held.take(Event::Lost(*class, *reason, message.clone()), Some(false), work).is_ok()
            }
            Reporting::Finish { result, log, log_complete } => {
                let complete = log_complete.unwrap_or_else(|| held.has_log(*log));
                store_result(held, result.clone(), None, work);
                settle(held, complete, work)
            }
        }
    }
}

/// Notes how far an attempt has come without its agent.
fn reach(held: &mut Held, phase: Phase, hold_ms: u64, work: &mut Work<'_, '_>) -> bool {
    let until = work.tx.up.after(hold_ms);
    let Some(lease) = held.lease.as_mut().filter(|l| l.uid.is_none() && l.phase < Some(phase) && phase < Phase::Starting) else {
        return false;
    };
    if lease.phase.is_none() {
        lease.expires_up = lease.expires_up.max(Some(until));
        work.tx.deadline_written();
    }
    let reached = held.take(Event::Reach(phase), None, work).is_ok();
    if reached {
        work.event(held, "attempt.phase", None, json!({ "phase": phase }));
    }
    reached
}
