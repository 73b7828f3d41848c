//! From a queue's template to the Job of an attempt, pure.
//!
//! A template is a part of a `PodTemplateSpec`, `{metadata?, spec?, remove?: [pointer]}`. Layers lie over one another,
//! weakest first: built-in, runner base, queue, runner overlay, task. [`check`] judges one document by itself, [`render`]
//! merges them into a Job, [`complete`] adds the agent to it and sets what must be so. Of every value it is known which
//! layer set it ([`Origins`]).
//!
//! Maps are merged by key, lists of named things by their names (`lists`), tolerations are added to; any other value or
//! list is replaced by the stronger layer's. Nothing is unset but by `remove`, which clears what weaker layers set before
//! the layer itself is merged.
//!
//! In the texts of a queue's template `{{name}}` is a variable that tasks may give ([`Variables`]), filled in before the
//! layers are merged; in those of every layer `${name}` is a macro ([`Facts`]), expanded when they are. Neither reaches
//! beyond the text that it stands in.
//!
//! The task's container is the one called `task`; where no layer calls one so, it is the first of the queue's template,
//! else of the runner's base, else of its overlay. A container without a name is the task's.

mod builtin;
mod complete;
mod cost;
mod decode;
mod enforce;
mod fields;
pub mod formats;
mod gpu;
mod inject;
mod lint;
mod lists;
mod macros;
mod merge;
mod object;
mod origins;
mod pointer;
mod quantity;
mod render;
mod reserved;
mod task;
#[cfg(test)]
mod tests;
mod text;
mod values;
mod variables;

pub use complete::complete;
pub use cost::{object_cost, queue_cost};
pub use decode::{check, check_queue};
pub use gpu::gpu_template;
pub use lint::{Finding, Level, lint};
pub use macros::Facts;
pub use object::{PreparedObject, check_object, complete_object, pod_templates};
pub use origins::Origins;
pub use render::{Prepared, refuses, render};
pub use variables::{Values, Variables};

use crate::domain::{AttemptRef, QueueName, RunnerName};
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeMap, fmt};
use uuid::Uuid;

/// Who set a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Layer {
    /// What passes Pod Security "restricted", where nobody says otherwise.
    BuiltIn,
    /// What the runner lays under every queue.
    RunnerBase,
    /// The queue's template.
    Queue,
    /// What the runner lays over this queue.
    RunnerOverlay,
    /// The task.
    Task,
    /// What brings the agent.
    Inject,
    /// What must be so, whatever the others say.
    Enforce,
}

/// One thing wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where: an RFC 6901 pointer into the layer's document.
    pub pointer: String,
    /// What, and what to do.
    pub message: String,
}

impl Fault {
    fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pointer, self.message)
    }
}

/// A Job and who set what in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// The Job (`batch/v1`).
    pub manifest: Value,
    /// Of each of its values, the layer.
    pub origins: Origins,
}

/// The layers of a queue for one runner.
#[derive(Clone, Copy, Debug, Default)]
pub struct Layers<'a> {
    /// What the runner lays under every queue.
    pub base: Option<&'a Value>,
    /// What the queue's `gpu` stands for, under its template.
    pub gpu: Option<&'a Value>,
    /// The queue's template.
    pub queue: Option<&'a Value>,
    /// What the runner lays over this queue.
    pub overlay: Option<&'a Value>,
    /// The image where no layer names one: the queue's default.
    pub image: Option<&'a str>,
    /// The values of the queue's variables.
    pub values: Option<&'a Values>,
    /// Where the runner's Jobs may stand; the first where no layer says.
    pub namespaces: &'a [String],
}

/// What a task may change.
#[derive(Clone, Copy, Debug)]
pub struct TaskLayer<'a> {
    /// Whole GPUs; 0 leaves it to the layers.
    pub gpus: u32,
    /// Environment variables that must stand in the pod itself, because no agent is there to set them.
    pub env: &'a BTreeMap<String, String>,
    /// What macros say of it.
    pub facts: Facts<'a>,
}

impl Default for TaskLayer<'_> {
    fn default() -> Self {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        Self { gpus: 0, env: &NONE, facts: Facts::default() }
    }
}

/// What makes a rendered Job that of one attempt.
#[derive(Clone, Copy, Debug)]
pub struct Injection<'a> {
    /// The attempt.
    pub of: AttemptRef,
    /// The installation: the five characters minted with its database.
    pub instance: &'a str,
    /// Who creates it.
    pub runner: &'a RunnerName,
    /// The task's queue.
    pub queue: &'a QueueName,
    /// The claim.
    pub claim: Uuid,
    /// The image with the agent's program.
    pub agent_image: &'a str,
    /// When that image is pulled; none leaves it to the cluster.
    pub agent_pull_policy: Option<&'a str>,
    /// Whether command and arguments stay the image's (and the template's).
    pub use_image_entrypoint: bool,
    /// The command's time limit.
    pub timeout_seconds: Option<u64>,
    /// The time between SIGTERM and SIGKILL.
    pub grace_seconds: u64,
}
