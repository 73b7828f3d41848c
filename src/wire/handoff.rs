//! What a runner leaves for the agent it starts, and what the agent leaves behind: files in the attempt's directory
//! on the process runner, mounts and the termination message in a pod.

use super::{AttemptNumber, AttemptRef, FinishRequest, TaskId, Times};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;

/// The environment variable by which everything that belongs to an attempt is found in `/proc`; its value is [`marker`].
pub const MARKER: &str = "SLIPWAY_ATTEMPT";

/// The value of [`MARKER`]: unique for every attempt that any data directory ever carried.
#[must_use]
pub fn marker(of: AttemptRef, uid: &str) -> String {
    format!("{}-{}-{uid}", of.task, of.attempt)
}

/// What stands in an attempt's directory.
pub mod files {
    /// The [`Assignment`](super::Assignment), mode 0600; the agent unlinks it once it has started.
    pub const ASSIGNMENT: &str = "assignment.json";
    /// Held exclusively (`flock`) for as long as any part of the agent lives.
    pub const LOCK: &str = "lock";
    /// The [`Testament`](super::Testament), written whole before the agent's first finish call.
    pub const RESULT: &str = "result.json";
    /// The command's working directory, removed at the end.
    pub const SCRATCH: &str = "scratch";
    /// The command's `HOME`, removed at the end.
    pub const HOME: &str = "home";
    /// The command's `TMPDIR`, removed at the end.
    pub const TMP: &str = "tmp";
    /// Log bytes that wait for the server and have no room in memory.
    pub const SPOOL: &str = "spool";
    /// What the agent itself has to say.
    pub const AGENT_LOG: &str = "agent.log";
}

/// What an agent needs to ask for its attempt.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assignment {
    /// The server's address.
    pub url: String,
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: AttemptNumber,
    /// The right to start it.
    #[serde(serialize_with = "exposed")]
    pub start_token: SecretString,
    /// What carries the attempt: the UUID that the process runner gave it. Empty for a pod, whose UID nobody knows before
    /// it is there; its agent finds it in its environment ([`crate::domain::pod::POD_UID`]).
    #[serde(default)]
    pub uid: String,
    /// What the machine adds to the command's environment, over the task's: the GPUs it may see.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The times to go by until the server names its own.
    #[serde(default)]
    pub times: Times,
}

impl Assignment {
    /// The attempt it is about.
    #[must_use]
    pub fn attempt_ref(&self) -> AttemptRef {
        AttemptRef { task: self.task, attempt: self.attempt }
    }
}

/// A secret that is written to a file of mode 0600, which is the one place where it may be.
fn exposed<S: Serializer>(secret: &SecretString, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(secret.expose_secret())
}

/// What an agent leaves behind at its end: the second way of the result, for a runner to report where the agent could
/// not. One JSON document of at most 2 KiB (Kubernetes keeps 4,096 bytes of a termination message).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Testament {
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: AttemptNumber,
    /// The result; absent where there is none, because the agent ended before the command did or could begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<FinishRequest>,
    /// Why there is no result: the agent's exit code (97, 98 or 99) and one line for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// Why an agent ended without a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// 97 superseded or cancelled, 98 set-up, 99 a fault of the agent or its machine.
    pub exit_code: i32,
    /// One line for people, at most 1,024 bytes.
    pub message: String,
}
