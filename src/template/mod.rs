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
mod guard;
mod inject;
mod lint;
mod lists;
mod macros;
mod merge;
mod object;
mod origins;
mod pointer;
mod refuse;
mod render;
mod reserved;
mod secrets;
mod task;
#[cfg(test)]
mod tests;
mod text;
mod values;
mod variables;

pub use complete::{complete, complete_from};
pub use cost::{object_cost, queue_cost};
pub use decode::{check, check_queue};
pub use gpu::gpu_template;
pub use lint::{lint, of_fault, places};
pub use macros::Facts;
pub use object::{PreparedObject, check_object, complete_object, complete_object_from, pod_templates};
pub use origins::Origins;
pub use refuse::refused;
pub use render::{Prepared, refuses, render};
pub use variables::{Values, Variables};

pub use crate::domain::{Layer, Level, TemplateFinding};

use crate::domain::{Allow, AttemptRef, Cpu, Memory, Mounts, QueueName, RunnerName, SecretUse, pod::ENV_PREFIX};
use serde_json::Value;
use std::{collections::BTreeMap, fmt, sync::LazyLock};
use uuid::Uuid;

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
    /// Whether tasks may bring an image: then the layers need none.
    pub image_of_task: bool,
    /// The values of the queue's variables.
    pub values: Option<&'a Values>,
    /// Where the runner's Jobs may stand; the first where no layer says.
    pub namespaces: &'a [String],
}

/// What a task says of its pod.
#[derive(Clone, Copy, Debug)]
pub struct TaskLayer<'a> {
    /// Whole GPUs; 0 leaves it to the layers.
    pub gpus: u32,
    /// CPU, where it says so.
    pub cpu: Option<Cpu>,
    /// Memory, where it says so.
    pub memory: Option<Memory>,
    /// The image of its container, where it names one.
    pub image: Option<&'a str>,
    /// Its environment variables, those of its queue included.
    pub env: &'a BTreeMap<String, String>,
    /// Those of its queue: the rest is its own.
    pub queue_env: &'a BTreeMap<String, String>,
    /// Whether they must stand in the pod itself, because no agent is there to set them.
    pub env_in_pod: bool,
    /// What it adds to the node selector.
    pub node_selector: &'a BTreeMap<String, String>,
    /// The Secrets whose values it uses.
    pub secrets: &'a [SecretUse],
    /// What its queue allows.
    pub allow: &'a Allow,
    /// What macros say of it.
    pub facts: Facts<'a>,
}

/// Of a task that says nothing.
static NONE: BTreeMap<String, String> = BTreeMap::new();
/// What a queue allows that says nothing.
static NOTHING: LazyLock<Allow> = LazyLock::new(Allow::default);

impl Default for TaskLayer<'_> {
    fn default() -> Self {
        Self {
            gpus: 0,
            cpu: None,
            memory: None,
            image: None,
            env: &NONE,
            queue_env: &NONE,
            env_in_pod: false,
            node_selector: &NONE,
            secrets: &[],
            allow: &NOTHING,
            facts: Facts::default(),
        }
    }
}

impl TaskLayer<'_> {
    /// Whether a variable is the task's own, not its queue's nor that of an element's place.
    fn is_own(&self, name: &str) -> bool {
        !name.starts_with(ENV_PREFIX) && self.env.get(name).is_some_and(|value| self.queue_env.get(name) != Some(value))
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
    /// What the agent is to find in the pod.
    pub mounts: &'a Mounts,
}
