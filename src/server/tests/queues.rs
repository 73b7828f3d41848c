//! Queues: applied by revision, defaults, limits, pauses.

use super::{
    rig::{Rig, Who},
    wires::Call,
};
use serde_json::{Value, json};

const GPU: &str = "/api/v1/queues/gpu";

fn put(rig: &Rig, body: &Value) -> Call {
    rig.call("PUT", GPU).bearer(rig.token(Who::Admin)).json(body)
}

fn delete(rig: &Rig) -> Call {
    rig.call("DELETE", GPU).bearer(rig.token(Who::Admin))
}

#[tokio::test]
async fn a_queue_is_applied_by_revision() {
    let rig = Rig::new().await;
    let made = put(&rig, &json!({"description": "cards"})).header("if-none-match", "*").await;
    assert_eq!((made.expect(201)["revision"].clone(), made.header("etag")), (json!(1), Some("\"1\"")));
    put(&rig, &json!({})).header("if-none-match", "*").await.problem(412, "PRECONDITION_FAILED");
    // The same document changes nothing.
    assert_eq!(put(&rig, &json!({"name": "gpu", "description": "cards"})).await.expect(200)["revision"], 1);
    assert_eq!(put(&rig, &json!({"description": "more"})).header("if-match", "\"1\"").await.header("etag"), Some("\"2\""));
    let problem = put(&rig, &json!({})).header("if-match", "\"1\"").await.problem(412, "PRECONDITION_FAILED");
    assert_eq!(problem["detail"], "Queue gpu is at revision 2.");
    for strange in ["W/\"2\"", "two", "\"-1\""] {
        put(&rig, &json!({})).header("if-match", strange).await.problem(412, "PRECONDITION_FAILED");
    }
    let read = rig.get(Who::Viewer, GPU).await;
    assert_eq!((read.expect(200)["description"].clone(), read.header("etag")), (json!("more"), Some("\"2\"")));
    let known = rig.get(Who::Viewer, GPU).header("if-none-match", "\"2\"").await;
    assert_eq!((known.status.as_u16(), known.body.len(), known.header("etag")), (304, 0, Some("\"2\"")));
    rig.get(Who::Viewer, GPU).header("if-none-match", "\"1\"").await.expect(200);
    // It exists, whatever its revision.
    put(&rig, &json!({"description": "any"})).header("if-match", "*").await.expect(200);
    rig.call("PUT", "/api/v1/queues/none")
        .bearer(rig.token(Who::Admin))
        .json(&json!({}))
        .header("if-match", "*")
        .await
        .problem(412, "PRECONDITION_FAILED");
    let names: Vec<_> =
        rig.get(Who::Viewer, "/api/v1/queues").await.expect(200)["items"].as_array().unwrap().iter().map(|q| q["name"].clone()).collect();
    assert_eq!(names, ["default", "gpu"]);
}

#[tokio::test]
async fn a_queue_that_another_keeps_is_replaced_by_force_alone() {
    let rig = Rig::new().await;
    put(&rig, &json!({"description": "ours"})).await.expect(201);
    // Nobody keeps it yet, so anybody may begin to.
    put(&rig, &json!({"description": "theirs", "managedBy": "terraform"})).await.expect(200);
    put(&rig, &json!({"description": "more", "managedBy": "terraform"})).await.expect(200);
    for other in [json!({}), json!({"managedBy": "olga"})] {
        let problem = put(&rig, &other).await.problem(409, "CONFLICT");
        assert_eq!(problem["detail"], "Queue gpu is kept by terraform (managedBy).");
    }
    let by_force = rig.call("PUT", "/api/v1/queues/gpu?force=true").bearer(rig.token(Who::Admin)).json(&json!({"managedBy": "olga"}));
    assert_eq!(by_force.await.expect(200)["managedBy"], "olga");
    let strange = rig.call("PUT", "/api/v1/queues/gpu?forced=true").bearer(rig.token(Who::Admin)).json(&json!({}));
    strange.await.problem(400, "INVALID_PARAMETER");
}

#[tokio::test]
async fn a_queue_with_a_fault_is_refused_by_place() {
    let rig = Rig::new().await;
    for (body, pointer) in [
        (json!({"name": "other"}), "/name"),
        (json!({"defaults": {"timeoutSeconds": 0}}), "/defaults/timeoutSeconds"),
        (json!({"defaults": {"env": {"1A": ""}}}), "/defaults/env/1A"),
        (json!({"limits": {"logBytes": 1}}), "/limits/logBytes"),
        (json!({"limits": {"logbytes": 5000}}), "/limits/logbytes"),
        (json!({"description": "x".repeat(1001)}), "/description"),
        (json!({"defaults": {"image": "two words"}}), "/defaults/image"),
        (json!({"defaults": {"image": ""}}), "/defaults/image"),
        (json!({"pendingTimeoutSeconds": 0}), "/pendingTimeoutSeconds"),
        (json!({"failPendingAfterSeconds": 2_592_001}), "/failPendingAfterSeconds"),
        (json!({"keepJobsSeconds": {"failure": 86_401}}), "/keepJobsSeconds/failure"),
        (json!({"podTemplate": []}), "/podTemplate"),
        (json!({"podTemplate": {"spec": {"containers": [{"imagee": "x"}]}}}), "/podTemplate/spec/containers/0/imagee"),
        (json!({"podTemplate": {"metadata": {"annotations": {"a": "x".repeat(300_000)}}}}), "/podTemplate"),
    ] {
        let problem = put(&rig, &body).await.problem(422, "VALIDATION_FAILED");
        assert_eq!(problem["errors"][0]["pointer"], pointer);
        assert!(problem["detail"].is_string());
    }
    rig.get(Who::Viewer, GPU).await.problem(404, "QUEUE_NOT_FOUND");
}

#[tokio::test]
async fn a_queue_with_live_tasks_stays() {
    let rig = Rig::new().await;
    put(&rig, &json!({})).await.expect(201);
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "queue": "gpu"})).await;
    delete(&rig).await.problem(409, "CONFLICT");
    rig.post(Who::Sam, format!("/api/v1/tasks/{task}/cancel"), &json!({})).await.expect(200);
    delete(&rig).header("if-match", "\"9\"").await.problem(412, "PRECONDITION_FAILED");
    delete(&rig).await.expect(204);
    delete(&rig).await.problem(404, "QUEUE_NOT_FOUND");
    rig.post(Who::Sam, "/api/v1/tasks", &json!({"command": ["true"], "queue": "gpu"})).await.problem(404, "QUEUE_NOT_FOUND");
    // Its tasks stay; one of them cannot run again until the queue is back.
    assert_eq!(rig.state(task).await, "cancelled");
    rig.post(Who::Sam, format!("/api/v1/tasks/{task}/rerun"), &json!({})).await.problem(404, "QUEUE_NOT_FOUND");
}

#[tokio::test]
async fn a_queue_fills_in_what_its_tasks_leave_out() {
    let rig = Rig::new().await;
    let defaults =
        json!({"timeoutSeconds": 60, "graceSeconds": 7, "retries": {"user": 2, "infra": 1}, "env": {"A": "queue", "B": "queue"}});
    put(&rig, &json!({"defaults": defaults, "limits": {"logBytes": 5000}})).await.expect(201);
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "queue": "gpu", "timeoutSeconds": 5, "env": {"B": "task"}})).await;
    let task = rig.get(Who::Sam, format!("/api/v1/tasks/{task}")).await.expect(200);
    assert_eq!((&task["timeoutSeconds"], &task["graceSeconds"], &task["retries"]["user"]), (&json!(5), &json!(7), &json!(2)));
    assert_eq!(task["env"], json!({"A": "queue", "B": "task"}));
    // What was filled in is the task's; a later change of the queue leaves it alone.
    put(&rig, &json!({})).await.expect(200);
    assert_eq!(rig.get(Who::Sam, format!("/api/v1/tasks/{}", task["id"])).await.expect(200), task);
}

#[tokio::test]
async fn a_paused_queue_takes_tasks_and_gives_none() {
    let rig = Rig::new().await;
    let pause = |body: &Value| rig.post(Who::Operator, "/api/v1/queues/default/pause", body);
    let paused = pause(&json!({"reason": "moving racks"})).await.expect(200);
    assert_eq!((&paused["paused"]["by"], &paused["paused"]["reason"]), (&json!("olga"), &json!("moving racks")));
    rig.task().await;
    assert_eq!(rig.claim(uuid::Uuid::from_u128(1), 5).await, Vec::<Value>::new());
    pause(&json!({"reason": "x".repeat(1001)})).await.problem(422, "VALIDATION_FAILED");
    let resumed = rig.call("POST", "/api/v1/queues/default/resume").bearer(rig.token(Who::Operator)).await.expect(200);
    assert_eq!((resumed.get("paused"), &resumed["counts"]["queued"]), (None, &json!(1)));
    assert_eq!(rig.claim(uuid::Uuid::from_u128(2), 5).await.len(), 1);
    rig.call("POST", "/api/v1/queues/nope/pause").bearer(rig.token(Who::Operator)).await.problem(404, "QUEUE_NOT_FOUND");
}
