//! What a runner leaves for the agent it starts, and what the agent leaves behind: files in the attempt's directory
//! on the process runner, mounts and the termination message in a pod.

use super::{AttemptNumber, AttemptRef, FinishRequest, TaskId, Times};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;

/// The environment variable by which everything that belongs to an attempt is found in `/proc`; its value is [`marker`].
pub const MARKER: &str = "SLIPWAY_ATTEMPT";

/// The longest [`Testament`] in bytes: half of what Kubernetes keeps of a termination message.
pub const MAX_TESTAMENT: usize = 2_048;
/// The longest line for people in one, in bytes.
pub const MAX_MESSAGE: usize = 1_024;

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
    /// The task's code, removed at the end.
    pub const CODE: &str = "code";
    /// The command's environment, where it is made for this attempt alone; removed at the end.
    pub const ENV: &str = "env";
    /// What the set-up needs for itself, removed at the end.
    pub const SETUP: &str = "setup";
    /// Where the command reaches its agent: the socket, and on a machine the agent's program; removed at the end.
    pub const INSIDE: &str = "inside";
    /// The socket in there.
    pub const SOCKET: &str = "agent.sock";
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
    /// The authorities (PEM) that are trusted beside the system's, for the server and in the set-up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
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
    /// Where the machine keeps repositories, packages and environments from task to task; a pod has what its queue names.
    #[serde(default)]
    pub cache: Option<std::path::PathBuf>,
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
/// not. One JSON document of at most [`MAX_TESTAMENT`] bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Testament {
    /// The task; 0, as the attempt, where the agent could not even read its assignment. Only a fault can say so.
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

impl Testament {
    /// The document. It always fits: where it would be too long, which takes a message full of characters that JSON must
    /// escape, the message is cut.
    ///
    /// # Errors
    /// None that is known: everything in it has a form in JSON.
    pub fn document(&self) -> serde_json::Result<Vec<u8>> {
        let mut cut = self.clone();
        let mut most = MAX_MESSAGE;
        loop {
            let messages = [cut.result.as_mut().and_then(|r| r.message.as_mut()), cut.fault.as_mut().map(|f| &mut f.message)];
            messages.into_iter().flatten().for_each(|message| message.truncate(message.floor_char_boundary(most)));
            let document = serde_json::to_vec(&cut)?;
            if document.len() <= MAX_TESTAMENT || most == 0 {
                return Ok(document);
            }
            most = most * 3 / 4;
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_testament_fits_whatever_its_message_says() {
        let of = AttemptRef { task: TaskId(i64::MAX), attempt: AttemptNumber(u32::MAX) };
        for unit in ["x", "\u{1}", "\"", "ä", "🦀", "\\n\n"] {
            let message = unit.repeat(5_000);
            let result =
                FinishRequest { message: Some(message.clone()), log_bytes: u64::MAX, log_crc: u32::MAX, ..FinishRequest::default() };
            let fault = Fault { exit_code: 98, message: message.clone() };
            for (result, fault) in [(Some(result), None), (None, Some(fault))] {
                let document = Testament { task: of.task, attempt: of.attempt, result, fault }.document().unwrap();
                assert!((700..=MAX_TESTAMENT).contains(&document.len()), "{unit:?}: {}", document.len());
                let read: Testament = serde_json::from_slice(&document).unwrap();
                let kept = read.result.and_then(|r| r.message).or(read.fault.map(|f| f.message)).unwrap();
                assert!(message.starts_with(&kept) && kept.len() <= MAX_MESSAGE);
            }
        }
    }
}
