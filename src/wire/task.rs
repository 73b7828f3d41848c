//! Tasks and their attempts as users see them.

use super::{
    AttemptNumber, Code, DependsOn, Environment, Evidence, FailureClass, Labels, NewArray, Notes, Phase, Priority, QueueName, Reason,
    Resources, Retries, RunnerName, SecretUse, TaskArray, TaskId, TaskState, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A task to submit. The smallest is `{"command": ["python", "train.py"]}`; exactly one of `command` and `script` is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewTask {
    /// A name for people, 1 to 200 bytes; need not be unique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The queue; default `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub queue: Option<String>,
    /// Labels for filters; keys and values follow Kubernetes' rules.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "server", schema(value_type = BTreeMap<String, String>))]
    pub labels: Labels,
    /// Default `normal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// The program and its arguments; no shell is involved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// A script's text, run by the interpreter of its `#!` line, else by `/bin/sh`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// Environment variables, over those of the queue.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// What it needs of a machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// The image of its container, where the queue allows it (`allow.images`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Labels that its node must have, of keys that the queue allows (`allow.nodeSelector`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Values of Kubernetes Secrets that it uses, of those that the queue allows (`allow.secrets`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretUse>,
    /// Values of the queue's variables, by name; the queue's defaults for the others. A text is read as the type that the
    /// variable has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "server", schema(value_type = BTreeMap<String, Object>))]
    pub variables: BTreeMap<String, serde_json::Value>,
    /// The code that it runs; without it only what its image or machine has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// Where in its code the command runs, as `src/train`; default the top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// The environment that is made for the command; default `{"kind": "auto"}` where there is code, else the image as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// A program and its arguments that are run when the command is to stop (cancel, time limit, or its machine goes away),
    /// before it gets SIGTERM: with its environment, in its directory, within its grace period. `SLIPWAY_STOPPED_BY` and
    /// `SLIPWAY_SECONDS_LEFT` tell it why and how long it has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checkpoint: Vec<String>,
    /// Files and directories, from the command's working directory on, that are kept once it has ended, however it ended;
    /// at most 100, without `..`. What is not there is no fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,
    /// The time limit of the command; default the queue's, else none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// It fails with `NotStartedInTime` where its first attempt has not started so long after it was first queued; default the
    /// queue's, else none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_wait_seconds: Option<u64>,
    /// The time that it may take in all, from when it was first queued to its end, over all attempts and pauses; default the
    /// queue's, else none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_timeout_seconds: Option<u64>,
    /// The time between SIGTERM and SIGKILL; default the queue's, else 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_seconds: Option<u64>,
    /// Retry budgets; default the queue's, else `{"user": 0, "infra": 3}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<Retries>,
    /// The task that it belongs to, which must not have ended: to cancel that one cancels this one too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<i64>))]
    pub parent: Option<TaskId>,
    /// Makes it an array: many tasks that differ in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub array: Option<NewArray>,
    /// Not to be started before this time of day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>, format = DateTime))]
    pub not_before: Option<Timestamp>,
    /// The tasks that must end before it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depends_on: Option<DependsOn>,
    /// In a batch: the name under which others of the batch depend on it; 1 to 63 of `A-Z a-z 0-9 . _ -`, unique in the batch.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its queue.
    pub queue: QueueName,
    /// Who submitted it.
    pub user: String,
    /// Where it stands.
    pub state: TaskState,
    /// The phase of its live attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// The number of its newest attempt; 0 before the first.
    pub attempt: AttemptNumber,
    /// The runner of its live attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<RunnerName>,
    /// Its labels.
    #[serde(default)]
    #[cfg_attr(feature = "server", schema(value_type = BTreeMap<String, String>))]
    pub labels: Labels,
    /// Its priority.
    pub priority: Priority,
    /// Whether an operator put it before every priority.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub boosted: bool,
    /// The program and its arguments, where it was submitted so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// The script, where it was submitted so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// Its environment variables, the queue's included.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// What it needs.
    pub resources: Resources,
    /// The image of its container, where the queue allows it (`allow.images`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Labels that its node must have, of keys that the queue allows (`allow.nodeSelector`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Values of Kubernetes Secrets that it uses, of those that the queue allows (`allow.secrets`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretUse>,
    /// The values that it gave of its queue's variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "server", schema(value_type = BTreeMap<String, Object>))]
    pub variables: BTreeMap<String, serde_json::Value>,
    /// The code that it runs; without it only what its image or machine has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// Where in its code the command runs, as `src/train`; default the top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// The environment that is made for the command; default `{"kind": "auto"}` where there is code, else the image as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// What is run when the command is to stop.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checkpoint: Vec<String>,
    /// What is kept once it has ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,
    /// The command's time limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// The time within which its first attempt must start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_wait_seconds: Option<u64>,
    /// The time that it may take in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_timeout_seconds: Option<u64>,
    /// The time between SIGTERM and SIGKILL.
    pub grace_seconds: u64,
    /// Its retry budgets.
    pub retries: Retries,
    /// The time of day before which it is not started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// The tasks that must end before it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depends_on: Option<DependsOn>,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When the newest attempt started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// When somebody asked to stop it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_requested_at: Option<Timestamp>,
    /// What its newest attempt says of itself, or the newest that said anything: its results, for instance. Only where this one
    /// task is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<Notes>,
    /// The task it repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerun_of: Option<TaskId>,
    /// The task that it belongs to; of an element its array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<TaskId>,
    /// Where it is an array, or an element of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub array: Option<TaskArray>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// `true` while the live attempt's agent has been silent beyond the limit. It keeps its slot and may resume.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub heartbeat_lost: bool,
}

/// The end of a task or an attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Ended {
    /// The failure class; absent on success and cancel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<FailureClass>,
    /// The reason code; absent on success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// One line for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The command's exit code, where it ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// `false` where log bytes are missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_complete: Option<bool>,
}

/// One attempt of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Its number.
    pub attempt: AttemptNumber,
    /// Its phase; `ended` once it is over.
    pub phase: Phase,
    /// Who ran it.
    pub runner: RunnerName,
    /// When it was claimed.
    pub claimed_at: Timestamp,
    /// When its agent started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The state it would have given the task: `succeeded`, `failed` or `cancelled`; absent while it lives, and where it
    /// was given back before its start, which costs nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<TaskState>,
    /// How it ended; of one that was given back, why it found no place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// What its runner saw of it last, where that is kept: while it lives, and where it did not succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// The bytes of its log stored so far.
    pub log_bytes: u64,
    /// What it says of itself: what it used, how far it is, what it found out and left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<Notes>,
}

/// All attempts of a task, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AttemptList {
    /// The attempts.
    pub items: Vec<Attempt>,
}

/// A change to a task that is not active and has not ended: a JSON Merge Patch (RFC 7396) of these members.
/// `null` removes a name, a label or a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskPatch {
    /// A new name; `null` removes it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub name: Option<Option<String>>,
    /// Labels to set; `null` removes one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, Option<String>>,
    /// A new priority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Not to be started before this time of day; `null` removes it. A task that was queued waits again until then.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>, format = DateTime))]
    pub not_before: Option<Option<Timestamp>>,
}

/// Tells a member that is `null` from one that is absent.
#[expect(clippy::option_option, reason = "RFC 7396 knows three cases: absent, null, a value")]
fn given<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(de: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(de).map(Some)
}

/// Several tasks at once: all are stored, or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BatchRequest {
    /// 1 to 1,000 tasks.
    pub tasks: Vec<NewTask>,
}

/// The ids of a batch, in the order of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct BatchResponse {
    /// The ids.
    pub ids: Vec<TaskId>,
}

/// Gives an attempt up without proof that it is over; the body of `POST /tasks/{id}/attempts/{n}/abandon`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AbandonRequest {
    /// Why, for the record; 1 to 1,000 bytes.
    pub reason: String,
}
