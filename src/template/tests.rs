//! Whole layers, whole Jobs.

mod documents;
mod guard;
mod jobs;
mod laws;
mod layers;
mod lint;
mod properties;
mod restricted;
mod texts;

use super::{Injection, Layers, Rendered, TaskLayer, complete, render};
use crate::domain::{AttemptNumber, AttemptRef, QueueName, RunnerName, TaskId};
use serde_json::Value;
use std::sync::LazyLock;
use uuid::Uuid;

static NAMESPACES: LazyLock<Vec<String>> = LazyLock::new(|| vec!["ml-runs".to_owned(), "scratch".to_owned()]);
static RUNNER: LazyLock<RunnerName> = LazyLock::new(|| "glue-a".parse().unwrap());
static QUEUE: LazyLock<QueueName> = LazyLock::new(|| "gpu".parse().unwrap());

/// The layers of a queue that has a default image.
fn layers<'a>(base: Option<&'a Value>, queue: Option<&'a Value>, overlay: Option<&'a Value>) -> Layers<'a> {
    Layers { base, gpu: None, queue, overlay, image: Some("python:3.12"), image_of_task: false, values: None, namespaces: &NAMESPACES }
}

fn gpus(gpus: u32) -> TaskLayer<'static> {
    TaskLayer { gpus, ..TaskLayer::default() }
}

fn injection() -> Injection<'static> {
    Injection {
        of: AttemptRef { task: TaskId(1042), attempt: AttemptNumber(3) },
        instance: "k3f9a",
        runner: &RUNNER,
        queue: &QUEUE,
        claim: Uuid::from_u128(0xC1),
        agent_image: "registry.example.com/slipway-agent:1",
        agent_pull_policy: None,
        use_image_entrypoint: false,
        timeout_seconds: Some(3600),
        grace_seconds: 30,
        mounts: &crate::domain::Mounts::NONE,
    }
}

/// The Job of a queue's template alone.
fn rendered(queue: &Value) -> Rendered {
    render(&layers(None, Some(queue), None), &gpus(0)).unwrap()
}

fn completed(queue: &Value) -> Rendered {
    complete(rendered(queue).manifest, &injection()).unwrap()
}
