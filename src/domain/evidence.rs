//! What a runner saw of an attempt in its cluster: raw facts, quoted and never rewritten. [`super::reasons`] reads them.
//!
//! Every text comes from somebody else (kubelet, scheduler, registry, webhook) and is cut by who collects it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The most bytes of any one text in evidence; longer ones are cut.
pub const MAX_TEXT: usize = 2_048;
/// The most bytes of a pod's own log kept as evidence.
pub const MAX_LOG_TAIL: usize = 8_192;
/// The most events kept as evidence, the newest.
pub const MAX_EVENTS: usize = 20;

/// Everything a runner saw of an attempt at one look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Evidence {
    /// The object that carries it; absent where there is none (yet, or any more).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<JobFacts>,
    /// Its pod as it was seen last; where there were several, the one that started the attempt, else the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodFacts>,
    /// Whether object or pod was there and is gone, without our doing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gone: Option<Gone>,
    /// What the cluster said about both, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<ObjectEvent>,
    /// How the API server refused what the runner asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<ApiRefusal>,
    /// The end of the pod's own log, where no agent spoke.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_tail: Option<String>,
}

/// What vanished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Gone {
    /// The Job, and with it the pod.
    Job,
    /// The pod alone.
    Pod,
}

/// A Job, or the custom resource in its place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct JobFacts {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Whether it is suspended (`spec.suspend`), as Kueue does with what it holds back.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub suspended: bool,
    /// Whether somebody deleted it (`metadata.deletionTimestamp`).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deleting: bool,
    /// `status.conditions`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PodFacts {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The node it was bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// `status.phase`: `Pending Running Succeeded Failed Unknown`.
    pub phase: String,
    /// `status.reason`, for instance `Evicted`, `UnexpectedAdmissionError`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `status.message`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Whether somebody deleted it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deleting: bool,
    /// When it was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>, format = DateTime))]
    pub created_at: Option<Timestamp>,
    /// `status.conditions`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Its containers, init containers first, in the order of the spec.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<ContainerFacts>,
}

/// A condition of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Condition {
    /// Its type, for instance `PodScheduled`, `DisruptionTarget`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// The machine's word for why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>, format = DateTime))]
    pub at: Option<Timestamp>,
}

/// A container of the pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ContainerFacts {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: ContainerRole,
    /// The image asked for.
    pub image: String,
    /// Where it stands.
    pub state: ContainerState,
}

/// What a container is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum ContainerRole {
    /// It runs the user's command.
    #[default]
    Task,
    /// It brings the agent: ours.
    Agent,
    /// Another init container of the template.
    Init,
    /// It runs beside the task (also an init container with `restartPolicy: Always`); its end says nothing of the task's.
    Sidecar,
}

/// Where a container stands (`state` of its status).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ContainerState {
    /// Nothing is reported of it.
    #[default]
    Unknown,
    /// It has not started.
    Waiting {
        /// For instance `ErrImagePull`, `ContainerCreating`, `CreateContainerConfigError`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The kubelet's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// It runs.
    Running,
    /// It has ended.
    Terminated {
        /// The raw exit code.
        exit_code: i32,
        /// The signal, where the runtime names one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
        /// For instance `Completed`, `Error`, `OOMKilled`, `ContainerStatusUnknown`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Its termination message.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
}

/// An event of the cluster about Job or pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ObjectEvent {
    /// The kind of object it is about: `Job`, `Pod`.
    pub about: String,
    /// The machine's word, for instance `FailedCreate`, `FailedScheduling`, `FailedMount`.
    pub reason: String,
    /// The same for people.
    pub message: String,
    /// `Normal` or `Warning`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it happened last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>, format = DateTime))]
    pub at: Option<Timestamp>,
}

/// The word of a refusal that is none of the API server's: it serves no such kind, or none in namespaces.
pub const NOT_SERVED: &str = "NotServed";

/// A refusal of the API server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ApiRefusal {
    /// What was asked: `create`.
    pub verb: String,
    /// Of what: `jobs`, `secrets`.
    pub resource: String,
    /// The HTTP status.
    pub status: u16,
    /// The machine's word, for instance `Forbidden`, `Invalid`.
    pub reason: String,
    /// The API server's words.
    pub message: String,
}

impl PodFacts {
    /// The container that runs the user's command.
    #[must_use]
    pub fn task(&self) -> Option<&ContainerFacts> {
        self.containers.iter().find(|c| c.role == ContainerRole::Task)
    }

    /// A condition of this type, whatever its status.
    #[must_use]
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|c| c.kind == kind)
    }

    /// Whether its phase is terminal: nothing of it runs, and its place on the node is free.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(self.phase.as_str(), "Succeeded" | "Failed")
    }
}
