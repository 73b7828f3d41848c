//! The end of an attempt: result first, then the log, then the end.

use super::{
    own::Own,
    rig::{Rig, Who},
};
use serde_json::{Value, json};

async fn shown(rig: &Rig, task: i64) -> Value {
    rig.get(Who::Sam, format!("/api/v1/tasks/{task}")).await.expect(200)
}

#[tokio::test]
async fn a_finish_whose_log_is_whole_settles_in_one_call() {
    let rig = Rig::new().await;
    let task = rig.task().await;
    let mut own = rig.running().await;
    own.log(&rig, "hello\n").await;
    let answer = own.finish(&rig, 0).await.expect(200);
    assert_eq!(answer, json!({"settled": true, "state": "succeeded", "nextOffset": 6}));
    assert_eq!(shown(&rig, task).await["ended"], json!({"exitCode": 0, "logComplete": true}));
    // A repeat, its answer lost, is answered in the same way; the result cannot be changed any more.
    for code in [0, 1] {
        assert_eq!(own.finish(&rig, code).await.expect(200), answer);
    }
    own.put(&rig, 6, b"late").await.problem(409, "SUPERSEDED");
    assert!(rig.app.logs.open_keys().is_empty());
}

#[tokio::test]
async fn a_task_that_wrote_nothing_ends_at_once() {
    let rig = Rig::new().await;
    let task = rig.task().await;
    let own = rig.running().await;
    assert_eq!(own.finish(&rig, 0).await.expect(200), json!({"settled": true, "state": "succeeded", "nextOffset": 0}));
    assert_eq!(shown(&rig, task).await["ended"]["logComplete"], true);
    assert_eq!(rig.get(Who::Sam, format!("/api/v1/tasks/{task}/log")).await.text(), "");
}

#[tokio::test]
async fn a_finish_waits_for_the_rest_of_the_log() {
    let rig = Rig::new().await;
    let task = rig.task().await;
    let mut own = rig.running().await;
    own.log(&rig, "first ").await;
    let whole = json!({"exitCode": 3, "logBytes": 10, "logCrc": crc32c::crc32c(b"first last")});
    for _ in 0..2 {
        assert_eq!(own.finish_with(&rig, &whole).await.expect(200), json!({"settled": false, "state": "active", "nextOffset": 6}));
    }
    assert_eq!(shown(&rig, task).await["phase"], "finishing");
    // The first result counts.
    own.finish_with(&rig, &json!({"exitCode": 0, "logBytes": 6, "logCrc": 0})).await.expect(200);
    own.log(&rig, "last").await;
    let ended = shown(&rig, task).await;
    assert_eq!((&ended["state"], &ended["ended"]["exitCode"]), (&json!("failed"), &json!(3)));
    assert!(rig.app.logs.open_keys().is_empty());
}

#[tokio::test]
async fn a_log_that_is_not_the_one_described_is_said_to_be_incomplete() {
    let rig = Rig::new().await;
    for (bytes, crc) in [(5, 1), (3, crc32c::crc32c(b"hel")), (0, 0)] {
        let task = rig.task().await;
        let mut own = rig.running().await;
        own.log(&rig, "hello").await;
        let finish = own.finish_with(&rig, &json!({"exitCode": 0, "logBytes": bytes, "logCrc": crc})).await.expect(200);
        assert_eq!((&finish["settled"], &shown(&rig, task).await["ended"]["logComplete"]), (&json!(true), &json!(false)), "{bytes} {crc}");
    }
}

#[tokio::test]
async fn a_log_that_does_not_come_is_waited_for_a_minute() {
    let rig = Rig::new().await;
    let task = rig.task().await;
    let mut own = rig.running().await;
    own.log(&rig, "some").await;
    own.finish_with(&rig, &json!({"exitCode": 0, "logBytes": 99, "logCrc": 0})).await.expect(200);
    rig.pass(59_999);
    rig.tick().await;
    assert_eq!(rig.state(task).await, "active");
    rig.pass(1);
    rig.tick().await;
    let ended = shown(&rig, task).await;
    assert_eq!((&ended["state"], &ended["ended"]["logComplete"]), (&json!("succeeded"), &json!(false)));
    assert_eq!(rig.get(Who::Sam, format!("/api/v1/tasks/{task}/log")).await.text(), "some");
    assert!(rig.app.logs.open_keys().is_empty());
    assert_eq!(own.finish(&rig, 0).await.expect(200)["settled"], true);
}

#[tokio::test]
async fn a_result_survives_a_restart_of_the_server() {
    let rig = Rig::new().await;
    let task = rig.task().await;
    let mut own = rig.running().await;
    own.log(&rig, "first ").await;
    rig.app.sync_logs().await;
    let whole = json!({"exitCode": 0, "logBytes": 10, "logCrc": crc32c::crc32c(b"first last")});
    own.finish_with(&rig, &whole).await.expect(200);
    let rig = rig.restarted().await;
    assert_eq!(shown(&rig, task).await["phase"], "finishing");
    assert_eq!(own.finish_with(&rig, &whole).await.expect(200)["nextOffset"], 6);
    own.log(&rig, "last").await;
    assert_eq!(shown(&rig, task).await["ended"]["logComplete"], true);
}

#[tokio::test]
async fn a_failure_is_tried_again_and_a_message_is_bounded() {
    let rig = Rig::new().await;
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "retries": {"user": 1}})).await;
    let own = rig.running().await;
    let long = json!({"exitCode": 1, "message": "x".repeat(1025), "logBytes": 0, "logCrc": 0});
    own.finish_with(&rig, &long).await.problem(422, "VALIDATION_FAILED");
    let answer = own.finish_with(&rig, &json!({"exitCode": 1, "message": "no such file", "logBytes": 0, "logCrc": 0})).await.expect(200);
    assert_eq!((&answer["settled"], &answer["state"]), (&json!(true), &json!("waiting")));
    rig.pass(600_000);
    rig.tick().await;
    let own = rig.running().await;
    own.finish(&rig, 0).await.expect(200);
    assert_eq!((shown(&rig, task).await["attempt"].clone(), rig.state(task).await), (json!(2), "succeeded".into()));
}

#[tokio::test]
async fn a_stop_without_exit_code_can_be_repeated_too() {
    let rig = Rig::new().await;
    let task = rig.task().await;
    let own = rig.running().await;
    rig.post(Who::Sam, format!("/api/v1/tasks/{task}/cancel"), &json!({})).await.expect(202);
    let stopped = json!({"stoppedBy": "cancel", "logBytes": 0, "logCrc": 0});
    let answer = own.finish_with(&rig, &stopped).await.expect(200);
    assert_eq!(answer["state"], "cancelled");
    assert_eq!(own.finish_with(&rig, &stopped).await.expect(200), answer);
}

/// A finish that describes `hello world` of which `hello ` was sent, and the minute in which the rest did not come.
async fn cut_off(rig: &Rig, task: Value) -> (i64, Own, Value) {
    let task = rig.submit(Who::Sam, task).await;
    let mut own = rig.running().await;
    own.log(rig, "hello ").await;
    let whole = json!({"exitCode": 0, "logBytes": 11, "logCrc": crc32c::crc32c(b"hello world")});
    own.finish_with(rig, &whole).await.expect(200);
    rig.pass(60_000);
    rig.tick().await;
    assert_eq!(shown(rig, task).await["ended"]["logComplete"], false);
    (task, own, whole)
}

async fn awaits_log(rig: &Rig, own: &Own) -> Value {
    let item = json!({"task": own.task, "attempt": own.attempt, "claim": own.claim});
    rig.post(Who::Runner, "/api/v1/runner/attempts:check", &json!({"items": [item]})).await.expect(200)["items"][0].clone()
}

/// Row 13 of the scoreboard, seed 383054981: a finish was stored right before a cut that was longer than the wait for the log.
#[tokio::test]
async fn the_rest_of_a_log_is_taken_after_the_end() {
    let rig = Rig::new().await;
    let (task, mut own, whole) = cut_off(&rig, json!({"command": ["true"]})).await;
    assert_eq!(awaits_log(&rig, &own).await["awaitsLog"], true, "its runner leaves it alone");
    let rig = rig.restarted().await;
    rig.pass(900_000);
    let state = shown(&rig, task).await["state"].clone();
    assert_eq!(own.finish_with(&rig, &whole).await.expect(200), json!({"settled": false, "state": state, "nextOffset": 6}));
    rig.call("PUT", own.path("log?offset=6&crc32c=0")).bearer("slw_a_somebody").await.problem(409, "SUPERSEDED");
    own.log(&rig, "wor").await;
    // Between two pieces nobody holds it open.
    rig.app.close_dead_logs().await.unwrap();
    assert_eq!(own.finish_with(&rig, &whole).await.expect(200)["nextOffset"], 9);
    own.log(&rig, "ld").await;
    for _ in 0..2 {
        assert_eq!(own.finish_with(&rig, &whole).await.expect(200), json!({"settled": true, "state": "succeeded", "nextOffset": 11}));
    }
    assert_eq!(shown(&rig, task).await["ended"], json!({"exitCode": 0, "logComplete": true}));
    let attempts = rig.get(Who::Sam, format!("/api/v1/tasks/{task}/attempts")).await.expect(200);
    assert_eq!(attempts["items"][0]["ended"]["logComplete"], true);
    assert_eq!(rig.get(Who::Sam, format!("/api/v1/tasks/{task}/log")).await.text(), "hello world");
    assert!(rig.app.logs.open_keys().is_empty());
    own.put(&rig, 11, b"more").await.problem(409, "SUPERSEDED");
    assert_eq!(awaits_log(&rig, &own).await.get("awaitsLog"), None);
}

#[tokio::test]
async fn an_agent_that_gave_up_is_not_waited_for() {
    let rig = Rig::new().await;
    let (task, own, whole) = cut_off(&rig, json!({"command": ["true"]})).await;
    rig.pass(1_200_000);
    own.put(&rig, 6, b"world").await.problem(409, "SUPERSEDED");
    assert_eq!(own.finish_with(&rig, &whole).await.expect(200)["settled"], true);
    assert_eq!(shown(&rig, task).await["ended"]["logComplete"], false);
    assert_eq!(awaits_log(&rig, &own).await.get("awaitsLog"), None);
}

#[tokio::test]
async fn the_log_of_an_attempt_that_was_ended_from_outside_is_not_awaited() {
    let rig = Rig::new().await;
    let task = rig.task().await;
    let mut own = rig.running().await;
    own.log(&rig, "some").await;
    rig.post(Who::Operator, format!("/api/v1/tasks/{task}/attempts/1/abandon"), &json!({"reason": "its node burnt"})).await.expect(200);
    own.put(&rig, 4, b"more").await.problem(409, "SUPERSEDED");
    own.finish(&rig, 0).await.problem(409, "SUPERSEDED");
    assert_eq!(awaits_log(&rig, &own).await.get("awaitsLog"), None);
}
