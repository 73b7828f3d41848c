//! What a queue keeps no longer goes: rows, bytes and events, and says so where somebody asks.

use super::{
    own::Own,
    rig::{Rig, Who},
    wires::Frames,
};
use crate::{domain::Times, server::clockwork};
use serde_json::{Value, json};
use std::path::PathBuf;

const DAY: u64 = 86_400_000;

async fn rig() -> Rig {
    Rig::with(Times { prune_pause_ms: 1, ..Times::default() }).await
}

async fn apply(rig: &Rig, queue: &str, retention: Value) {
    let put = rig.call("PUT", format!("/api/v1/queues/{queue}")).bearer(rig.token(Who::Admin));
    let reply = put.json(&json!({"retention": retention})).await;
    assert!(reply.status.is_success(), "{}", reply.text());
}

/// A task of `queue` that wrote a log and succeeded.
async fn ended(rig: &Rig, queue: &str) -> i64 {
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "queue": queue})).await;
    let mut own: Own = rig.running().await;
    assert_eq!(own.task, task);
    own.log(rig, "all of it").await;
    assert_eq!(own.finish(rig, 0).await.expect(200)["settled"], true);
    task
}

fn bytes(rig: &Rig, task: i64) -> PathBuf {
    rig.dir.path().join(format!("logs/logs/0/{task}/1-0.log"))
}

async fn is_there(rig: &Rig, task: i64) -> bool {
    rig.get(Who::Viewer, format!("/api/v1/tasks/{task}")).await.status == 200
}

#[tokio::test]
async fn old_tasks_go_with_all_of_theirs() {
    let rig = rig().await;
    apply(&rig, "brief", json!({"tasks": {"days": 2}})).await;
    let (old, other) = (ended(&rig, "brief").await, ended(&rig, "default").await);
    rig.pass(DAY + DAY / 2);
    let young = ended(&rig, "brief").await;
    let waiting = rig.submit(Who::Sam, json!({"command": ["true"], "queue": "brief"})).await;
    rig.pass(DAY);
    clockwork::tidy(&rig.app).await;
    rig.get(Who::Sam, format!("/api/v1/tasks/{old}")).await.problem(404, "TASK_NOT_FOUND");
    rig.get(Who::Sam, format!("/api/v1/tasks/{old}/log")).await.problem(404, "TASK_NOT_FOUND");
    assert!(!bytes(&rig, old).exists() && bytes(&rig, young).exists());
    for kept in [other, young, waiting] {
        assert!(is_there(&rig, kept).await, "{kept}");
    }
    rig.pass(1_000 * DAY);
    clockwork::tidy(&rig.app).await;
    assert!(!is_there(&rig, young).await && is_there(&rig, other).await, "a queue that says nothing keeps everything");
    assert!(is_there(&rig, waiting).await);
}

#[tokio::test]
async fn the_newest_stay_and_nothing_goes_within_a_day() {
    let rig = rig().await;
    apply(&rig, "brief", json!({"tasks": {"count": 2}})).await;
    let mut tasks = Vec::new();
    for _ in 0..4 {
        tasks.push(ended(&rig, "brief").await);
        rig.pass(1);
    }
    rig.pass(DAY);
    clockwork::tidy(&rig.app).await;
    assert!(is_there(&rig, tasks[0]).await);
    rig.pass(3_600_000);
    clockwork::tidy(&rig.app).await;
    for (nth, task) in tasks.into_iter().enumerate() {
        assert_eq!(is_there(&rig, task).await, nth >= 2, "{nth}");
    }
}

#[tokio::test]
async fn a_log_that_expired_says_so_and_its_task_stays() {
    let rig = rig().await;
    apply(&rig, "brief", json!({"logs": {"days": 7}})).await;
    let task = ended(&rig, "brief").await;
    rig.pass(8 * DAY);
    clockwork::tidy(&rig.app).await;
    for (path, accept) in [("log", "*/*"), ("log?attempt=1", "*/*"), ("log?follow=true", "text/event-stream")] {
        let call = rig.get(Who::Sam, format!("/api/v1/tasks/{task}/{path}")).header("accept", accept);
        let problem = call.await.problem(410, "LOG_EXPIRED");
        assert_eq!(problem["detail"], format!("The log of task {task} was removed by the retention of its queue."));
    }
    assert!(!bytes(&rig, task).exists());
    let shown = rig.get(Who::Sam, format!("/api/v1/tasks/{task}")).await.expect(200);
    assert_eq!((&shown["state"], &shown["ended"]["logComplete"]), (&json!("succeeded"), &json!(true)));
    let attempts = rig.get(Who::Sam, format!("/api/v1/tasks/{task}/attempts")).await.expect(200);
    assert_eq!(attempts["items"][0]["logBytes"], 9);
}

#[tokio::test]
async fn a_watcher_is_told_where_events_are_gone() {
    let rig = rig().await;
    apply(&rig, "brief", json!({"events": {"days": 7}})).await;
    let task = ended(&rig, "brief").await;
    let newest = *rig.app.store.changes().events().borrow();
    rig.pass(8 * DAY);
    clockwork::tidy(&rig.app).await;
    let other = rig.task().await;
    let resumed = |after: i64| rig.get(Who::Viewer, "/api/v1/events").header("last-event-id", &after.to_string());

    let mut late = Frames::of(resumed(newest - 1).open().await);
    let resync = late.next().await.expect("it missed one");
    assert_eq!((resync.event.as_str(), resync.id.clone()), ("resync", (newest - 1).to_string()));
    assert_eq!((&resync.data["kind"], &resync.data["data"]["removedUpTo"]), (&json!("resync"), &json!(newest)));
    assert_eq!(late.next().await.expect("what is left follows").data["task"], other);
    assert!(late.is_quiet().await);

    let mut on_time = Frames::of(resumed(newest).open().await);
    assert_eq!(on_time.next().await.unwrap().event, "task.submitted");
    let of = |task: i64| rig.get(Who::Viewer, format!("/api/v1/events?after=0&task={task}")).open();
    assert_eq!(Frames::of(of(task).await).next().await.unwrap().event, "resync");
    assert_eq!(Frames::of(of(other).await).next().await.unwrap().event, "task.submitted", "of this one nothing is gone");
}

#[tokio::test]
async fn bytes_stay_while_they_are_copied_and_go_later() {
    let rig = rig().await;
    apply(&rig, "brief", json!({"tasks": {"days": 7}})).await;
    let task = ended(&rig, "brief").await;
    let hold = rig.app.logs.hold().unwrap();
    rig.pass(8 * DAY);
    clockwork::tidy(&rig.app).await;
    assert!(!is_there(&rig, task).await && bytes(&rig, task).exists());
    // The server that removed the rows need not be the one that removes the bytes.
    let rig = rig.restarted().await;
    drop(hold);
    clockwork::tidy(&rig.app).await;
    assert!(!bytes(&rig, task).exists());
    assert!(rig.app.store.unlogged().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_queue_that_is_gone_keeps_its_tasks() {
    let rig = rig().await;
    apply(&rig, "brief", json!({"tasks": {"days": 1}})).await;
    let task = ended(&rig, "brief").await;
    rig.call("DELETE", "/api/v1/queues/brief").bearer(rig.token(Who::Admin)).await.expect(204);
    rig.pass(100 * DAY);
    clockwork::tidy(&rig.app).await;
    assert!(is_there(&rig, task).await);
    apply(&rig, "brief", json!({"tasks": {"days": 1}})).await;
    clockwork::tidy(&rig.app).await;
    assert!(!is_there(&rig, task).await);
}

#[tokio::test]
async fn a_retention_out_of_bounds_is_refused_by_place() {
    let rig = rig().await;
    let bad = json!({"retention": {"tasks": {"days": 0, "count": 1_000_001}, "logs": {"days": 3_651, "count": 0}, "events": {"days": 0}}});
    let problem = rig.call("PUT", "/api/v1/queues/brief").bearer(rig.token(Who::Admin)).json(&bad).await.problem(422, "VALIDATION_FAILED");
    let said = |error: &Value| format!("{} {}", error["pointer"].as_str().unwrap(), error["message"].as_str().unwrap());
    let errors: Vec<_> = problem["errors"].as_array().unwrap().iter().map(said).collect();
    assert_eq!(
        errors,
        [
            "/retention/tasks/days between 1 and 3650 days",
            "/retention/logs/days between 1 and 3650 days",
            "/retention/events/days between 1 and 3650 days",
            "/retention/tasks/count between 1 and 1000000 tasks",
            "/retention/logs/count between 1 and 1000000 tasks",
        ]
    );
    let unknown = json!({"retention": {"task": {"days": 1}}});
    let problem =
        rig.call("PUT", "/api/v1/queues/brief").bearer(rig.token(Who::Admin)).json(&unknown).await.problem(422, "VALIDATION_FAILED");
    assert_eq!(problem["errors"][0]["pointer"], "/retention/task");
}
