//! Images that cannot be had, from a registry that says why.

use crate::kit::{Scene, World, task, tests};
use axum::{Router, extract::Request, http::StatusCode, http::header, response::IntoResponse, response::Response};
use serde_json::json;
use slipway::wire::{FailureClass, Reason, TaskState};
use std::{net::Ipv4Addr, sync::Arc};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

tests!(Shared: an_image_that_does_not_exist, an_image_that_is_not_for_us, a_name_that_is_none);

/// A registry of nothing on this machine, where the container runtime speaks plain HTTP: its address. It lives as long as
/// the handle.
async fn registry(status: StatusCode, code: &'static str) -> (String, AbortOnDropHandle<()>) {
    let answer = move |request: Request| async move { answer(&request, status, code) };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("an address");
    let address = listener.local_addr().expect("its address").to_string();
    let serve = async move { axum::serve(listener, Router::new().fallback(answer)).await.expect("it serves") };
    (address, AbortOnDropHandle::new(tokio::spawn(serve)))
}

/// As the distribution specification of OCI has it.
fn answer(request: &Request, status: StatusCode, code: &str) -> Response {
    if request.uri().path() == "/v2/" {
        return StatusCode::OK.into_response();
    }
    let body = json!({"errors": [{"code": code, "message": "so says the registry", "detail": null}]}).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

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
    let (address, _registry) = registry(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN").await;
    fails(&scene, &format!("{address}/team/train:1"), Reason::ImageNotFound, "not found").await;
}

async fn an_image_that_is_not_for_us(scene: Arc<Scene>) {
    let (address, _registry) = registry(StatusCode::FORBIDDEN, "DENIED").await;
    fails(&scene, &format!("{address}/team/train:1"), Reason::ImagePullAuth, "403").await;
}

async fn a_name_that_is_none(scene: Arc<Scene>) {
    fails(&scene, "registry.example/UPPER:1", Reason::ImageNotFound, "UPPER").await;
}
