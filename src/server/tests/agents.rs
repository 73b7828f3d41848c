//! Start and heartbeats: one agent, once; cancels reach it at once.

use super::{
    claims::stopwatch,
    own::NONCE,
    rig::{Rig, Who},
    wires::Reply,
};
use crate::domain::Times;
use futures::future::BoxFuture;
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

/// A heartbeat that the server may hold for long, and that it does hold.
async fn held(call: super::wires::Call) -> BoxFuture<'static, Reply> {
    let mut beat = call.into_future();
    assert!(tokio::time::timeout(Duration::from_millis(150), &mut beat).await.is_err(), "it is held");
    beat
}

#[tokio::test]
async fn one_agent_starts_an_attempt() {
    let rig = Rig::new().await;
    rig.submit(Who::Sam, json!({"script": "true", "name": "n", "env": {"A": "1"}, "timeoutSeconds": 9})).await;
    let mut own = rig.claimed().await;
    let mut wrong = rig.call("POST", own.path("start")).json(&json!({"uid": "pod-1", "nonce": NONCE}));
    wrong = wrong.bearer("slws_wrong");
    wrong.await.problem(401, "UNAUTHENTICATED");
    own.try_start(&rig, "", NONCE).await.problem(422, "VALIDATION_FAILED");
    let first = own.start(&rig).await;
    assert_eq!((&first["work"]["script"], &first["env"], &first["timeoutSeconds"]), (&json!("true"), &json!({"A": "1"}), &json!(9)));
    assert_eq!((&first["logLimitBytes"], &first["graceSeconds"], &first["queue"]), (&json!(1 << 30), &json!(30), &json!("default")));
    // Its answer may get lost: the same agent asks again and gets a fresh token, which alone is good.
    let again = own.try_start(&rig, "pod-1", NONCE).await.expect(200);
    assert_ne!(again["attemptToken"], first["attemptToken"]);
    own.beat(&rig, &json!({"phase": "starting"})).await.problem(401, "UNAUTHENTICATED");
    own.try_start(&rig, "pod-1", Uuid::nil()).await.problem(409, "SUPERSEDED");
    own.try_start(&rig, "pod-2", NONCE).await.problem(409, "SUPERSEDED");
    again["attemptToken"].as_str().unwrap().clone_into(&mut own.token);
    own.beat(&rig, &json!({"phase": "starting"})).await.expect(200);
    // The first heartbeat closes the start, for this agent too.
    own.try_start(&rig, "pod-1", NONCE).await.problem(409, "SUPERSEDED");
}

#[tokio::test]
async fn a_task_cancelled_before_its_start_never_starts() {
    let rig = Rig::new().await;
    let task = rig.task().await;
    let own = rig.claimed().await;
    rig.post(Who::Sam, format!("/api/v1/tasks/{task}/cancel"), &json!({})).await.expect(200);
    own.try_start(&rig, "pod-1", NONCE).await.problem(410, "CANCELLED");
    own.put(&rig, 0, b"x").bearer(&own.start_token).await.problem(409, "SUPERSEDED");
}

#[tokio::test]
async fn the_first_heartbeat_is_answered_at_once_and_a_cancel_ends_a_held_one() {
    let rig = Rig::new().await;
    let task = rig.task().await;
    let mut own = rig.claimed().await;
    own.start(&rig).await;
    let watch = stopwatch();
    let body = json!({"phase": "running", "waitMs": 15_000});
    assert_eq!(own.beat(&rig, &body).await.expect(200), json!({"cancel": false}));
    assert!(watch.elapsed() < Duration::from_secs(2), "{:?}", watch.elapsed());
    assert_eq!(rig.get(Who::Sam, format!("/api/v1/tasks/{task}")).await.expect(200)["phase"], "running");

    let beat = held(own.beat(&rig, &body)).await;
    let watch = stopwatch();
    rig.post(Who::Sam, format!("/api/v1/tasks/{task}/cancel"), &json!({})).await.expect(202);
    assert_eq!(beat.await.expect(200), json!({"cancel": true}));
    assert!(watch.elapsed() < Duration::from_secs(1), "{:?}", watch.elapsed());
    // One that does not know yet is told at once; one that knows is held until the end.
    assert_eq!(own.beat(&rig, &body).await.expect(200), json!({"cancel": true}));
    let beat = held(own.beat(&rig, &json!({"phase": "running", "waitMs": 15_000, "cancelKnown": true}))).await;
    own.finish_with(&rig, &json!({"signal": 15, "stoppedBy": "cancel", "logBytes": 0, "logCrc": 0})).await.expect(200);
    assert_eq!(beat.await.problem(409, "SUPERSEDED")["state"], "cancelled");
}

#[tokio::test]
async fn a_held_heartbeat_ends_with_its_attempt_and_with_the_server() {
    let rig = Rig::new().await;
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "retries": {"infra": 0}})).await;
    let own = rig.running().await;
    let beat = held(own.beat(&rig, &json!({"phase": "running", "waitMs": 15_000}))).await;
    rig.post(Who::Operator, format!("/api/v1/tasks/{task}/attempts/1/abandon"), &json!({"reason": "gone"})).await.expect(200);
    assert_eq!(beat.await.problem(409, "SUPERSEDED")["state"], "failed");

    rig.task().await;
    let own = rig.running().await;
    let beat = held(own.beat(&rig, &json!({"phase": "running", "waitMs": 15_000}))).await;
    rig.app.stop().cancel();
    assert_eq!(beat.await.expect(200), json!({"cancel": false}));
}

#[tokio::test]
async fn a_held_heartbeat_ends_after_the_time_asked_for_or_ours() {
    let rig = Rig::with(Times { heartbeat_hold_ms: 50, ..Times::default() }).await;
    rig.task().await;
    let own = rig.running().await;
    let watch = stopwatch();
    own.beat(&rig, &json!({"phase": "running", "waitMs": 3_600_000})).await.expect(200);
    assert!(watch.elapsed() >= Duration::from_millis(50));
    // Another phase is written, and held no less.
    own.beat(&rig, &json!({"phase": "setup", "waitMs": 1})).await.expect(200);
    for phase in ["claimed", "finishing", "ended"] {
        own.beat(&rig, &json!({"phase": phase})).await.problem(422, "VALIDATION_FAILED");
    }
    assert_eq!(rig.get(Who::Sam, format!("/api/v1/tasks/{}", own.task)).await.expect(200)["phase"], "running", "phases do not go back");
}

#[tokio::test]
async fn beyond_the_most_held_heartbeats_the_answer_comes_at_once() {
    let rig = Rig::new().await;
    rig.task().await;
    let own = rig.running().await;
    let places: Vec<_> = std::iter::from_fn(|| rig.app.pulses.hold()).collect();
    assert_eq!(places.len(), 2_000);
    let watch = stopwatch();
    own.beat(&rig, &json!({"phase": "running", "waitMs": 15_000})).await.expect(200);
    assert!(watch.elapsed() < Duration::from_secs(2), "{:?}", watch.elapsed());
    drop(places);
    let beat = held(own.beat(&rig, &json!({"phase": "running", "waitMs": 15_000}))).await;
    // An agent that hangs up gives its place back.
    drop(beat);
    let places: Vec<_> = std::iter::from_fn(|| rig.app.pulses.hold()).collect();
    assert_eq!(places.len(), 2_000);
}

#[tokio::test]
async fn silence_shows_and_a_sign_of_life_ends_it() {
    let rig = Rig::new().await;
    let task = rig.task().await;
    let own = rig.running().await;
    let lost = async || rig.get(Who::Sam, format!("/api/v1/tasks/{task}")).await.expect(200).get("heartbeatLost").is_some();
    rig.pass(599_999);
    assert!(!lost().await);
    rig.pass(1);
    assert!(lost().await);
    rig.tick().await;
    assert_eq!(rig.state(task).await, "active", "silence changes no state");
    own.beat(&rig, &json!({"phase": "running"})).await.expect(200);
    assert!(!lost().await);
}
