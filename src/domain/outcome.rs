//! How an attempt ends: from what the agent or the runner saw to state, class and reason.

use super::state::{FailureClass, Reason, TaskState, words};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

words!(
    /// Why the agent stopped the command, where it did.
    StoppedBy {
        /// A cancel request.
        Cancel = "cancel",
        /// The task's time limit.
        Timeout = "timeout",
        /// The machine is going away.
        Drain = "drain",
        /// The server gave no answer for so long that it may start another attempt.
        Silence = "silence",
    }
);

/// What the agent saw of the command's end.
///
/// Success needs `exitCode: 0`, no signal, and no `stoppedBy`; anything unclear is a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AttemptResult {
    /// The exit code, where the command ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The number of the signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Set where the agent stopped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<StoppedBy>,
    /// Whether the kernel killed a process of the command for want of memory, as the cgroup counts it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub oom_killed: bool,
    /// Why code or environment could not be prepared, so that the command never began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup_failed: Option<Reason>,
    /// One line for people, for instance why the command could not be started; at most 1,024 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The end of an attempt, as stored and shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// The raw result, kept beside the verdict; empty where there was none.
    pub result: AttemptResult,
}

/// The verdict on an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum End {
    /// Exit code 0.
    Succeeded,
    /// Anything else that nobody asked for.
    Failed(FailureClass, Reason),
    /// Stopped on request.
    Cancelled,
}

impl End {
    /// The state of a task that ends this way.
    #[must_use]
    pub fn state(self) -> TaskState {
        match self {
            End::Succeeded => TaskState::Succeeded,
            End::Failed(..) => TaskState::Failed,
            End::Cancelled => TaskState::Cancelled,
        }
    }

    /// Its failure class, where it failed.
    #[must_use]
    pub fn class(self) -> Option<FailureClass> {
        match self {
            End::Failed(class, _) => Some(class),
            End::Succeeded | End::Cancelled => None,
        }
    }

    /// Its reason code, where it did not succeed.
    #[must_use]
    pub fn reason(self) -> Option<Reason> {
        match self {
            End::Failed(_, reason) => Some(reason),
            End::Cancelled => Some(Reason::Cancelled),
            End::Succeeded => None,
        }
    }
}

impl Outcome {
    /// The verdict on a reported result. A kill for want of memory explains every end that is neither success nor ordered by
    /// somebody: also an exit code of its own, where the killed process was a child. `cancelled` only where the agent stopped the command *and* somebody asked:
    /// a command that ended by itself first keeps its result.
    #[must_use]
    pub fn of(result: AttemptResult, cancel_requested: bool) -> Self {
        use {FailureClass as C, Reason as R};
        let end = match (result.stopped_by, result.exit_code, result.signal) {
            (Some(StoppedBy::Cancel), ..) if cancel_requested => End::Cancelled,
            (Some(StoppedBy::Timeout), ..) => End::Failed(C::Timeout, R::DeadlineExceeded),
            (Some(StoppedBy::Drain), ..) => End::Failed(C::Infra, R::Evicted),
            (None, ..) if let Some(reason) = result.setup_failed => {
                End::Failed(C::Setup, if reason.is_of_setup() { reason } else { R::SetupFailed })
            }
            (None, Some(0), None) => End::Succeeded,
            // A command that coped with the loss of a process, and one that was stopped, keep their own end.
            (None, ..) if result.oom_killed => End::Failed(C::Oom, R::OomKilled),
            (Some(StoppedBy::Silence), ..) | (None, None, None) => End::Failed(C::Lost, R::AttemptLost),
            _ => End::Failed(C::User, R::ExitNonZero),
        };
        Self { end, result }
    }

    /// The end of an attempt that left no result.
    #[must_use]
    pub fn without_result(end: End, message: impl Into<String>) -> Self {
        Self { end, result: AttemptResult { message: Some(message.into()), ..AttemptResult::default() } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_needs_an_explicit_zero_and_cancel_needs_a_request() {
        let result = |exit_code, signal, stopped_by| AttemptResult { exit_code, signal, stopped_by, ..AttemptResult::default() };
        let oom = |exit_code, signal, stopped_by| AttemptResult { oom_killed: true, ..result(exit_code, signal, stopped_by) };
        let unprepared = |why, stopped_by| AttemptResult { setup_failed: Some(why), ..result(None, None, stopped_by) };
        let table = [
            (result(Some(0), None, None), false, End::Succeeded),
            (result(Some(0), None, None), true, End::Succeeded),
            (result(None, None, None), false, End::Failed(FailureClass::Lost, Reason::AttemptLost)),
            (result(Some(3), None, None), false, End::Failed(FailureClass::User, Reason::ExitNonZero)),
            (result(None, Some(9), None), false, End::Failed(FailureClass::User, Reason::ExitNonZero)),
            (result(Some(0), Some(9), None), false, End::Failed(FailureClass::User, Reason::ExitNonZero)),
            (result(None, Some(15), Some(StoppedBy::Cancel)), true, End::Cancelled),
            (result(None, Some(15), Some(StoppedBy::Cancel)), false, End::Failed(FailureClass::User, Reason::ExitNonZero)),
            (result(Some(0), None, Some(StoppedBy::Timeout)), false, End::Failed(FailureClass::Timeout, Reason::DeadlineExceeded)),
            (result(None, Some(15), Some(StoppedBy::Drain)), false, End::Failed(FailureClass::Infra, Reason::Evicted)),
            (result(None, Some(15), Some(StoppedBy::Silence)), false, End::Failed(FailureClass::Lost, Reason::AttemptLost)),
            (oom(Some(1), None, None), false, End::Failed(FailureClass::Oom, Reason::OomKilled)),
            (oom(None, Some(9), None), true, End::Failed(FailureClass::Oom, Reason::OomKilled)),
            (oom(None, None, None), false, End::Failed(FailureClass::Oom, Reason::OomKilled)),
            (oom(Some(0), None, None), false, End::Succeeded),
            (oom(None, Some(9), Some(StoppedBy::Cancel)), true, End::Cancelled),
            (oom(None, Some(9), Some(StoppedBy::Timeout)), false, End::Failed(FailureClass::Timeout, Reason::DeadlineExceeded)),
            (unprepared(Reason::CommitNotFound, None), false, End::Failed(FailureClass::Setup, Reason::CommitNotFound)),
            (unprepared(Reason::ExitNonZero, None), false, End::Failed(FailureClass::Setup, Reason::SetupFailed)),
            (unprepared(Reason::CommitNotFound, Some(StoppedBy::Cancel)), true, End::Cancelled),
            (oom(None, Some(9), Some(StoppedBy::Drain)), false, End::Failed(FailureClass::Infra, Reason::Evicted)),
        ];
        for (given, cancel, expected) in table {
            assert_eq!(Outcome::of(given.clone(), cancel).end, expected, "{given:?}, cancel requested: {cancel}");
        }
    }
}
