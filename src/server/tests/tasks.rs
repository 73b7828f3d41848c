//! A task's life as its user sees it: submit, change, cancel, again.

use super::rig::{Rig, Who};
use serde_json::{Value, json};

fn plain() -> Value {
    json!({"command": ["true"]})
}

#[tokio::test]
async fn a_submitted_task_says_where_it_is_and_what_it_became() {
    let rig = Rig::new().await;
    let body = json!({"name": "train", "script": "#!/bin/sh\ntrue", "labels": {"team": "vision"}, "priority": "high", "env": {"A": "1"},
        "resources": {"gpus": 2}, "timeoutSeconds": 60, "graceSeconds": 5, "retries": {"user": 1, "oom": 1, "infra": 2}});
    let reply = rig.post(Who::Sam, "/api/v1/tasks", &body).await;
    let task = reply.expect(201);
    assert_eq!(reply.header("location"), Some(format!("/api/v1/tasks/{}", task["id"]).as_str()));
    for (field, value) in body.as_object().unwrap() {
        assert_eq!(&task[field], value, "{field}");
    }
    assert_eq!(
        (&task["state"], &task["user"], &task["queue"], &task["attempt"]),
        (&json!("queued"), &json!("sam"), &json!("default"), &json!(0))
    );
    assert_eq!(rig.get(Who::Viewer, reply.header("location").unwrap()).await.expect(200), task);
    assert_eq!(task["createdAt"], "2027-01-15T08:00:00Z");
    rig.get(Who::Viewer, "/api/v1/tasks/4711").await.problem(404, "TASK_NOT_FOUND");
}

#[tokio::test]
async fn what_a_submit_answers_is_what_is_stored() {
    let rig = Rig::new().await;
    let first = rig.post(Who::Sam, "/api/v1/tasks", &plain()).await.expect(201)["id"].clone();
    for more in [
        json!({}),
        json!({"name": "n", "labels": {"a": "b"}, "maxWaitSeconds": 60}),
        json!({"parent": first}),
        json!({"totalTimeoutSeconds": 60}),
        json!({"notBefore": "2037-01-15T08:00:00Z"}),
        json!({"dependsOn": {"afterAny": [first]}}),
        json!({"array": {"size": 3}}),
    ] {
        let mut body = plain();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let reply = rig.post(Who::Sam, "/api/v1/tasks", &body).await;
        let stored = rig.get(Who::Sam, reply.header("location").unwrap()).await;
        assert_eq!(reply.expect(201), stored.expect(200), "{more}");
    }
}

#[tokio::test]
async fn a_repeated_submit_gets_the_first_answer() {
    let rig = Rig::new().await;
    let keyed = |who: Who, key: &str, body: &Value| rig.post(who, "/api/v1/tasks", body).header("idempotency-key", key);
    let first = keyed(Who::Sam, "k1", &plain()).await;
    assert_eq!(first.header("idempotent-replayed"), None);
    let again = keyed(Who::Sam, "k1", &plain()).await;
    assert_eq!((again.expect(201)["id"].clone(), again.header("idempotent-replayed")), (first.expect(201)["id"].clone(), Some("true")));
    assert_eq!(again.header("location"), first.header("location"));
    // The quotes of the header's draft standard are no part of the key.
    assert_eq!(keyed(Who::Sam, "\"k1\"", &plain()).await.expect(201)["id"], first.expect(201)["id"]);

    keyed(Who::Sam, "k1", &json!({"command": ["false"]})).await.problem(422, "IDEMPOTENCY_MISMATCH");
    assert_ne!(keyed(Who::Sue, "k1", &plain()).await.expect(201)["id"], first.expect(201)["id"]);
    assert_ne!(keyed(Who::Sam, "k2", &plain()).await.expect(201)["id"], first.expect(201)["id"]);
    // A request that was refused leaves its key free.
    keyed(Who::Sam, "k3", &json!({})).await.problem(422, "VALIDATION_FAILED");
    keyed(Who::Sam, "k3", &plain()).await.expect(201);
}

#[tokio::test]
async fn at_once_or_later_a_key_makes_one_task() {
    let rig = Rig::new().await;
    let calls = (0..8).map(|_| rig.post(Who::Sam, "/api/v1/tasks", &plain()).header("idempotency-key", "k").into_future());
    let ids: std::collections::HashSet<i64> =
        futures::future::join_all(calls).await.iter().map(|reply| reply.expect(201)["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), 1);
    // A key is good for a day.
    rig.pass(86_400_000 + 1);
    rig.app.store.run(crate::store::ForgetKeys).await.unwrap();
    let later = rig.post(Who::Sam, "/api/v1/tasks", &plain()).header("idempotency-key", "k").await;
    assert!(!ids.contains(&later.expect(201)["id"].as_i64().unwrap()));
}

#[tokio::test]
async fn a_batch_is_stored_whole_or_not_at_all() {
    let rig = Rig::new().await;
    let send = |tasks: Value| rig.post(Who::Sam, "/api/v1/tasks:batch", &json!({"tasks": tasks}));
    for (fault, pointer) in [
        (json!({"command": ["true"], "timeoutSeconds": 0}), "/tasks/3/timeoutSeconds"),
        (json!({"command": "true"}), "/tasks/3/command"),
        (json!({}), "/tasks/3/command"),
    ] {
        let problem = send(json!([plain(), plain(), plain(), fault])).await.problem(422, "VALIDATION_FAILED");
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
    let problem = send(json!([plain(), plain(), plain(), {"command": ["true"], "queue": "x"}])).await.problem(404, "QUEUE_NOT_FOUND");
    assert_eq!(problem["errors"][0]["pointer"], "/tasks/3/queue");
    send(json!([])).await.problem(422, "VALIDATION_FAILED");
    send(Value::Array(vec![plain(); 1001])).await.problem(422, "VALIDATION_FAILED");
    assert_eq!(rig.get(Who::Sam, "/api/v1/tasks").await.expect(200)["items"], json!([]));

    let ids = send(Value::Array(vec![plain(); 1000])).await.expect(201)["ids"].as_array().unwrap().clone();
    assert!(ids.len() == 1000 && ids.windows(2).all(|w| w[0].as_i64() < w[1].as_i64()));
}

#[tokio::test]
async fn the_keys_of_a_batch_and_of_a_rerun_are_their_own() {
    let rig = Rig::new().await;
    let task = rig.task().await;
    let other = rig.task().await;
    let batch = || rig.post(Who::Sam, "/api/v1/tasks:batch", &json!({"tasks": [plain(), plain()]})).header("idempotency-key", "k");
    let rerun = |id: i64| rig.post(Who::Sam, format!("/api/v1/tasks/{id}/rerun"), &json!({})).header("idempotency-key", "k");
    let (first, again) = (batch().await, batch().await);
    assert_eq!(first.expect(201), again.expect(201));
    assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), (None, Some("true")));
    let (first, again) = (rerun(task).await, rerun(task).await);
    assert_eq!(first.expect(201)["id"], again.expect(201)["id"]);
    assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), (None, Some("true")));
    rerun(other).await.problem(422, "IDEMPOTENCY_MISMATCH");
}

#[tokio::test]
async fn a_task_that_has_not_started_can_be_changed() {
    let rig = Rig::new().await;
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "name": "a", "labels": {"keep": "1", "drop": "2"}})).await;
    let patch = |body: Value| {
        let call = rig.call("PATCH", format!("/api/v1/tasks/{task}")).bearer(rig.token(Who::Sam)).json(&body);
        call.header("content-type", "application/merge-patch+json")
    };
    let changed = patch(json!({"labels": {"drop": null, "new": "3", "never": null}, "priority": "critical"})).await.expect(200);
    assert_eq!(
        (&changed["labels"], &changed["priority"], &changed["name"]),
        (&json!({"keep": "1", "new": "3"}), &json!("critical"), &json!("a"))
    );
    assert_eq!(patch(json!({"name": null})).await.expect(200).get("name"), None);
    assert_eq!(patch(json!({})).await.expect(200)["labels"], changed["labels"]);
    for (fault, pointer) in [(json!({"name": ""}), "/name"), (json!({"labels": {"x": "a b"}}), "/labels/x")] {
        let problem = patch(fault).await.problem(422, "VALIDATION_FAILED");
        assert_eq!(problem["errors"][0]["pointer"], pointer);
        assert!(problem["detail"].is_string(), "{problem}");
    }
    patch(json!({"command": ["false"]})).await.problem(422, "VALIDATION_FAILED");

    rig.running().await;
    let problem = patch(json!({"name": "late"})).await.problem(409, "CONFLICT");
    assert!(problem["detail"].as_str().unwrap().contains("is active"), "{problem}");
}

#[tokio::test]
async fn patches_at_once_lose_none_of_their_labels() {
    let rig = Rig::new().await;
    let task = rig.task().await;
    let patch = |i: usize| {
        let labels = json!({"labels": {format!("l{i}"): "1"}});
        rig.call("PATCH", format!("/api/v1/tasks/{task}")).bearer(rig.token(Who::Sam)).json(&labels).into_future()
    };
    for reply in futures::future::join_all((0..8).map(patch)).await {
        reply.expect(200);
    }
    let labels = rig.get(Who::Sam, format!("/api/v1/tasks/{task}")).await.expect(200)["labels"].as_object().unwrap().len();
    assert_eq!(labels, 8);
}

#[tokio::test]
async fn a_cancel_ends_what_waits_and_asks_what_runs() {
    let rig = Rig::new().await;
    let cancel = |id: i64| rig.post(Who::Sam, format!("/api/v1/tasks/{id}/cancel"), &json!({}));
    let waiting = rig.task().await;
    for _ in 0..2 {
        assert_eq!(cancel(waiting).await.expect(200)["state"], "cancelled");
    }
    let task = rig.task().await;
    let own = rig.running().await;
    for _ in 0..2 {
        let asked = cancel(task).await.expect(202);
        assert_eq!(asked["state"], "active");
        assert!(asked["cancelRequestedAt"].is_string());
    }
    // Without a body, too.
    rig.call("POST", format!("/api/v1/tasks/{task}/cancel")).bearer(rig.token(Who::Sam)).await.expect(202);
    own.finish_with(&rig, &json!({"signal": 15, "stoppedBy": "cancel", "logBytes": 0, "logCrc": 0})).await.expect(200);
    assert_eq!(cancel(task).await.expect(200)["state"], "cancelled");
    rig.post(Who::Sam, "/api/v1/tasks/4711/cancel", &json!({})).await.problem(404, "TASK_NOT_FOUND");
    rig.post(Who::Sam, format!("/api/v1/tasks/{task}/cancel"), &json!({"force": true})).await.problem(422, "VALIDATION_FAILED");
}

#[tokio::test]
async fn cancelling_a_silent_attempt_ends_the_task_at_once() {
    let rig = Rig::new().await;
    let task = rig.task().await;
    let own = rig.running().await;
    rig.pass(600_000);
    let shown = rig.get(Who::Sam, format!("/api/v1/tasks/{task}")).await.expect(200);
    assert_eq!((&shown["heartbeatLost"], &shown["state"]), (&json!(true), &json!("active")));
    assert_eq!(rig.post(Who::Sam, format!("/api/v1/tasks/{task}/cancel"), &json!({})).await.expect(200)["state"], "cancelled");
    own.beat(&rig, &json!({"phase": "running"})).await.problem(409, "SUPERSEDED");
}

#[tokio::test]
async fn a_rerun_is_a_new_task_of_who_asked() {
    let rig = Rig::new().await;
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "name": "x", "env": {"A": "1"}})).await;
    let reply = rig.post(Who::Operator, format!("/api/v1/tasks/{task}/rerun"), &json!({})).await;
    let again = reply.expect(201);
    assert_eq!(
        (&again["rerunOf"], &again["name"], &again["env"], &again["user"]),
        (&json!(task), &json!("x"), &json!({"A": "1"}), &json!("olga"))
    );
    assert_eq!(reply.header("location"), Some(format!("/api/v1/tasks/{}", again["id"]).as_str()));
    assert_eq!(rig.state(task).await, "queued");
    rig.post(Who::Sam, "/api/v1/tasks/4711/rerun", &json!({})).await.problem(404, "TASK_NOT_FOUND");
}

#[tokio::test]
async fn attempts_are_listed_with_how_they_ended() {
    let rig = Rig::new().await;
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "retries": {"user": 1}})).await;
    let mut first = rig.running().await;
    first.log(&rig, "oops").await;
    first.finish(&rig, 3).await.expect(200);
    assert_eq!(rig.state(task).await, "waiting");
    rig.pass(600_000);
    rig.tick().await;
    let mut second = rig.running().await;
    second.log(&rig, "ok so far").await;
    let items = rig.get(Who::Viewer, format!("/api/v1/tasks/{task}/attempts")).await.expect(200)["items"].clone();
    assert_eq!(items.as_array().unwrap().len(), 2);
    let ended = &items[0]["ended"];
    assert_eq!(
        (&items[0]["state"], &ended["exitCode"], &ended["logComplete"], &items[0]["logBytes"]),
        (&json!("failed"), &json!(3), &json!(true), &json!(4))
    );
    assert_eq!((&items[1]["phase"], &items[1]["runner"], &items[1]["logBytes"]), (&json!("running"), &json!("r1"), &json!(9)));
    rig.get(Who::Viewer, "/api/v1/tasks/4711/attempts").await.problem(404, "TASK_NOT_FOUND");
}

#[tokio::test]
async fn an_operator_gives_an_attempt_up_and_says_why() {
    let rig = Rig::new().await;
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "retries": {"infra": 0}})).await;
    let own = rig.running().await;
    let abandon =
        |n: u32, reason: &str| rig.post(Who::Operator, format!("/api/v1/tasks/{task}/attempts/{n}/abandon"), &json!({"reason": reason}));
    abandon(1, " ").await.problem(422, "VALIDATION_FAILED");
    abandon(2, "why").await.problem(404, "ATTEMPT_NOT_FOUND");
    let given_up = abandon(1, "the node burnt down").await.expect(200);
    assert_eq!((&given_up["state"], &given_up["ended"]["class"]), (&json!("failed"), &json!("lost")));
    assert_eq!(given_up["ended"]["message"], "given up by olga: the node burnt down");
    abandon(1, "again").await.problem(409, "SUPERSEDED");
    own.beat(&rig, &json!({"phase": "running"})).await.problem(409, "SUPERSEDED");
}
