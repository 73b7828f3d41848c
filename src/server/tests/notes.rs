//! What attempts say of themselves, and the files that they leave.

use super::{
    own::Own,
    rig::{Rig, Who},
    wires::Reply,
};
use crate::{domain::Sha256, server::clockwork};
use serde_json::{Value, json};

async fn note(rig: &Rig, own: &Own, notes: &Value) -> Reply {
    rig.call("PUT", own.path("notes")).bearer(&own.token).json(notes).await
}

/// What the attempts of a task say, by their order.
async fn notes(rig: &Rig, task: i64) -> Vec<Value> {
    let list = rig.get(Who::Viewer, format!("/api/v1/tasks/{task}/attempts")).await.expect(200);
    list["items"].as_array().unwrap().iter().map(|attempt| attempt["notes"].clone()).collect()
}

async fn put(rig: &Rig, own: &Own, sum: &Sha256, size: usize, offset: usize, bytes: &[u8]) -> Reply {
    let query = format!("outputs/{sum}?size={size}&offset={offset}");
    rig.call("PUT", own.path(&query)).bearer(&own.token).body(bytes.to_vec()).await
}

#[tokio::test]
async fn notes_are_what_was_said_last_and_outlive_the_attempt() {
    let rig = Rig::new().await;
    let task = rig.task().await;
    let own = rig.running().await;
    assert_eq!(notes(&rig, task).await, [Value::Null]);
    note(&rig, &own, &json!({"results": {"a": 1}, "resume": "r"})).await.expect(204);
    note(&rig, &own, &json!({"results": {"b": [2]}, "progress": {"done": 1, "total": 4}})).await.expect(204);
    assert_eq!(notes(&rig, task).await, [json!({"results": {"b": [2]}, "progress": {"done": 1, "total": 4}})]);
    // What changes all the time comes with heartbeats, and is not written.
    own.beat(&rig, &json!({"phase": "running", "progress": {"done": 2, "total": 4}, "usage": {"elapsedMs": 5, "cpuMs": 3}}))
        .await
        .expect(200);
    own.beat(&rig, &json!({"phase": "running"})).await.expect(200);
    let now = json!({"results": {"b": [2]}, "progress": {"done": 2, "total": 4}, "usage": {"elapsedMs": 5, "cpuMs": 3}});
    assert_eq!(notes(&rig, task).await, std::slice::from_ref(&now));
    let whole = rig.get(Who::Viewer, format!("/api/v1/tasks/{task}")).await.expect(200);
    assert_eq!(whole["notes"], now);
    let end = json!({"exitCode": 0, "logBytes": 0, "logCrc": 0, "notes": {"results": {"c": 3}, "usage": {"elapsedMs": 9}}});
    assert_eq!(own.finish_with(&rig, &end).await.expect(200)["settled"], true);
    let last = [json!({"results": {"c": 3}, "usage": {"elapsedMs": 9}})];
    assert_eq!(notes(&rig, task).await, last);
    let whole = rig.get(Who::Viewer, format!("/api/v1/tasks/{task}")).await.expect(200);
    assert_eq!(whole["notes"], last[0]);
    let page = rig.get(Who::Viewer, "/api/v1/tasks").await.expect(200);
    assert_eq!(page["items"][0]["notes"], Value::Null, "lists stay short");
    note(&rig, &own, &json!({})).await.problem(409, "SUPERSEDED");
    own.finish_with(&rig, &json!({"exitCode": 0, "logBytes": 0, "logCrc": 0, "notes": {"resume": "x"}})).await.expect(200);
    assert_eq!(notes(&rig.restarted().await, task).await, last, "a repeated finish changes nothing");
}

#[tokio::test]
async fn notes_that_no_agent_makes_are_refused_whole() {
    let rig = Rig::new().await;
    let task = rig.task().await;
    let own = rig.running().await;
    let long = "x".repeat(5_000);
    let many: serde_json::Map<String, Value> = (0..257).map(|n| (n.to_string(), json!(n))).collect();
    for bad in [
        json!({"results": {"a": long}}),
        json!({"results": {"": 1}}),
        json!({"results": many}),
        json!({"resume": long}),
        json!({"progress": {"done": 2, "total": 1}}),
        json!({"progress": {"phase": "a\nb"}}),
        json!({"outputs": [{"path": "../x", "size": 1, "sha256": Sha256::of(b"x")}]}),
        json!({"packages": vec![long; 14]}),
        json!({"course": {"stepMs": 1, "cpuMilli": vec![1; 121]}}),
        json!({"usage": {"elapsedMs": 1, "gpus": [{"uuid": "x".repeat(129)}]}}),
    ] {
        note(&rig, &own, &bad).await.problem(422, "VALIDATION_FAILED");
        let end = json!({"exitCode": 0, "logBytes": 0, "logCrc": 0, "notes": bad});
        own.finish_with(&rig, &end).await.problem(422, "VALIDATION_FAILED");
    }
    note(&rig, &own, &json!({"nonsense": 1})).await.problem(422, "VALIDATION_FAILED");
    own.beat(&rig, &json!({"phase": "running", "progress": {"done": 2, "total": 1}})).await.problem(422, "VALIDATION_FAILED");
    rig.call("PUT", own.path("notes")).bearer("slwa_wrong").json(&json!({})).await.problem(401, "UNAUTHENTICATED");
    assert_eq!(notes(&rig, task).await, [Value::Null]);
}

#[tokio::test]
async fn the_next_attempt_is_told_what_an_earlier_one_left_for_it() {
    let rig = Rig::new().await;
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "retries": {"user": 3}})).await;
    let mut told = Vec::new();
    for (left, code) in
        [(json!({"resume": "step-1"}), 1), (json!({"results": {"a": 1}}), 1), (json!({"resume": "step-9"}), 1), (json!({}), 0)]
    {
        let mut own = rig.claimed().await;
        told.push(own.start(&rig).await["resume"].clone());
        own.beat(&rig, &json!({"phase": "starting"})).await.expect(200);
        note(&rig, &own, &left).await.expect(204);
        own.finish(&rig, code).await.expect(200);
        rig.pass(600_000);
        rig.tick().await;
    }
    assert_eq!(told, [Value::Null, json!("step-1"), json!("step-1"), json!("step-9")]);
    assert_eq!(rig.state(task).await, "succeeded");
}

#[tokio::test]
async fn a_task_leaves_files_and_gives_them_to_whoever_may_read_it() {
    let rig = Rig::new().await;
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "outputs": ["out"], "checkpoint": ["save"]})).await;
    let mut own = rig.claimed().await;
    let started = own.start(&rig).await;
    assert_eq!(started["ending"], json!({"outputs": ["out"], "checkpoint": ["save"]}));
    assert_eq!(started["outputLimitBytes"], 1 << 30);
    own.beat(&rig, &json!({"phase": "starting"})).await.expect(200);
    let (text, sum) = (b"what it left", Sha256::of(b"what it left"));
    assert_eq!(put(&rig, &own, &sum, 12, 0, &text[..5]).await.expect(200)["received"], 5);
    let of_attempt = own.path(&format!("outputs/{sum}"));
    assert_eq!(rig.call("GET", of_attempt.clone()).bearer(&own.token).await.expect(200)["received"], 5);
    let file = format!("/api/v1/tasks/{task}/outputs/{sum}");
    rig.get(Who::Viewer, file.clone()).await.problem(404, "UPLOAD_NOT_FOUND");
    assert_eq!(put(&rig, &own, &sum, 12, 5, &text[5..]).await.expect(200)["complete"], true);
    assert_eq!(rig.call("GET", of_attempt.clone()).bearer(&own.token).await.expect(200)["complete"], true);
    let list = format!("/api/v1/tasks/{task}/outputs");
    assert_eq!(rig.get(Who::Viewer, list.clone()).await.expect(200), json!({"items": []}), "not until the attempt names it");
    let output = json!({"path": "out", "size": 12, "sha256": sum});
    let end = json!({"exitCode": 0, "logBytes": 0, "logCrc": 0, "notes": {"outputs": [output]}});
    own.finish_with(&rig, &end).await.expect(200);
    assert_eq!(rig.get(Who::Viewer, list.clone()).await.expect(200), json!({"attempt": 1, "items": [output]}));
    assert_eq!(rig.get(Who::Viewer, format!("{list}?attempt=2")).await.expect(200), json!({"items": []}));
    assert_eq!(rig.get(Who::Viewer, file.clone()).await.text(), "what it left");
    assert_eq!(rig.get(Who::Viewer, format!("{file}?offset=5")).await.text(), "it left");
    put(&rig, &own, &sum, 12, 0, text).await.problem(409, "SUPERSEDED");

    // Another task that only names them does not get them.
    let other = rig.task().await;
    let own = rig.running().await;
    let end = json!({"exitCode": 0, "logBytes": 0, "logCrc": 0, "notes": {"outputs": [output]}});
    own.finish_with(&rig, &end).await.expect(200);
    rig.get(Who::Viewer, format!("/api/v1/tasks/{other}/outputs/{sum}")).await.problem(404, "UPLOAD_NOT_FOUND");
    // Nor may a user's task take them for its code.
    rig.post(Who::Sam, "/api/v1/tasks", &json!({"command": ["true"], "code": {"upload": sum}})).await.problem(404, "UPLOAD_NOT_FOUND");
}

#[tokio::test]
async fn the_files_of_a_task_are_bounded_by_its_queue() {
    let rig = Rig::new().await;
    let queue = json!({"limits": {"outputBytes": 10}});
    rig.call("PUT", "/api/v1/queues/default").bearer(rig.token(Who::Admin)).json(&queue).await.expect(200);
    rig.task().await;
    let own = rig.running().await;
    let (one, two) = (Sha256::of(b"123456"), Sha256::of(b"12345"));
    put(&rig, &own, &one, 6, 0, b"123456").await.expect(200);
    put(&rig, &own, &one, 6, 0, b"123456").await.expect(200);
    let refused = put(&rig, &own, &two, 5, 0, b"12345").await.problem(413, "BODY_TOO_LARGE");
    assert!(refused["detail"].as_str().unwrap().contains("at most 10 bytes together"), "{refused}");
}

#[tokio::test]
async fn a_task_without_an_agent_can_neither_save_nor_leave_anything() {
    let rig = Rig::new().await;
    let queue = json!({"useImageEntrypoint": true, "podTemplate": {"spec": {"containers": [{"name": "c", "image": "i"}]}}});
    rig.call("PUT", "/api/v1/queues/serve").bearer(rig.token(Who::Admin)).json(&queue).await.expect(201);
    let task = json!({"queue": "serve", "outputs": ["a"], "checkpoint": ["b"], "code": {"inline": {"a": "b"}}, "workingDir": "x", "environment": {}});
    let problem = rig.post(Who::Sam, "/api/v1/tasks", &task).await.problem(422, "VALIDATION_FAILED");
    let pointers: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/code", "/workingDir", "/environment", "/checkpoint", "/outputs"]);
    let wrong = json!({"command": ["true"], "outputs": ["/etc/passwd", "../x"], "checkpoint": [""]});
    let problem = rig.post(Who::Sam, "/api/v1/tasks", &wrong).await.problem(422, "VALIDATION_FAILED");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 3, "{problem}");
}

#[tokio::test]
async fn what_a_task_said_and_left_goes_with_it() {
    const DAY: u64 = 86_400_000;
    let rig = Rig::new().await;
    let queue = json!({"retention": {"tasks": {"days": 2}}});
    rig.call("PUT", "/api/v1/queues/default").bearer(rig.token(Who::Admin)).json(&queue).await.expect(200);
    let task = rig.task().await;
    let own = rig.running().await;
    let sum = Sha256::of(b"left");
    put(&rig, &own, &sum, 4, 0, b"left").await.expect(200);
    let end = json!({"exitCode": 0, "logBytes": 0, "logCrc": 0, "notes": {"outputs": [{"path": "out", "size": 4, "sha256": sum}]}});
    own.finish_with(&rig, &end).await.expect(200);
    let kept = async || rig.app.uploads.size(&sum).await.unwrap().is_some();
    rig.pass(2 * DAY - 1);
    clockwork::tidy(&rig.app).await;
    assert!(kept().await);
    rig.pass(2 * DAY);
    clockwork::tidy(&rig.app).await;
    clockwork::tidy(&rig.app).await;
    assert!(!kept().await);
    assert!(rig.app.store.notes(crate::domain::TaskId(task)).await.unwrap().is_empty());
    rig.get(Who::Viewer, format!("/api/v1/tasks/{task}/outputs/{sum}")).await.problem(404, "UPLOAD_NOT_FOUND");
}
