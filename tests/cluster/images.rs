//! Images that cannot be had, from a registry that says why.

use crate::kit::{Scene, World, registry::Registry, task, tests};
use axum::http::StatusCode;
use serde_json::json;
use slipway::wire::{FailureClass, Reason, TaskState};
use std::sync::Arc;

tests!(Shared: an_image_that_does_not_exist, an_image_that_is_not_for_us, a_name_that_is_none);

/// Runs a task of this image to its end, which must be this one with these words.
async fn fails(scene: &Arc<Scene>, image: &str, reason: Reason, words: &str) {
    let world = World::with_glue(scene).await;
    world.queue("q", json!({"defaults": {"image": image}, "podTemplate": {}})).await;
    let id = world.submit(&task(json!({"queue": "q", "command": ["true"]}))).await;
    let finding = world.why(id, reason).await;
    assert!(finding.evidence.iter().any(|quote| quote.raw.contains(words)), "{finding:?}");
    let ended = world.ended(id).await;
    let end = ended.ended.expect("an end");
    assert_eq!((ended.state, end.class, end.reason), (TaskState::Failed, Some(FailureClass::Image), Some(reason)), "{end:?}");
    assert_eq!(ended.attempt.0, 1, "trying again would not help");
    world.why(id, reason).await;
    scene.cleared(id).await;
}

async fn an_image_that_does_not_exist(scene: Arc<Scene>) {
    let registry = Registry::refusing(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN").await;
    fails(&scene, &format!("{}/team/train:1", registry.address), Reason::ImageNotFound, "not found").await;
}

async fn an_image_that_is_not_for_us(scene: Arc<Scene>) {
    let registry = Registry::refusing(StatusCode::FORBIDDEN, "DENIED").await;
    fails(&scene, &format!("{}/team/train:1", registry.address), Reason::ImagePullAuth, "403").await;
}

async fn a_name_that_is_none(scene: Arc<Scene>) {
    fails(&scene, "registry.example/UPPER:1", Reason::ImageNotFound, "UPPER").await;
}
