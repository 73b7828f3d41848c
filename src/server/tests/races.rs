//! What must not happen when calls cross: logs that stay open, memory that only grows.

use super::rig::{Rig, Who};
use crate::{
    domain::{AttemptNumber, AttemptRef, TaskId},
    server::{clockwork, logs::log_of, serve},
};
use serde_json::json;
use std::time::Duration;

async fn cancelled_while_silent(rig: &Rig) {
    rig.pass(600_000);
    rig.post(Who::Operator, "/api/v1/tasks/1/cancel", &json!({})).await.expect(200);
}

/// The lease was read before the attempt ended; the log is opened after it was closed.
#[tokio::test]
async fn a_late_frame_does_not_leave_a_dead_log_open() {
    let rig = Rig::new().await;
    rig.task().await;
    let mut own = rig.running().await;
    own.log(&rig, "x").await;
    let stale = rig.app.store.lease(TaskId(1)).await.unwrap().expect("it is live");
    cancelled_while_silent(&rig).await;
    assert!(rig.app.logs.open_keys().is_empty());
    let refused = rig.app.open_log(&stale, 0).await.expect_err("its attempt is over");
    assert_eq!((refused.0.status, refused.0.state.map(|s| s.to_string())), (409, Some("cancelled".into())));
    assert!(rig.app.logs.open_keys().is_empty(), "it is closed again");
    // And what was recorded of it stands.
    assert_eq!(rig.get(Who::Sam, "/api/v1/tasks/1/log").await.text(), "x");
}

/// A caller who hangs up between the commit and the closing of the log leaves it to the clockwork.
#[tokio::test]
async fn the_clockwork_closes_what_others_left_open() {
    let rig = Rig::new().await;
    rig.task().await;
    let mut dead = rig.running().await;
    dead.log(&rig, "all of it").await;
    rig.task().await;
    let mut live = rig.running().await;
    live.log(&rig, "more to come").await;
    let cancel = crate::store::Cancel { task: TaskId(1), by: "ada".into(), silent: true };
    rig.app.store.run(cancel).await.unwrap();
    assert_eq!(rig.app.logs.open_keys().len(), 2);
    clockwork::tidy(&rig.app).await;
    let open = rig.app.logs.open_keys();
    assert_eq!(open, [log_of(AttemptRef { task: TaskId(live.task), attempt: AttemptNumber(1) })]);
    assert_eq!(rig.get(Who::Sam, "/api/v1/tasks/1/log").await.text(), "all of it");
}

#[tokio::test]
async fn heartbeats_of_the_dead_are_forgotten() {
    let rig = Rig::new().await;
    rig.task().await;
    let own = rig.running().await;
    let attempt = AttemptRef { task: TaskId(own.task), attempt: AttemptNumber(1) };
    rig.pass(1_000);
    own.finish(&rig, 0).await.expect(200);
    // One that comes late, after its attempt was forgotten, stays for a while and no longer.
    rig.app.pulses.beat(attempt, rig.app.store.uptime().now());
    clockwork::tidy(&rig.app).await;
    assert_eq!(rig.app.pulses.last(attempt), 1_000);
    rig.pass(1_200_001);
    clockwork::tidy(&rig.app).await;
    assert_eq!(rig.app.pulses.last(attempt), 0, "that of the server's start");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_and_the_end_may_cross_in_any_order() {
    let rig = Rig::new().await;
    for task in 1..=12 {
        rig.submit(Who::Sam, json!({"command": ["true"], "retries": {"infra": 0}})).await;
        let own = rig.running().await;
        let frames = (0..4).map(|i| tokio::spawn(own.put(&rig, 0, format!("{i}").as_bytes()).into_future()));
        let frames: Vec<_> = frames.collect();
        let reason = json!({"reason": "crossing"});
        rig.post(Who::Operator, format!("/api/v1/tasks/{task}/attempts/1/abandon"), &reason).await.expect(200);
        for frame in frames {
            let status = frame.await.unwrap().status.as_u16();
            assert!(matches!(status, 200 | 409 | 416 | 503), "{status}");
        }
        assert!(rig.app.logs.open_keys().is_empty(), "task {task}");
        assert!(rig.get(Who::Sam, format!("/api/v1/tasks/{task}/log")).await.body.len() <= 1);
    }
}

/// A log that crosses with its finish settles in every order of the two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_frame_and_the_finish_may_cross() {
    let rig = Rig::new().await;
    for task in 1..=12 {
        rig.task().await;
        let own = rig.running().await;
        let whole = json!({"exitCode": 0, "logBytes": 4, "logCrc": crc32c::crc32c(b"last")});
        let frame = tokio::spawn(own.put(&rig, 0, b"last").into_future());
        let finish = own.finish_with(&rig, &whole).await.expect(200);
        let frame = frame.await.unwrap();
        assert!(matches!(frame.status.as_u16(), 200 | 409 | 503), "{}", frame.text());
        let settled = own.finish_with(&rig, &whole).await.expect(200);
        assert_eq!(settled["state"], "succeeded", "{finish} then {settled}");
        let shown = rig.get(Who::Sam, format!("/api/v1/tasks/{task}")).await.expect(200);
        assert_eq!(shown["ended"]["logComplete"], true);
        assert!(rig.app.logs.open_keys().is_empty(), "task {task}");
    }
}

#[tokio::test]
async fn a_stopped_server_ends_its_waiting_calls_and_syncs_its_logs() {
    let rig = Rig::new().await;
    rig.task().await;
    let mut own = rig.running().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = tokio::spawn(serve(listener, rig.app.clone()));
    let beat = own.beat(&rig, &json!({"phase": "running", "waitMs": 15_000})).into_future();
    let beat = tokio::spawn(beat);
    own.log(&rig, "unsynced").await;
    rig.app.stop().cancel();
    tokio::time::timeout(Duration::from_secs(10), server).await.expect("it ends").unwrap();
    beat.await.unwrap().expect(200);
    let rig = rig.restarted().await;
    assert_eq!(rig.get(Who::Sam, "/api/v1/tasks/1/log").await.text(), "unsynced");
}
