//! What a runner leaves for the agent it starts, and what the agent leaves behind: files in the attempt's directory
//! on the process runner, mounts and the termination message in a pod.

use super::{AttemptNumber, AttemptResult, TaskId};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

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
    /// What carries the attempt: a pod's UID, or the UUID that the process runner gave it.
    pub uid: String,
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
    /// The result.
    pub result: AttemptResult,
}
