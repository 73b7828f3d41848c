//! Queues whose tasks may as well run twice: a silent attempt is followed by another, without proof.

use super::rig::{Rig, Who};
use crate::server::supersede;
use serde_json::{Value, json};

const LOST: u64 = 600_000;

async fn apply(rig: &Rig, queue: &Value) -> super::wires::Reply {
    rig.call("PUT", "/api/v1/queues/default").bearer(rig.token(Who::Admin)).json(queue).await
}

async fn state(rig: &Rig, task: i64) -> String {
    rig.get(Who::Viewer, format!("/api/v1/tasks/{task}")).await.expect(200)["state"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_silent_attempt_is_followed_by_another_and_is_not_heard_any_more() {
    let rig = Rig::new().await;
    apply(&rig, &json!({"idempotent": true, "defaults": {"retries": {"infra": 1}}})).await.expect(200);
    rig.task().await;
    let mut own = rig.claimed().await;
    let started = own.start(&rig).await;
    assert_eq!(started["selfStop"], json!({"stopMs": 540_000, "killMs": 590_000}));
    own.beat(&rig, &json!({"phase": "running"})).await.expect(200);
    rig.pass(LOST - 1);
    supersede::round(&rig.app).await.unwrap();
    assert_eq!(state(&rig, own.task).await, "active");
    own.beat(&rig, &json!({"phase": "running"})).await.expect(200);
    rig.pass(LOST);
    supersede::round(&rig.app).await.unwrap();
    assert_eq!(state(&rig, own.task).await, "waiting", "for its next attempt");
    own.beat(&rig, &json!({"phase": "running"})).await.problem(409, "SUPERSEDED");
    own.finish(&rig, 0).await.problem(409, "SUPERSEDED");
    let attempts = rig.get(Who::Viewer, format!("/api/v1/tasks/{}/attempts", own.task)).await.expect(200);
    assert_eq!(
        (&attempts["items"][0]["ended"]["class"], &attempts["items"][0]["ended"]["reason"]),
        (&json!("lost"), &json!("AttemptLost"))
    );
    rig.pass(60_000);
    rig.tick().await;
    assert_eq!(rig.claimed().await.attempt, 2);
}

#[tokio::test]
async fn who_is_about_to_be_followed_gets_no_answer_that_says_go_on() {
    let rig = Rig::new().await;
    apply(&rig, &json!({"idempotent": true})).await.expect(200);
    rig.task().await;
    let own = rig.running().await;
    rig.pass(LOST);
    let attempt = crate::domain::AttemptRef { task: crate::domain::TaskId(own.task), attempt: crate::domain::AttemptNumber(1) };
    assert!(rig.app.pulses.fence(attempt, rig.app.store.uptime().now() - i64::try_from(LOST).unwrap()));
    own.beat(&rig, &json!({"phase": "running"})).await.problem(409, "SUPERSEDED");
    assert_eq!(state(&rig, own.task).await, "active", "its end is not yet stored");
}

#[tokio::test]
async fn only_agents_that_were_told_to_stop_are_followed() {
    let rig = Rig::new().await;
    rig.task().await;
    let before = rig.running().await;
    apply(&rig, &json!({"idempotent": true})).await.expect(200);
    rig.task().await;
    let finished = rig.running().await;
    finished.finish_with(&rig, &json!({"exitCode": 0, "logBytes": 9, "logCrc": 1})).await.expect(200);
    rig.pass(2 * LOST);
    supersede::round(&rig.app).await.unwrap();
    assert_eq!(state(&rig, before.task).await, "active", "it began before its queue became idempotent");
    assert_eq!(state(&rig, finished.task).await, "active", "its result is there, and its log is awaited");
    before.beat(&rig, &json!({"phase": "running"})).await.expect(200);

    let rig = rig.restarted().await;
    rig.task().await;
    let own = rig.running().await;
    rig.pass(LOST - 1);
    let rig = rig.restarted().await;
    rig.pass(LOST - 1);
    supersede::round(&rig.app).await.unwrap();
    assert_eq!(state(&rig, own.task).await, "active", "the silence was the server's");
    rig.pass(1);
    supersede::round(&rig.app).await.unwrap();
    assert_eq!(state(&rig, own.task).await, "waiting");
}

#[tokio::test]
async fn how_long_an_agent_waits_is_bounded() {
    let rig = Rig::new().await;
    let problem = apply(&rig, &json!({"stopAfterSeconds": 60})).await.problem(422, "VALIDATION_FAILED");
    assert_eq!(problem["errors"][0]["pointer"], "/stopAfterSeconds");
    apply(&rig, &json!({"idempotent": true, "stopAfterSeconds": 581})).await.problem(422, "VALIDATION_FAILED");
    let queue = apply(&rig, &json!({"idempotent": true, "stopAfterSeconds": 60})).await.expect(200);
    assert_eq!((&queue["idempotent"], &queue["stopAfterSeconds"]), (&json!(true), &json!(60)));
    rig.task().await;
    assert_eq!(rig.claimed().await.start(&rig).await["selfStop"]["stopMs"], 60_000);
}
