//! Previews of the objects of tasks, and what queues were.

use super::{AttemptNumber, FieldError, NewQueue, NewTask, QueueName, RunnerName, TemplateFinding, Timestamp};
use serde::{Deserialize, Serialize};

/// What to preview: the body of `POST /queues/{name}/render`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RenderRequest {
    /// The task; one that says nothing where none is given. Its own queue is not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<NewTask>,
    /// A document in place of the queue's, which is tried and not stored; then the queue need not exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<NewQueue>,
}

/// Whose preview.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::IntoParams))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RenderQuery {
    /// The runner; without it every one on Kubernetes that serves the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", param(value_type = Option<String>))]
    pub runner: Option<RunnerName>,
}

/// What one runner would create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Rendering {
    /// The runner; none where no runner on Kubernetes serves the queue, and its own layers are missing here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub runner: Option<RunnerName>,
    /// What people call its cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The Job; absent where there are faults. In place of the attempt's id and name stand samples, and in place of the
    /// agent's image a name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<Object>))]
    pub manifest: Option<serde_json::Value>,
    /// In the shape of the manifest, the layer that set each value: `builtIn`, `runnerBase`, `queue`, `runnerOverlay`, `task`,
    /// `inject`, `enforce`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<Object>))]
    pub origins: Option<serde_json::Value>,
    /// What is wrong: below `/queue` in the queue's document, below `/task` in the task.
    pub faults: Vec<FieldError>,
    /// What would be refused, never run, or trip people, the gravest first. It never keeps a queue or a task from being
    /// taken. The pointers lead into the manifest.
    #[serde(default)]
    pub findings: Vec<TemplateFinding>,
    /// When the runner told the nodes that were looked at for it; absent where it tells none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes_at: Option<Timestamp>,
    /// When the runner told last what its cluster says of this queue, as a task without fields of its own would meet it.
    /// Absent where it does not ask its cluster, has not yet, or where the document is not the stored one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<Timestamp>,
}

/// The answer to `POST /queues/{name}/render`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RenderResponse {
    /// One for each runner.
    pub items: Vec<Rendering>,
}

/// The object of an attempt: the answer to `GET /tasks/{id}/manifest`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TaskManifest {
    /// The newest attempt.
    pub attempt: AttemptNumber,
    /// Its runner.
    pub runner: RunnerName,
    /// The revision of the queue that stood when it was claimed; absent where that is not kept any more: then the manifest is
    /// that of the present one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// The Job.
    #[cfg_attr(feature = "server", schema(value_type = Object))]
    pub manifest: serde_json::Value,
    /// In the shape of the manifest, the layer that set each value.
    #[cfg_attr(feature = "server", schema(value_type = Object))]
    pub origins: serde_json::Value,
}

/// What a queue once was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct QueueRevision {
    /// The queue.
    pub name: QueueName,
    /// Counts its changes, from 1.
    pub revision: i64,
    /// Who applied it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When.
    pub at: Timestamp,
    /// What it was applied with; in lists absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<NewQueue>,
}

/// The last revisions of a queue, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct QueueRevisionList {
    /// The revisions: the last 100 are kept.
    pub items: Vec<QueueRevision>,
}
