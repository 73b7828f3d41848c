//! Moving and boosting tasks, and what a ready task is told to wait for.

use super::rig::{INSTANCE, Rig, Who};
use serde_json::{Value, json};
use uuid::Uuid;

async fn put(rig: &Rig, path: &str, body: Value) {
    let reply = rig.call("PUT", format!("/api/v1/{path}")).bearer(rig.token(Who::Admin)).json(&body).await;
    assert!(reply.status.is_success(), "{}", reply.text());
}

/// The reasons of a queued task: code, whether it blocks, message.
async fn reasons(rig: &Rig, task: i64) -> Vec<(String, bool, String)> {
    let why = rig.get(Who::Viewer, format!("/api/v1/tasks/{task}/why")).await.expect(200);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let told = |r: &Value| (text(&r["code"]), r["blocking"].as_bool().unwrap(), text(&r["message"]));
    let reasons = why["reasons"].as_array().unwrap();
    assert!(reasons.iter().all(|r| r["hint"].is_string() && !r["evidence"].as_array().unwrap().is_empty()), "{why}");
    reasons.iter().map(told).collect()
}

#[tokio::test]
async fn a_user_orders_their_own_tasks() {
    let rig = Rig::new().await;
    let (a, b, c) = (rig.task().await, rig.task().await, rig.task().await);
    let shift = |task: i64, body: Value| rig.post(Who::Sam, format!("/api/v1/tasks/{task}/move"), &body);
    shift(c, json!({"to": "front"})).await.expect(200);
    shift(a, json!({"after": b})).await.expect(200);
    shift(a, json!({"to": "back"})).await.expect(200);
    shift(a, json!({"before": b})).await.expect(200);
    let position = |task: i64| {
        let get = rig.get(Who::Viewer, format!("/api/v1/tasks/{task}/why"));
        async move { get.await.expect(200)["position"]["index"].clone() }
    };
    assert_eq!([position(c).await, position(a).await, position(b).await], [1, 2, 3]);
    let claimed: Vec<_> = rig.claim(Uuid::from_u128(1), 3).await.iter().map(|item| item["task"].as_i64().unwrap()).collect();
    assert_eq!(claimed, [c, a, b]);
}

#[tokio::test]
async fn a_move_that_cannot_be_says_why() {
    let rig = Rig::new().await;
    let (running, a, high) = (rig.task().await, rig.task().await, rig.task().await);
    rig.claimed().await;
    rig.call("PATCH", format!("/api/v1/tasks/{high}")).bearer(rig.token(Who::Sam)).json(&json!({"priority": "high"})).await.expect(200);
    let foreign = rig.submit(Who::Sue, json!({"command": ["true"]})).await;
    let path = format!("/api/v1/tasks/{a}/move");
    for (body, pointer) in [
        (json!({}), ""),
        (json!({"to": "front", "before": high}), ""),
        (json!({"before": a}), "/before"),
        (json!({"after": 4711}), "/after"),
        (json!({"to": "middle"}), "/to"),
        (json!({"infront": 1}), "/infront"),
    ] {
        let problem = rig.post(Who::Sam, &path, &body).await.problem(422, "VALIDATION_FAILED");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}: {problem}");
    }
    for (body, said) in [
        (json!({"before": running}), format!("Task {running} is active")),
        (json!({"before": foreign}), format!("Task {foreign} is of another user or queue")),
        (json!({"after": high}), format!("Task {high} is served in another tier")),
    ] {
        let problem = rig.post(Who::Sam, &path, &body).await.problem(409, "CONFLICT");
        assert!(problem["detail"].as_str().unwrap().starts_with(&said) && problem["hint"].is_string(), "{problem}");
    }
    let problem = rig.post(Who::Sam, format!("/api/v1/tasks/{running}/move"), &json!({"to": "front"})).await.problem(409, "CONFLICT");
    assert!(problem["detail"].as_str().unwrap().contains("is active"), "{problem}");
    rig.post(Who::Sam, "/api/v1/tasks/4711/move", &json!({"to": "front"})).await.problem(404, "TASK_NOT_FOUND");
    rig.post(Who::Operator, format!("/api/v1/tasks/{foreign}/move"), &json!({"to": "front"})).await.expect(200);
}

#[tokio::test]
async fn an_operator_boosts_a_task_before_every_priority() {
    let rig = Rig::new().await;
    let urgent = rig.submit(Who::Sue, json!({"command": ["true"], "priority": "critical"})).await;
    let low = rig.submit(Who::Sam, json!({"command": ["true"], "priority": "low"})).await;
    let boost = |body: &Value| rig.post(Who::Operator, format!("/api/v1/tasks/{low}/boost"), body);
    rig.post(Who::Sam, format!("/api/v1/tasks/{low}/boost"), &json!({"boost": true})).await.problem(403, "FORBIDDEN");
    assert_eq!(boost(&json!({"boost": true})).await.expect(200)["boosted"], true);
    assert_eq!(boost(&json!({"boost": false})).await.expect(200).get("boosted"), None);
    boost(&json!({"boost": true})).await.expect(200);
    boost(&json!({})).await.problem(422, "VALIDATION_FAILED");
    let own = rig.claimed().await;
    assert_eq!(own.task, low);
    let problem = boost(&json!({"boost": false})).await.problem(409, "CONFLICT");
    assert!(problem["detail"].as_str().unwrap().contains("is active"), "{problem}");
    rig.post(Who::Operator, "/api/v1/tasks/4711/boost", &json!({"boost": true})).await.problem(404, "TASK_NOT_FOUND");
    assert_eq!(rig.claimed().await.task, urgent);
}

#[tokio::test]
async fn every_limit_that_holds_a_task_back_is_told() {
    let rig = Rig::new().await;
    rig.register("r1", INSTANCE).await.expect(200);
    put(&rig, "queues/default", json!({"limits": {"maxRunning": 1, "maxRunningPerUser": 1}})).await;
    rig.task().await;
    let second = rig.task().await;
    let other = rig.submit(Who::Sue, json!({"command": ["true"]})).await;
    assert_eq!(rig.claim(Uuid::from_u128(1), 5).await.len(), 1);
    let limit = ("QueueConcurrencyLimit".to_owned(), true, "1 of at most 1 tasks of the queue default run".to_owned());
    let own = ("UserLimit".to_owned(), true, "1 of at most 1 tasks of sam in the queue default run".to_owned());
    let told = reasons(&rig, second).await;
    assert_eq!(told[..2], [limit.clone(), own]);
    assert_eq!((told[2].0.as_str(), told[2].1), ("BehindInQueue", false), "its place is told beside them");
    assert_eq!(reasons(&rig, other).await[0], limit);
    put(&rig, "queues/default", json!({"limits": {"maxRunningPerUser": 1}})).await;
    assert_eq!(reasons(&rig, other).await[0].0, "BehindInQueue");
}

#[tokio::test]
async fn a_budget_that_is_used_up_says_who_uses_it() {
    let rig = Rig::new().await;
    rig.register("r1", INSTANCE).await.expect(200);
    put(&rig, "budgets/pool", json!({"max": 8})).await;
    put(&rig, "queues/a", json!({"budgets": {"pool": {}}})).await;
    put(&rig, "queues/b", json!({"budgets": {"pool": {"guaranteed": 2}}})).await;
    let task = |who, queue: &str, gpus: u32| rig.submit(who, json!({"command": ["true"], "queue": queue, "resources": {"gpus": gpus}}));
    task(Who::Sam, "a", 5).await;
    task(Who::Sue, "a", 1).await;
    assert_eq!(rig.claim(Uuid::from_u128(1), 5).await.len(), 2);
    let small = task(Who::Sam, "a", 1).await;
    assert_eq!(reasons(&rig, small).await[0].0, "BehindInQueue", "2 are left");
    // What b is guaranteed is kept once it asks; here nothing but its own pause keeps it from it.
    let theirs = task(Who::Sue, "b", 2).await;
    let told = reasons(&rig, small).await;
    let message = "6 of 8 GPUs of budget pool are in use: sam 5 in queue a, sue 1 in queue a; 2 guaranteed to queue b; it costs 1";
    assert_eq!(told[0], ("BudgetExhausted".into(), true, message.into()));
    assert_eq!(reasons(&rig, theirs).await[0].0, "BehindInQueue");
    let large = task(Who::Sam, "a", 9).await;
    let why = rig.get(Who::Viewer, format!("/api/v1/tasks/{large}/why")).await.expect(200);
    let codes = [&why["reasons"][0]["code"], &why["reasons"][1]["code"]];
    assert_eq!(
        (&why["verdict"], codes),
        (&json!("change"), [&json!("NeverFits"), &json!("BudgetExhausted")]),
        "r1 has 8, and so has the budget"
    );
    assert_eq!(why["reasons"][1]["hint"], "Ask for less, or ask an admin for more: slipway budget set pool --max 9");
}

#[tokio::test]
async fn a_budget_kept_for_a_large_task_says_for_which() {
    let rig = Rig::new().await;
    put(&rig, "budgets/pool", json!({"max": 8})).await;
    put(&rig, "queues/default", json!({"budgets": {"pool": {}}})).await;
    let task = |gpus: u32| rig.submit(Who::Sam, json!({"command": ["true"], "resources": {"gpus": gpus}}));
    task(5).await;
    assert_eq!(rig.claim(Uuid::from_u128(1), 1).await.len(), 1);
    let large = task(8).await;
    rig.pass(rig.app.settings.times.reserve_ms + 1_000);
    assert_eq!(rig.claim(Uuid::from_u128(2), 1).await.len(), 0);
    let small = rig.submit(Who::Sue, json!({"command": ["true"], "resources": {"gpus": 1}})).await;
    let told = reasons(&rig, small).await;
    let message = format!("The budget pool is kept for task {large}, which has waited long and needs more than what is left");
    assert!(told.contains(&("ReservedForLarger".into(), true, message)), "{told:?}");
}
