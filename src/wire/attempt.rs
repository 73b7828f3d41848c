//! What an agent and the server say to each other about one attempt.

use super::{
    AttemptNumber, AttemptResult, Ending, Notes, Phase, Progress, QueueName, Reason, Setup, Sources, StoppedBy, TaskId, TaskState, Times,
    Usage, Work,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Asks for the exclusive right to run the attempt (`docs/ARCHITECTURE.md`, one task's journey).
///
/// A repeat with the same `uid` and `nonce` succeeds, with a fresh token, until the first heartbeat; after it, and for
/// anybody else, the answer is `409 SUPERSEDED`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StartRequest {
    /// What carries the attempt: the pod's UID, or the UUID that the process runner gave it; 1 to 64 characters.
    pub uid: String,
    /// Made by this agent process and kept in its memory alone.
    pub nonce: Uuid,
}

/// What to run, and the token to speak for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StartResponse {
    /// The credential of every later call about this attempt.
    pub attempt_token: String,
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: AttemptNumber,
    /// The task's queue.
    pub queue: QueueName,
    /// The task's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What to run.
    pub work: Work,
    /// Its environment variables.
    pub env: BTreeMap<String, String>,
    /// What is set up before it starts.
    #[serde(default, skip_serializing_if = "Setup::is_empty")]
    pub setup: Setup,
    /// What is done as the command stops, and after it.
    #[serde(default, skip_serializing_if = "Ending::is_empty")]
    pub ending: Ending,
    /// The most bytes of outputs that the server keeps of the task.
    #[serde(default)]
    pub output_limit_bytes: u64,
    /// Where code and packages come from, as its queue says.
    #[serde(default, skip_serializing_if = "Sources::is_empty")]
    pub sources: Sources,
    /// What an attempt before this one wants it to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<String>,
    /// The command's time limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// The time between SIGTERM and SIGKILL.
    pub grace_seconds: u64,
    /// The most log bytes that the server keeps.
    pub log_limit_bytes: u64,
    /// Set where the agent is to end its command once the server gives no answer: another attempt may follow then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_stop: Option<SelfStop>,
    /// The times to go by.
    pub times: Times,
}

/// By when an agent ends its command without an answer of the server. Counted from when the last heartbeat that was answered was
/// sent, on a clock that goes on while the machine sleeps (`CLOCK_BOOTTIME`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SelfStop {
    /// After so many ms the command is asked to end.
    pub stop_ms: u64,
    /// After so many ms nothing of it lives, whatever its grace period.
    pub kill_ms: u64,
}

/// A sign of life. The first one after the start is answered at once and closes the start for ever; later ones are
/// held until something changes or `waitMs` have passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeartbeatRequest {
    /// Where the attempt is: `starting`, `setup` or `running`.
    pub phase: Phase,
    /// Whether the agent already knows of the cancel request; the server then does not answer early because of it.
    #[serde(default)]
    pub cancel_known: bool,
    /// How long the answer may be held, in ms; the server may answer earlier.
    #[serde(default)]
    pub wait_ms: u64,
    /// What the attempt has used so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// How far the command says it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
}

/// The server's answer to a sign of life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct HeartbeatResponse {
    /// Whether somebody asked to stop the task: SIGTERM, grace, SIGKILL, then finish with `stoppedBy: cancel`.
    pub cancel: bool,
}

/// Where a piece of log belongs; the query of `PUT /attempts/{task}/{n}/log`.
///
/// The body holds the raw bytes, at most 256 KiB. With `gap` it is empty, and says that as many bytes are lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::IntoParams))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogQuery {
    /// Which pod of the attempt; 0 where there is one.
    #[serde(default)]
    pub member: u32,
    /// The position of the first byte in the attempt's log.
    pub offset: u64,
    /// CRC-32C of the body, as a number.
    #[serde(default)]
    pub crc32c: u32,
    /// Set where the runner sends the log of an attempt that has no agent (its own credential then speaks for it): the
    /// claim that the attempt belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", param(value_type = Option<String>, format = Uuid))]
    pub claim: Option<Uuid>,
    /// How many bytes from `offset` on are lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<u64>,
}

/// How far the log has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LogAck {
    /// The offset that the server wants next.
    pub next_offset: u64,
    /// Everything before it survives a crash of the server; the agent keeps the rest.
    pub durable_offset: u64,
}

/// The result of the attempt. Idempotent; the first one counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FinishRequest {
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
    /// One line for people, at most 1,024 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The length of the whole log in bytes.
    pub log_bytes: u64,
    /// CRC-32C of the whole log.
    pub log_crc: u32,
    /// What the attempt says of itself at its end; stored with the first result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<Box<Notes>>,
}

impl FinishRequest {
    /// The result alone.
    #[must_use]
    pub fn result(&self) -> AttemptResult {
        let Self { exit_code, signal, stopped_by, oom_killed, setup_failed, message, .. } = self.clone();
        AttemptResult { exit_code, signal, stopped_by, oom_killed, setup_failed, message }
    }

    /// A result with the length in bytes and the CRC-32C of its whole log.
    #[must_use]
    pub fn new(result: AttemptResult, (log_bytes, log_crc): (u64, u32)) -> Self {
        let AttemptResult { exit_code, signal, stopped_by, oom_killed, setup_failed, message } = result;
        Self { exit_code, signal, stopped_by, oom_killed, setup_failed, message, log_bytes, log_crc, notes: None }
    }
}

/// What became of a finish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct FinishResponse {
    /// Whether nothing more is to come. While it is not, the server waits for the log from `nextOffset` on, a minute long before the
    /// attempt is over and then for as long as an agent tries.
    pub settled: bool,
    /// The state of the task now.
    pub state: TaskState,
    /// The offset from which log bytes are missing; equal to `logBytes` where none are.
    pub next_offset: u64,
}
