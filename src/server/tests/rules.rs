//! What queues and budgets say of the order of service, and who is let into a queue.

use super::{
    rig::{Rig, Who},
    wires::Call,
};
use serde_json::{Value, json};

fn put(rig: &Rig, path: &str, body: &Value) -> Call {
    rig.call("PUT", format!("/api/v1/{path}")).bearer(rig.token(Who::Admin)).json(body)
}

fn delete(rig: &Rig, path: &str) -> Call {
    rig.call("DELETE", format!("/api/v1/{path}")).bearer(rig.token(Who::Admin))
}

#[tokio::test]
async fn a_queue_says_limits_weights_and_budgets() {
    let rig = Rig::new().await;
    put(&rig, "budgets/pool", &json!({"max": 8})).await.expect(201);
    let doc = json!({"limits": {"maxRunning": 16, "maxRunningPerUser": 4, "maxPending": 100}, "weight": 3, "userWeights": {"sam": 2},
        "budgets": {"pool": {"guaranteed": 2.5}}});
    put(&rig, "queues/gpu", &doc).await.expect(201);
    let shown = rig.get(Who::Viewer, "/api/v1/queues/gpu").await.expect(200);
    for field in ["limits", "weight", "userWeights", "budgets"] {
        assert_eq!(shown[field], doc[field], "{field}");
    }
    let plain = rig.get(Who::Viewer, "/api/v1/queues/default").await.expect(200);
    assert_eq!((plain.get("weight"), plain.get("userWeights"), plain.get("budgets")), (None, None, None));
}

#[tokio::test]
async fn a_rule_with_a_fault_is_refused_by_place() {
    let rig = Rig::new().await;
    put(&rig, "budgets/gpu-pool", &json!({"max": 4})).await.expect(201);
    put(&rig, "queues/other", &json!({"budgets": {"gpu-pool": {"guaranteed": 3}}})).await.expect(201);
    let nine: Value = (0..9).map(|i| (format!("b{i}"), json!({}))).collect::<serde_json::Map<_, _>>().into();
    for (body, pointer, said) in [
        (json!({"limits": {"maxRunning": 0}}), "/limits/maxRunning", "pause the queue"),
        (json!({"limits": {"maxRunningPerUser": 1_000_001}}), "/limits/maxRunningPerUser", "between 1 and 1000000"),
        (json!({"limits": {"maxPending": 0}}), "/limits/maxPending", "drain the queue"),
        (json!({"limits": {"maxPendin": 5}}), "/limits/maxPendin", "Did you mean"),
        (json!({"weight": 0}), "/weight", "between 1 and 1000"),
        (json!({"userWeights": {"a/b": 1001}}), "/userWeights/a~1b", "between 1 and 1000"),
        (json!({"userWeights": {"": 1}}), "/userWeights/", "1 to 100 characters"),
        (json!({"budgets": nine}), "/budgets", "at most 8"),
        (json!({"budgets": {"gpu-poll": {}}}), "/budgets/gpu-poll", "did you mean \"gpu-pool\"?"),
        (json!({"budgets": {"zebra": {}}}), "/budgets/zebra", "slipway budget set"),
        (
            json!({"budgets": {"gpu-pool": {"guaranteed": 1.5}}}),
            "/budgets/gpu-pool/guaranteed",
            "guaranteed 4.5 together, and its max is 4",
        ),
        (json!({"budgets": {"gpu-pool": {"guaranteed": "much"}}}), "/budgets/gpu-pool/guaranteed", "no amount"),
        (json!({"budgets": {"gpu-pool": {"least": 1}}}), "/budgets/gpu-pool/least", "unknown field"),
        (
            json!({"podTemplate": {"metadata": {"labels": {"slipway.dev/weight": "much"}}}}),
            "/podTemplate/metadata/labels/slipway.dev~1weight",
            "no amount",
        ),
    ] {
        let problem = put(&rig, "queues/gpu", &body).await.problem(422, "VALIDATION_FAILED");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}: {problem}");
        assert!(problem["errors"][0]["message"].as_str().unwrap().contains(said), "{body}: {problem}");
    }
    rig.get(Who::Viewer, "/api/v1/queues/gpu").await.problem(404, "QUEUE_NOT_FOUND");
    let heavy = json!({"command": ["true"], "labels": {"slipway.dev/weight": "heavy"}});
    let problem = rig.post(Who::Sam, "/api/v1/tasks", &heavy).await.problem(422, "VALIDATION_FAILED");
    assert_eq!(problem["errors"][0]["pointer"], "/labels/slipway.dev~1weight");
}

#[tokio::test]
async fn a_budget_is_applied_by_revision_and_shows_its_use() {
    let rig = Rig::new().await;
    let pool = "budgets/pool";
    let made = put(&rig, pool, &json!({"max": 8, "description": "the rack"})).header("if-none-match", "*").await;
    assert_eq!((made.expect(201)["resource"].clone(), made.header("etag")), (json!("gpus"), Some("\"1\"")));
    put(&rig, pool, &json!({"max": 8})).header("if-none-match", "*").await.problem(412, "PRECONDITION_FAILED");
    assert_eq!(put(&rig, pool, &json!({"name": "pool", "max": 8, "description": "the rack"})).await.expect(200)["revision"], 1);
    put(&rig, "budgets/none", &json!({"max": 8})).header("if-match", "*").await.problem(412, "PRECONDITION_FAILED");
    for (body, pointer) in [
        (json!({"max": -1}), "/max"),
        (json!({"max": 1.2345}), "/max"),
        (json!({"max": 8, "resource": "cpus"}), "/resource"),
        (json!({"max": 8, "name": "other"}), "/name"),
        (json!({"max": 8, "size": 1}), "/size"),
        (json!({"max": 8, "description": "x".repeat(1001)}), "/description"),
    ] {
        let problem = put(&rig, pool, &body).await.problem(422, "VALIDATION_FAILED");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    put(&rig, "queues/gpu", &json!({"budgets": {"pool": {"guaranteed": 2}}})).await.expect(201);
    put(&rig, "queues/default", &json!({"budgets": {"pool": {}}})).await.expect(200);
    rig.submit(Who::Sam, json!({"command": ["true"], "queue": "gpu", "resources": {"gpus": 3}})).await;
    rig.running().await;
    let shown = rig.get(Who::Viewer, "/api/v1/budgets/pool").await;
    let queues = json!([{"queue": "default", "guaranteed": 0, "used": 0, "users": {}},
        {"queue": "gpu", "guaranteed": 2, "used": 3, "users": {"sam": 3}}]);
    assert_eq!(
        (shown.expect(200)["used"].clone(), shown.expect(200)["queues"].clone(), shown.header("etag")),
        (json!(3), queues, Some("\"1\""))
    );
    assert_eq!(rig.get(Who::Viewer, "/api/v1/budgets/pool").header("if-none-match", "\"1\"").await.status, 304);
    assert_eq!(rig.get(Who::Viewer, "/api/v1/budgets").await.expect(200)["items"], json!([shown.expect(200)]));

    let problem = put(&rig, pool, &json!({"max": 1})).await.problem(422, "VALIDATION_FAILED");
    assert_eq!(problem["detail"], "/max: its queues are guaranteed 2 together, so it cannot hold less.");
    let problem = delete(&rig, pool).await.problem(409, "CONFLICT");
    assert_eq!(problem["detail"], "Budget pool is named by: default, gpu.");
    for queue in ["gpu", "default"] {
        put(&rig, &format!("queues/{queue}"), &json!({})).await.expect(200);
    }
    delete(&rig, pool).header("if-match", "\"7\"").await.problem(412, "PRECONDITION_FAILED");
    delete(&rig, pool).await.expect(204);
    delete(&rig, pool).await.problem(404, "BUDGET_NOT_FOUND");
    rig.get(Who::Viewer, "/api/v1/budgets/pool").await.problem(404, "BUDGET_NOT_FOUND");
}

#[tokio::test]
async fn what_a_template_asks_for_counts_where_its_tasks_say_nothing() {
    let rig = Rig::new().await;
    put(&rig, "budgets/pool", &json!({"max": 8})).await.expect(201);
    let limits = json!({"limits": {"nvidia.com/gpu": 2, "nvidia.com/mig-1g.10gb": 1}});
    let template = json!({"spec": {"containers": [{"name": "task", "image": "x", "resources": limits}]}});
    put(&rig, "queues/gpu", &json!({"budgets": {"pool": {}}, "podTemplate": template})).await.expect(201);
    rig.submit(Who::Sam, json!({"command": ["true"], "queue": "gpu"})).await;
    let glue = json!({"kind": "kubernetes", "instance": super::rig::INSTANCE, "version": "1", "slots": 4, "gpus": 8, "queues": ["*"],
        "cluster": {"namespaces": ["ml"]}});
    rig.call("PUT", "/api/v1/runners/r1").bearer(rig.token(Who::Runner)).json(&glue).await.expect(200);
    let ask = super::rig::ask(uuid::Uuid::from_u128(1), 1);
    assert_eq!(rig.post(Who::Runner, "/api/v1/runner/claims", &ask).await.expect(200)["items"].as_array().unwrap().len(), 1);
    assert_eq!(rig.get(Who::Viewer, "/api/v1/budgets/pool").await.expect(200)["used"], 3);
}

#[tokio::test]
async fn a_draining_queue_refuses_submits_and_reruns_and_says_who_drains_it() {
    let rig = Rig::new().await;
    let submit = |key: &'static str| rig.post(Who::Sam, "/api/v1/tasks", &json!({"command": ["true"]})).header("idempotency-key", key);
    let task = submit("before").await.expect(201)["id"].clone();
    let drain = |body: &Value| rig.post(Who::Operator, "/api/v1/queues/default/drain", body);
    let shown = drain(&json!({"reason": "gone by Friday"})).await.expect(200);
    assert_eq!(shown["draining"], json!({"by": "olga", "reason": "gone by Friday", "at": "2027-01-15T08:00:00Z"}));
    drain(&json!({"reason": "x".repeat(1001)})).await.problem(422, "VALIDATION_FAILED");
    rig.call("POST", "/api/v1/queues/nope/drain").bearer(rig.token(Who::Operator)).await.problem(404, "QUEUE_NOT_FOUND");

    let problem = submit("after").await.problem(409, "QUEUE_DRAINING");
    assert_eq!(problem["detail"], "The queue default takes no new tasks: olga drains it since 2027-01-15T08:00:00Z: gone by Friday");
    assert!(problem["hint"].as_str().unwrap().contains("slipway queue resume default"), "{problem}");
    rig.post(Who::Sam, "/api/v1/tasks:batch", &json!({"tasks": [{"command": ["true"]}]})).await.problem(409, "QUEUE_DRAINING");
    rig.post(Who::Sam, format!("/api/v1/tasks/{task}/rerun"), &json!({})).await.problem(409, "QUEUE_DRAINING");
    assert_eq!(submit("before").await.expect(201)["id"], task, "a repeat answers as the first did");
    assert_eq!(rig.claim(uuid::Uuid::from_u128(1), 5).await.len(), 1, "those in it are served");

    rig.post(Who::Operator, "/api/v1/queues/default/pause", &json!({})).await.expect(200);
    let resumed = rig.post(Who::Operator, "/api/v1/queues/default/resume", &json!({})).await.expect(200);
    assert_eq!((resumed.get("paused"), resumed.get("draining")), (None, None), "resume ends both");
    submit("after").await.expect(201);
}

#[tokio::test]
async fn a_full_queue_says_its_figures() {
    let rig = Rig::new().await;
    put(&rig, "queues/default", &json!({"limits": {"maxPending": 2}})).await.expect(200);
    let task = rig.task().await;
    let three = json!({"tasks": vec![json!({"command": ["true"]}); 3]});
    let problem = rig.post(Who::Sam, "/api/v1/tasks:batch", &three).await.problem(409, "QUEUE_FULL");
    let said = "The queue default takes at most 2 tasks that wait or are queued (limits.maxPending), and has 1: 3 refused, nothing stored.";
    assert_eq!(problem["detail"], said);
    rig.task().await;
    let problem = rig.post(Who::Sam, format!("/api/v1/tasks/{task}/rerun"), &json!({})).await.problem(409, "QUEUE_FULL");
    assert!(problem["detail"].as_str().unwrap().contains("and has 2: 1 refused") && problem["hint"].is_string(), "{problem}");
    assert_eq!(rig.claim(uuid::Uuid::from_u128(1), 1).await.len(), 1);
    rig.task().await;
}
