//! Work for runners: claims, signs of life, and what the server holds for each.

use super::{AttemptNumber, AttemptRef, KeepJobs, Mounts, Phase, QueueName, Resources, RunnerName, RunnerState, TaskId};
use crate::domain::evidence::ApiRefusal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

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

/// A kind of object of which a runner can make none in a namespace of its cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UnservedKind {
    /// Its API version, `group/version`.
    pub api_version: String,
    /// Its name.
    pub kind: String,
    /// The namespace.
    pub namespace: String,
    /// How it was refused.
    pub refusal: ApiRefusal,
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
    /// What queues may ask for and the runner cannot make now, at most 100: their tasks are left to others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unserved: Vec<UnservedKind>,
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
    /// What a glue makes of it; absent for a process runner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobOrder>,
}

/// What a glue is to make of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct JobOrder {
    /// The Job (`batch/v1`) as the layers up to the task's make it; the glue injects and enforces. Absent once the attempt
    /// has started: then its Job is there or was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<Object>))]
    pub manifest: Option<serde_json::Value>,
    /// Whether the image's own entrypoint is the command.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub use_image_entrypoint: bool,
    /// The command's time limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// The time between SIGTERM and SIGKILL.
    pub grace_seconds: u64,
    /// After so many seconds without a place it is given back.
    pub pending_timeout_seconds: u64,
    /// After so many seconds without a place it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail_pending_after_seconds: Option<u64>,
    /// How long its Job stays after the end.
    pub keep_jobs_seconds: KeepJobs,
    /// What its queue has its agent find in the pod.
    #[serde(default, skip_serializing_if = "Mounts::is_empty")]
    pub mounts: Mounts,
    /// The kind of object that carries it in place of a Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Box<ObjectOrder>>,
}

/// The custom resource that carries an attempt. No agent runs in its pods: the runner starts the attempt itself before it
/// creates the object, and speaks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ObjectOrder {
    /// Its API version, `group/version`.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// The type of the condition that means success, for a kind whose end is not known by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succeeded: Option<String>,
    /// The same for failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// In how many seconds the time is over that the task may take in all; 0 where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_in_seconds: Option<u64>,
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
    /// How it stands now; absent for a runner that does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<RunnerState>,
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
    /// The installation whose name its objects bear, where that is not the one of the registration: the attempt began
    /// before a restore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
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
    /// What a glue makes of it; absent for a process runner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobOrder>,
}

impl Hold {
    /// The attempt.
    #[must_use]
    pub fn attempt_ref(&self) -> AttemptRef {
        AttemptRef { task: self.task, attempt: self.attempt }
    }
}

impl From<ClaimedTask> for Hold {
    /// A claimed attempt as the server holds it from then on, until it starts.
    fn from(task: ClaimedTask) -> Self {
        Self {
            task: task.task,
            attempt: task.attempt,
            claim: task.claim,
            uid: None,
            instance: None,
            phase: Phase::Claimed,
            start_token: Some(task.start_token),
            queue: task.queue,
            resources: task.resources,
            finished: false,
            job: task.job,
        }
    }
}

/// Everything a runner holds: the answer to `GET /runner/holds?runner=`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Holds {
    /// The attempts, by task.
    pub items: Vec<Hold>,
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
