//! What a runner says of attempts whose agents cannot, and asks about attempts that it found.

use super::{AttemptNumber, AttemptRef, Evidence, FailureClass, FinishRequest, Phase, Reason, TaskId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Asks what the server knows of attempts that a runner found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckRequest {
    /// At most 1,000 attempts.
    pub items: Vec<CheckItem>,
}

/// One attempt that a runner found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckItem {
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: AttemptNumber,
    /// The claim recorded with it.
    pub claim: Uuid,
}

/// What the server knows of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// It is the live one.
    Live,
    /// It is over.
    Ended,
    /// A later attempt, or another claim, took its place.
    Superseded,
    /// The server has never heard of it: leave it alone and report it.
    Unknown,
}

/// Verdicts, in the order of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CheckResponse {
    /// One per item.
    pub items: Vec<Checked>,
    /// The installation: what the names of its objects begin with. Empty from servers before 0.2.
    #[serde(default)]
    pub installation: String,
}

/// The verdict on one attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: AttemptNumber,
    /// What it is.
    pub verdict: Verdict,
    /// Whether it ended by its own result before all of its log came. What still runs of it may be sending the rest: leave that
    /// alone for `finishRetryMs`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub awaits_log: bool,
}

/// What a runner has to say about attempts whose agents cannot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReportRequest {
    /// At most 1,000 reports.
    pub items: Vec<ReportItem>,
}

/// One report. It changes nothing unless task, attempt and claim are the live ones, and `uid` the one that started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
// serde cannot tell unknown members from those of the flattened `kind`, so these are not refused.
#[serde(rename_all = "camelCase")]
pub struct ReportItem {
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: AttemptNumber,
    /// The claim it belongs to.
    pub claim: Uuid,
    /// What carried it; absent where nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// How long ago, in ms, the runner saw what it reports. A sign of life of the agent since then outweighs it.
    #[serde(default)]
    pub observed_ms_ago: u64,
    /// What the runner saw, kept with the attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// What is reported.
    #[serde(flatten)]
    pub kind: ReportKind,
}

impl ReportItem {
    /// The attempt.
    #[must_use]
    pub fn attempt_ref(&self) -> AttemptRef {
        AttemptRef { task: self.task, attempt: self.attempt }
    }

    /// A report without UID and evidence about what was seen just now.
    #[must_use]
    pub fn new(task: TaskId, attempt: AttemptNumber, claim: Uuid, kind: ReportKind) -> Self {
        Self { task, attempt, claim, uid: None, observed_ms_ago: 0, evidence: None, kind }
    }
}

/// What is reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum ReportKind {
    /// Nothing but evidence. It changes at most the phase of an attempt that has not started, and within `refineMs` of an
    /// attempt's end its reason.
    Evidence {
        /// How far the attempt has come without its agent: `scheduling` or `pulling`. What carries it is there then and
        /// may start while the runner is away, so the claim holds for the queue's pending timeout from the first of them
        /// on. `running` of an attempt that the runner started itself, because an object carries it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        phase: Option<Phase>,
    },
    /// The runner gives an attempt back that has not started; no budget is charged.
    Returned {
        /// Why it found no place: the task is then held for a while, longer each time, so that others pass. Absent where it
        /// may be claimed again at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Reason>,
    },
    /// Proof that nothing of the attempt lives and that it left no result.
    Ended {
        /// The failure class.
        class: FailureClass,
        /// The reason code.
        reason: Reason,
        /// One line for people.
        message: String,
        /// What it rests on.
        #[serde(default)]
        proof: Proof,
    },
    /// The result that the agent left behind, with length and checksum of its whole log.
    Finish {
        /// The result.
        result: FinishRequest,
    },
}

/// What shows that nothing of an attempt lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Proof {
    /// The runner saw it dead: every process, every container of the pod that started it.
    #[default]
    Seen,
    /// What carried it is not there any more. It counts only once the agent has been silent for `goneSilenceMs`.
    Gone,
}

/// What became of reports, in the order of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReportResponse {
    /// One per item.
    pub items: Vec<Reported>,
}

/// What became of one report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Reported {
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: AttemptNumber,
    /// Whether it changed anything.
    pub applied: bool,
    /// What the attempt is now.
    pub verdict: Verdict,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_as_it_was_written() {
        let (class, reason) = (FailureClass::Lost, Reason::AttemptLost);
        let ended = ReportKind::Ended { class, reason, message: "gone".into(), proof: Proof::Gone };
        let held = ReportKind::Returned { reason: Some(Reason::InsufficientGpu) };
        let finish = ReportKind::Finish { result: FinishRequest::default() };
        for kind in [ReportKind::Returned { reason: None }, held, ended, finish, ReportKind::Evidence { phase: Some(Phase::Pulling) }] {
            let item = ReportItem::new(TaskId(1), AttemptNumber(2), Uuid::nil(), kind);
            let text = serde_json::to_string(&item).unwrap();
            assert_eq!(serde_json::from_str::<ReportItem>(&text).unwrap(), item, "{text}");
        }
    }
}
