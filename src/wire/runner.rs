//! What a runner and the server say to each other.

use super::{AttemptNumber, FailureClass, FinishRequest, Phase, QueueName, Reason, Resources, RunnerName, TaskId, Times, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Introduces a runner, on connect and after every restart; the body of `PUT /runners/{name}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegisterRequest {
    /// What it runs tasks as: `process`.
    pub kind: String,
    /// Minted once per data directory. Another live holder of the name gets `409 RUNNER_NAME_TAKEN`.
    pub instance: Uuid,
    /// Its version.
    pub version: String,
    /// How many attempts it carries at once.
    pub slots: u32,
    /// How many GPUs it has.
    #[serde(default)]
    pub gpus: u32,
    /// The queues it serves; `*` is all.
    pub queues: Vec<String>,
}

/// The server's answer to a registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RegisterResponse {
    /// The times to go by.
    pub times: Times,
}

/// A runner as users see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Runner {
    /// Its name.
    pub name: RunnerName,
    /// What it runs tasks as.
    pub kind: String,
    /// Its version.
    pub version: String,
    /// How many attempts it carries at once.
    pub slots: u32,
    /// How many GPUs it has.
    pub gpus: u32,
    /// The queues it serves.
    pub queues: Vec<String>,
    /// The attempts it holds.
    pub active: u32,
    /// When it registered last.
    pub registered_at: Timestamp,
    /// When it was heard last; absent where not since the server started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<Timestamp>,
}

/// All runners.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RunnerList {
    /// The runners, by name.
    pub items: Vec<Runner>,
}

/// One queue that a claim draws from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QueueAsk {
    /// A queue's name, or `*` for every queue.
    pub name: String,
    /// At most so many from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
}

/// Asks for work. The answer waits up to `waitSeconds` until there is some. A repeat of `claimId` whose attempts still
/// live gets those again and no others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaimRequest {
    /// Who asks.
    pub runner: RunnerName,
    /// The instance it registered with.
    pub instance: Uuid,
    /// Made for this claim.
    pub claim_id: Uuid,
    /// At most so many in all, 1 to 1,000.
    pub max: u32,
    /// The GPUs free for them; tasks that need more in sum are passed over.
    #[serde(default)]
    pub gpus: u32,
    /// Where to draw from.
    pub queues: Vec<QueueAsk>,
    /// How long to wait for work, 0 to 60.
    #[serde(default)]
    pub wait_seconds: u64,
}

/// The work a claim got; empty where the wait ended without any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClaimResponse {
    /// The attempts, in the order of service.
    pub items: Vec<ClaimedTask>,
}

/// One claimed attempt. The runner's heartbeat keeps it; unless it starts in time it goes back to the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClaimedTask {
    /// The task.
    pub task: TaskId,
    /// The new attempt.
    pub attempt: AttemptNumber,
    /// The claim it belongs to.
    pub claim: Uuid,
    /// The agent's one-time right to start it.
    pub start_token: String,
    /// Its queue.
    pub queue: QueueName,
    /// What it needs.
    pub resources: Resources,
}

/// A sign of life of a runner; it renews all its claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunnerBeatRequest {
    /// Who speaks.
    pub runner: RunnerName,
    /// The instance it registered with.
    pub instance: Uuid,
    /// [`known_hash`] of the attempts that it believes to hold.
    pub known: String,
}

/// The server's answer to a runner's sign of life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RunnerBeatResponse {
    /// Whether the server holds the same attempts for it; where not, `GET /runner/holds` tells.
    pub known: bool,
    /// The attempts that somebody asked to stop and that have not ended.
    pub cancels: Vec<CancelOrder>,
}

/// An order to stop an attempt. The agent hears it too; the runner acts only when it is overdue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CancelOrder {
    /// The task.
    pub task: TaskId,
    /// Its attempt.
    pub attempt: AttemptNumber,
    /// Whether the grace period and the time for the agent's report are over: stop it by force and report.
    pub overdue: bool,
}

/// One live attempt of a runner, in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// The task.
    pub task: TaskId,
    /// Its live attempt.
    pub attempt: AttemptNumber,
    /// The claim it belongs to.
    pub claim: Uuid,
    /// What started it; absent before the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Its phase.
    pub phase: Phase,
    /// The right to start it, until the first heartbeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_token: Option<String>,
    /// Its queue.
    pub queue: QueueName,
    /// What it needs.
    pub resources: Resources,
    /// Whether its result is stored and only the log is awaited.
    pub finished: bool,
}

/// Everything a runner holds: the answer to `GET /runner/holds?runner=`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Holds {
    /// The attempts, by task.
    pub items: Vec<Hold>,
}

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
    /// What is reported.
    #[serde(flatten)]
    pub kind: ReportKind,
}

/// What is reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum ReportKind {
    /// The runner gives an attempt back that has not started; no budget is charged.
    Returned,
    /// Proof that nothing of the attempt lives and that it left no result.
    Ended {
        /// `infra` or `lost`.
        class: FailureClass,
        /// The reason code.
        reason: Reason,
        /// One line for people.
        message: String,
    },
    /// The result that the agent left behind, with length and checksum of its whole log.
    Finish {
        /// The result.
        result: FinishRequest,
    },
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

/// A short text that is equal for equal sets of attempts, in whatever order they come: 16 hex digits of a SHA-256.
#[must_use]
pub fn known_hash(attempts: impl IntoIterator<Item = (TaskId, AttemptNumber)>) -> String {
    use sha2::{Digest, Sha256};
    let mut sorted: Vec<_> = attempts.into_iter().collect();
    sorted.sort_unstable();
    let mut hash = Sha256::new();
    for (task, attempt) in sorted {
        hash.update(task.0.to_be_bytes());
        hash.update(attempt.0.to_be_bytes());
    }
    let digest: [u8; 32] = hash.finalize().into();
    format!("{:016x}", u64::from_be_bytes(*digest.first_chunk().unwrap_or(&[0; 8])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_as_it_was_written() {
        let ended = ReportKind::Ended { class: FailureClass::Lost, reason: Reason::AttemptLost, message: "gone".into() };
        for kind in [ReportKind::Returned, ended, ReportKind::Finish { result: FinishRequest::default() }] {
            let item = ReportItem { task: TaskId(1), attempt: AttemptNumber(2), claim: Uuid::nil(), uid: None, kind };
            let text = serde_json::to_string(&item).unwrap();
            assert_eq!(serde_json::from_str::<ReportItem>(&text).unwrap(), item, "{text}");
        }
    }
}
