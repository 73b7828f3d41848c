//! When a task may start, and until when: `dependsOn`, `notBefore`, limits, as users ask for them and see them.

use super::rig::{Rig, Who};
use serde_json::{Value, json};

async fn get(rig: &Rig, task: i64) -> Value {
    rig.get(Who::Viewer, format!("/api/v1/tasks/{task}")).await.expect(200)
}

/// The reasons of a task: code, sentence, next step.
async fn why(rig: &Rig, task: i64) -> Vec<(String, String, String)> {
    let shown = rig.get(Who::Viewer, format!("/api/v1/tasks/{task}/why")).await.expect(200);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let reasons = shown["reasons"].as_array().unwrap();
    assert!(reasons.iter().all(|r| !r["evidence"].as_array().unwrap().is_empty()), "{shown}");
    reasons.iter().map(|r| (text(&r["code"]), text(&r["message"]), text(&r["hint"]))).collect()
}

async fn batch(rig: &Rig, tasks: Value) -> super::wires::Reply {
    rig.post(Who::Sam, "/api/v1/tasks:batch", &json!({ "tasks": tasks })).await
}

fn refused(problem: &Value) -> Vec<(&str, &str)> {
    let errors = problem["errors"].as_array().unwrap();
    errors.iter().map(|e| (e["pointer"].as_str().unwrap(), e["message"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn a_batch_is_a_graph_whose_tasks_name_each_other() {
    let rig = Rig::new().await;
    let earlier = rig.task().await;
    let answer = batch(
        &rig,
        json!([
            {"ref": "eval", "command": ["true"], "dependsOn": {"afterSuccess": ["train", earlier], "afterAny": ["prep"], "onFailure": "fail"}},
            {"ref": "train", "command": ["true"], "dependsOn": {"afterSuccess": ["prep"]}},
            {"ref": "prep", "command": ["false"]},
        ]),
    )
    .await
    .expect(201);
    let ids: Vec<i64> = serde_json::from_value(answer["ids"].clone()).unwrap();
    let eval = get(&rig, ids[0]).await;
    assert_eq!(eval["dependsOn"], json!({"afterSuccess": [earlier, ids[1]], "afterAny": [ids[2]], "onFailure": "fail"}));
    assert_eq!((&eval["state"], get(&rig, ids[1]).await["dependsOn"]["onFailure"].as_str()), (&json!("waiting"), Some("cancel")));
    let [(code, message, hint)] = why(&rig, ids[0]).await.try_into().unwrap();
    assert_eq!(code, "DependencyNotMet");
    assert_eq!(message, format!("It waits for the tasks {earlier} (queued), {} (waiting), {} (queued)", ids[1], ids[2]));
    assert_eq!(hint, format!("Nothing to do; what holds one of them up: slipway why {earlier}"));

    let own = rig.running().await;
    own.finish(&rig, 0).await;
    let own = rig.running().await;
    own.finish(&rig, 1).await;
    for _ in 0..3 {
        rig.tick().await;
    }
    assert_eq!((rig.state(ids[1]).await, rig.state(ids[0]).await), ("cancelled".into(), "failed".into()));
    let ended = get(&rig, ids[0]).await["ended"].clone();
    assert_eq!((&ended["class"], &ended["reason"]), (&json!("policy"), &json!("DependencyFailed")));
    let [(code, message, hint)] = why(&rig, ids[0]).await.try_into().unwrap();
    assert_eq!((code.as_str(), message), ("DependencyFailed", format!("Task {}, which had to succeed first, was cancelled", ids[1])));
    assert_eq!(hint, format!("See why that one did not: slipway why {}; then submit both again", ids[1]));
    let [(code, message, _)] = why(&rig, ids[1]).await.try_into().unwrap();
    assert_eq!((code.as_str(), message), ("DependencyFailed", format!("Task {}, which had to succeed first, failed", ids[2])));
}

#[tokio::test]
async fn what_cannot_be_is_refused_by_its_place_and_nothing_is_stored() {
    let rig = Rig::new().await;
    let task = |name: &str, on: Value| json!({"ref": name, "command": ["true"], "dependsOn": {"afterSuccess": on}});
    let circle = json!([task("a", json!([])), task("c", json!(["b"])), task("b", json!(["d", "a"])), task("d", json!(["c"]))]);
    let problem = batch(&rig, circle).await.expect(422);
    assert_eq!(refused(&problem), [("/tasks/1/dependsOn", "these tasks wait for each other, so none could start: c → b → d → c")]);
    let problem = batch(&rig, json!([task("a", json!(["a"]))])).await.expect(422);
    assert!(refused(&problem)[0].1.ends_with("a → a"), "{problem}");

    let problem = batch(&rig, json!([task("prep", json!([])), task("x", json!(["perp", 4711, "4711", "train"]))])).await.expect(422);
    assert_eq!(
        refused(&problem),
        [
            ("/tasks/1/dependsOn/afterSuccess/0", "no task of this batch has the ref \"perp\". Did you mean \"prep\"?"),
            ("/tasks/1/dependsOn/afterSuccess/1", "there is no task 4711"),
            (
                "/tasks/1/dependsOn/afterSuccess/2",
                "\"4711\" is a text, which names a task of the same batch; the task 4711 is a number, without quotes"
            ),
            ("/tasks/1/dependsOn/afterSuccess/3", "no task of this batch has the ref \"train\""),
        ]
    );
    let problem = batch(&rig, json!([task("a b", json!([])), task("p", json!([])), task("p", json!([]))])).await.expect(422);
    assert_eq!(
        refused(&problem),
        [
            ("/tasks/0/ref", "\"a b\" is no legal ref (1 to 63 of A-Z a-z 0-9 . _ -, letters or digits at both ends)"),
            ("/tasks/2/ref", "\"p\" is the ref of /tasks/1, too"),
        ]
    );
    let problem =
        batch(&rig, json!([task("a", json!([])), {"command": ["true"], "dependsOn": {"afterSuccess": vec!["a"; 101]}}])).await.expect(422);
    assert_eq!(refused(&problem), [("/tasks/1/dependsOn", "a task depends on at most 100 others")]);

    let alone = |task: Value| rig.post(Who::Sam, "/api/v1/tasks", &task);
    let problem = alone(json!({"ref": "a", "command": ["true"]})).await.expect(422);
    assert_eq!(refused(&problem)[0].0, "/ref");
    let problem = alone(json!({"command": ["true"], "dependsOn": {"afterAny": ["a"]}})).await.expect(422);
    assert_eq!(refused(&problem), [("/dependsOn/afterAny/0", "\"a\" is no id; only in a batch do tasks name each other by ref")]);
    let all = rig.get(Who::Viewer, "/api/v1/tasks").await.expect(200);
    assert_eq!(all["items"], json!([]));
}

#[tokio::test]
async fn a_task_that_is_scheduled_says_so_until_its_time_comes() {
    let rig = Rig::new().await;
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "notBefore": "2027-01-15T10:00:00+01:00"})).await;
    assert_eq!((rig.state(task).await.as_str(), get(&rig, task).await["notBefore"].as_str()), ("waiting", Some("2027-01-15T09:00:00Z")));
    let [(code, message, _)] = why(&rig, task).await.try_into().unwrap();
    assert_eq!((code.as_str(), message.as_str()), ("ScheduledLater", "It is not started before 2027-01-15T09:00:00Z"));

    let patch = |body: Value| rig.call("PATCH", format!("/api/v1/tasks/{task}")).bearer(rig.token(Who::Sam)).json(&body);
    assert_eq!(patch(json!({"notBefore": null})).await.expect(200)["state"], "queued");
    assert_eq!(patch(json!({"notBefore": "2027-01-15T08:30:00Z"})).await.expect(200)["state"], "waiting");
    rig.pass(1_800_000);
    rig.tick().await;
    assert_eq!(rig.state(task).await, "queued");
    patch(json!({"notBefore": "tomorrow"})).await.expect(422);
    rig.claimed().await;
    patch(json!({"notBefore": null})).await.expect(409);
}

#[tokio::test]
async fn limits_come_from_the_task_or_its_queue_and_are_kept() {
    let rig = Rig::new().await;
    let defaults = json!({"defaults": {"maxWaitSeconds": 60, "totalTimeoutSeconds": 600, "timeoutSeconds": 500}});
    rig.call("PUT", "/api/v1/queues/default").bearer(rig.token(Who::Admin)).json(&defaults).await.expect(200);
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "totalTimeoutSeconds": 300})).await;
    let shown = get(&rig, task).await;
    assert_eq!((&shown["maxWaitSeconds"], &shown["totalTimeoutSeconds"]), (&json!(60), &json!(300)));
    let late = rig.submit(Who::Sam, json!({"command": ["true"]})).await;

    rig.pass(10_000);
    let mut own = rig.claimed().await;
    let started = own.start(&rig).await;
    assert_eq!(started["timeoutSeconds"], 290, "what is left of all the time");
    rig.pass(50_000);
    rig.tick().await;
    let [(code, message, _)] = why(&rig, late).await.try_into().unwrap();
    assert_eq!((code.as_str(), message.as_str()), ("NotStartedInTime", "It had not started 60 s after it was first queued"));
    assert_eq!(get(&rig, late).await["ended"]["class"], "timeout");
    assert_eq!(rig.state(task).await, "active");

    let wrong = json!({"defaults": {"maxWaitSeconds": 0}});
    let problem = rig.call("PUT", "/api/v1/queues/default").bearer(rig.token(Who::Admin)).json(&wrong).await.expect(422);
    assert_eq!(refused(&problem)[0].0, "/defaults/maxWaitSeconds");
}

#[tokio::test]
async fn a_rerun_waits_for_nothing() {
    let rig = Rig::new().await;
    let first = rig.task().await;
    let task = json!({"command": ["true"], "dependsOn": {"afterAny": [first]}, "notBefore": "2028-01-01T00:00:00Z"});
    let second = rig.submit(Who::Sam, task).await;
    let again = rig.post(Who::Sam, format!("/api/v1/tasks/{second}/rerun"), &json!({})).await.expect(201);
    assert_eq!((&again["state"], &again["dependsOn"], &again["notBefore"]), (&json!("queued"), &Value::Null, &Value::Null));
}
