//! Queues.

use super::{
    Allow, BudgetName, BudgetShare, CacheSource, GitSource, Gpu, Indexes, KeepJobs, ObjectTemplate, Proxy, QueueName, QueueStats,
    Retention, Retries, Sources, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a queue fills in where a task says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct QueueDefaults {
    /// The command's time limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// The time within which a task's first attempt must start, counted from when it was first queued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_wait_seconds: Option<u64>,
    /// The time that a task may take in all, counted from when it was first queued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_timeout_seconds: Option<u64>,
    /// The time between SIGTERM and SIGKILL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace_seconds: Option<u64>,
    /// Retry budgets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<Retries>,
    /// The image of the task's container, where the template names none. Only for runners on Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Environment variables under those of the task.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
}

/// What a queue bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct QueueLimits {
    /// The most log bytes kept of an attempt; default 1 GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_bytes: Option<u64>,
    /// The most bytes of outputs kept of a task, 0 to 1 TiB; default 1 GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<u64>,
    /// The most of its tasks that run at once, 1 to 1,000,000; default no limit. Others stay queued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_running: Option<u32>,
    /// The most tasks of one user in it that run at once, 1 to 1,000,000; default no limit. Others stay queued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_running_per_user: Option<u32>,
    /// The most of its tasks that wait or are queued, 1 to 10,000,000; default no limit. A submit beyond it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_pending: Option<u32>,
}

/// A queue to create or replace; the body of `PUT /queues/{name}`.
///
/// What concerns pods is for runners on Kubernetes alone; a queue with a `podTemplate` is served by no process runner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewQueue {
    /// Its name; where given it must be the one in the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<QueueName>,
    /// What it is for; at most 1,000 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it fills in.
    #[serde(default)]
    pub defaults: QueueDefaults,
    /// What it bounds.
    #[serde(default)]
    pub limits: QueueLimits,
    /// Its share among the queues that a runner draws from, 1 to 1,000; default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// The shares of users among each other in it, 1 to 1,000; a user who is not named has 1.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub user_weights: BTreeMap<String, u32>,
    /// The budgets that its tasks draw on, at most 8, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "server", schema(value_type = BTreeMap<String, BudgetShare>))]
    pub budgets: BTreeMap<BudgetName, BudgetShare>,
    /// A part of a Kubernetes `PodTemplateSpec`: `{metadata: {labels, annotations}, spec: {…}}`, and `remove: [pointer]`
    /// for what a weaker layer set. The task runs in the container `task`, or in the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<Object>))]
    pub pod_template: Option<serde_json::Value>,
    /// What GPUs its tasks get, under what the `podTemplate` says: `{count: 2}`, `{mig: 1g.10gb}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<Gpu>,
    /// Leaves command and arguments to the image. Its agent only asks for the start; status and log come from the
    /// cluster. Tasks of such a queue have neither `command` nor `script`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub use_image_entrypoint: bool,
    /// An attempt whose pod found no place after so many seconds is given back and held for a while, so that others pass;
    /// default 900.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_timeout_seconds: Option<u64>,
    /// An attempt whose pod found no place after so many seconds fails; by default none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail_pending_after_seconds: Option<u64>,
    /// Whether a task may as well run twice: an attempt whose agent cannot be reached for ten minutes is then followed by
    /// another, without proof that its machine is gone. The agent ends its command before that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub idempotent: bool,
    /// In an `idempotent` queue: after so many seconds without an answer of the server an agent asks its command to end; default
    /// 540, at most 580.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_after_seconds: Option<u64>,
    /// How long ended Jobs stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_jobs_seconds: Option<KeepJobs>,
    /// What is kept of ended tasks; everything where nothing is said.
    #[serde(default, skip_serializing_if = "Retention::is_all")]
    pub retention: Retention,
    /// Who answers for it, a user or a team: what the macro `${entity_name}` stands for; at most 100 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The values that its tasks may give, by name (`[A-Za-z_][A-Za-z0-9_]*`): for each a JSON schema of one value, as
    /// `{"type": "integer", "default": 1, "minimum": 1, "maximum": 4}`. In the template they stand as `{{name}}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "server", schema(value_type = BTreeMap<String, Object>))]
    pub variables: BTreeMap<String, serde_json::Value>,
    /// What its tasks may change of their pods, beyond what every task may.
    #[serde(default, skip_serializing_if = "Allow::is_default")]
    pub allow: Allow,
    /// Any custom resource in place of a `podTemplate`: what the runner creates for a task instead of a Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectTemplate>,
    /// How git is reached from its tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitSource>,
    /// Where its tasks take Python packages from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indexes: Option<Indexes>,
    /// The proxy of its tasks: for git, pip, uv and the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Proxy>,
    /// Certificates (PEM) of authorities that its tasks trust beside those of their image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// Where repositories, packages and environments are kept from task to task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheSource>,
    /// Who keeps this document, a program or a team, such as `terraform`. Another one replaces it only by `force`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<String>,
    /// What an imported file said that has no equivalent here. It is kept for people, and has no effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<Object>))]
    pub imported_from: Option<serde_json::Value>,
}

impl NewQueue {
    /// Where the code and the packages of its tasks come from.
    #[must_use]
    pub fn sources(&self) -> Sources {
        let Self { git, indexes, proxy, ca_bundle, cache, .. } = self.clone();
        Sources { git, indexes, proxy, ca_bundle, cache }
    }

    /// Whether only a cluster can give its tasks what they get.
    #[must_use]
    pub fn asks_for_pods(&self) -> bool {
        self.pod_template.is_some() || self.gpu.is_some() || self.object.is_some() || self.use_image_entrypoint
    }
}

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Queue {
    /// Its name.
    pub name: QueueName,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it fills in.
    pub defaults: QueueDefaults,
    /// What it bounds.
    pub limits: QueueLimits,
    /// Its share among the queues that a runner draws from, 1 to 1,000; default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// The shares of users among each other in it, 1 to 1,000; a user who is not named has 1.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub user_weights: BTreeMap<String, u32>,
    /// The budgets that its tasks draw on, at most 8, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "server", schema(value_type = BTreeMap<String, BudgetShare>))]
    pub budgets: BTreeMap<BudgetName, BudgetShare>,
    /// A part of a Kubernetes `PodTemplateSpec`: `{metadata: {labels, annotations}, spec: {…}}`, and `remove: [pointer]`
    /// for what a weaker layer set. The task runs in the container `task`, or in the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<Object>))]
    pub pod_template: Option<serde_json::Value>,
    /// What GPUs its tasks get, under what the `podTemplate` says: `{count: 2}`, `{mig: 1g.10gb}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<Gpu>,
    /// Leaves command and arguments to the image. Its agent only asks for the start; status and log come from the
    /// cluster. Tasks of such a queue have neither `command` nor `script`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub use_image_entrypoint: bool,
    /// An attempt whose pod found no place after so many seconds is given back and held for a while, so that others pass;
    /// default 900.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_timeout_seconds: Option<u64>,
    /// An attempt whose pod found no place after so many seconds fails; by default none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail_pending_after_seconds: Option<u64>,
    /// Whether a task may as well run twice: an attempt whose agent cannot be reached for ten minutes is then followed by
    /// another, without proof that its machine is gone. The agent ends its command before that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub idempotent: bool,
    /// In an `idempotent` queue: after so many seconds without an answer of the server an agent asks its command to end; default
    /// 540, at most 580.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_after_seconds: Option<u64>,
    /// How long ended Jobs stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_jobs_seconds: Option<KeepJobs>,
    /// What is kept of ended tasks; everything where nothing is said.
    #[serde(default, skip_serializing_if = "Retention::is_all")]
    pub retention: Retention,
    /// Who answers for it, a user or a team: what the macro `${entity_name}` stands for; at most 100 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The values that its tasks may give, by name (`[A-Za-z_][A-Za-z0-9_]*`): for each a JSON schema of one value, as
    /// `{"type": "integer", "default": 1, "minimum": 1, "maximum": 4}`. In the template they stand as `{{name}}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "server", schema(value_type = BTreeMap<String, Object>))]
    pub variables: BTreeMap<String, serde_json::Value>,
    /// What its tasks may change of their pods, beyond what every task may.
    #[serde(default, skip_serializing_if = "Allow::is_default")]
    pub allow: Allow,
    /// Any custom resource in place of a `podTemplate`: what the runner creates for a task instead of a Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectTemplate>,
    /// How git is reached from its tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitSource>,
    /// Where its tasks take Python packages from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indexes: Option<Indexes>,
    /// The proxy of its tasks: for git, pip, uv and the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Proxy>,
    /// Certificates (PEM) of authorities that its tasks trust beside those of their image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// Where repositories, packages and environments are kept from task to task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheSource>,
    /// Who keeps this document, a program or a team, such as `terraform`. Another one replaces it only by `force`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<String>,
    /// What an imported file said that has no equivalent here. It is kept for people, and has no effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<Object>))]
    pub imported_from: Option<serde_json::Value>,
    /// Set while nothing is claimed from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
    /// Set while no task is taken into it; those in it are served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draining: Option<Paused>,
    /// Counts its changes; the strong `ETag` of the queue.
    pub revision: i64,
    /// Its tasks that have not ended.
    pub counts: QueueCounts,
    /// How it stands and goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stats: Option<QueueStats>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

impl Queue {
    /// Whether its tasks have no command of their own: its image or its object brings one.
    #[must_use]
    pub fn brings_command(&self) -> bool {
        self.use_image_entrypoint || self.object.is_some()
    }
}

/// Who paused a queue or drains it, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Paused {
    /// The user.
    pub by: String,
    /// The reason given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when.
    pub at: Timestamp,
}

/// The tasks of a queue that have not ended, by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct QueueCounts {
    /// Held back.
    pub waiting: u64,
    /// Ready to be claimed.
    pub queued: u64,
    /// With a live attempt.
    pub active: u64,
}

/// All queues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct QueueList {
    /// The queues, by name.
    pub items: Vec<Queue>,
}

/// Why a queue is paused or drained; the body of `POST /queues/{name}/pause` and `…/drain`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PauseRequest {
    /// A sentence for those whom it concerns; at most 1,000 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
