//! History as lines of JSON: complete, in order, bounded by time and queue.

use super::rig::{Rig, Who};
use serde_json::{Value, json};

async fn lines(rig: &Rig, path: &str) -> Vec<Value> {
    let reply = rig.get(Who::Operator, format!("/api/v1/export/{path}")).await;
    assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, Some("application/x-ndjson")), "{}", reply.text());
    let text = reply.text();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A rig with one task that failed once and then succeeded, one that runs, and one of another queue that waits.
async fn history() -> Rig {
    let rig = Rig::new().await;
    rig.call("PUT", "/api/v1/queues/gpu").bearer(rig.token(Who::Admin)).json(&json!({})).await.expect(201);
    let twice = json!({"command": ["true"], "retries": {"user": 1}, "resources": {"gpus": 2}, "labels": {"team": "vision"}});
    rig.submit(Who::Sam, twice).await;
    for code in [1, 0] {
        let mut own = rig.running().await;
        own.log(&rig, "four").await;
        rig.pass(10_000);
        own.finish(&rig, code).await.expect(200);
        rig.pass(600_000);
        rig.tick().await;
    }
    rig.task().await;
    rig.running().await;
    rig.submit(Who::Sue, json!({"command": ["true"], "queue": "gpu"})).await;
    rig.pass(5_500);
    rig
}

#[tokio::test]
async fn an_export_is_all_of_history_in_order() {
    let rig = history().await;
    let tasks = lines(&rig, "tasks").await;
    for (nth, task) in tasks.iter().enumerate() {
        let shown = rig.get(Who::Viewer, format!("/api/v1/tasks/{}", nth + 1)).await.expect(200);
        assert_eq!(*task, shown, "a line is the object that the API shows");
    }
    assert_eq!(tasks.len(), 3);

    let attempts = lines(&rig, "attempts").await;
    let told: Vec<_> =
        attempts.iter().map(|a| json!([a["task"], a["attempt"], a["state"], a["phase"], a["logBytes"], a["user"]])).collect();
    assert_eq!(
        told,
        [
            json!([1, 1, "failed", "ended", 4, "sam"]),
            json!([1, 2, "succeeded", "ended", 4, "sam"]),
            json!([2, 1, null, "running", 0, "sam"])
        ]
    );

    let usage = lines(&rig, "usage").await;
    let seconds: Vec<_> = usage.iter().map(|u| json!([u["task"], u["attempt"], u["gpus"], u["slotSeconds"], u["gpuSeconds"]])).collect();
    assert_eq!(seconds, [json!([1, 1, 2, 10, 20]), json!([1, 2, 2, 10, 20]), json!([2, 1, 0, 5, 0])]);
    assert_eq!(
        (&usage[0]["class"], &usage[0]["reason"], &usage[0]["labels"]),
        (&json!("user"), &json!("ExitNonZero"), &json!({"team": "vision"}))
    );
    assert_eq!((&usage[2]["endedAt"], &usage[2]["queue"]), (&Value::Null, &json!("default")));
}

#[tokio::test]
async fn an_export_is_bounded_by_time_and_queue() {
    let rig = history().await;
    let count = async |path: &str| lines(&rig, path).await.len();
    assert_eq!(count("tasks?queue=gpu").await, 1);
    assert_eq!(count("attempts?queue=gpu").await, 0);
    // The clock began at 2027-01-15T08:00:00Z; the second attempt was claimed ten minutes later.
    assert_eq!(count("tasks?since=2027-01-15T08:05:00Z").await, 2);
    assert_eq!(count("tasks?until=2027-01-15T08:05:00Z").await, 1);
    assert_eq!(count("usage?since=2027-01-15T08:05:00Z&until=2027-01-15T08:15:00Z").await, 1, "by the attempt's claim");
    assert_eq!(count("usage?until=2027-01-15T08:00:00Z").await, 0);
    for wrong in ["since=yesterday", "queue=a%20b", "user=sam"] {
        rig.get(Who::Operator, format!("/api/v1/export/tasks?{wrong}")).await.problem(400, "INVALID_PARAMETER");
    }
    let crossed = rig.get(Who::Operator, "/api/v1/export/tasks?since=2027-01-02T00:00:00Z&until=2027-01-01T00:00:00Z").await;
    assert_eq!(crossed.problem(422, "VALIDATION_FAILED")["errors"][0]["pointer"], "/since");
}

#[tokio::test]
async fn an_export_goes_on_over_pages() {
    let rig = Rig::new().await;
    let tasks = Value::Array(vec![json!({"command": ["true"]}); 1000]);
    rig.post(Who::Sam, "/api/v1/tasks:batch", &json!({"tasks": tasks})).await.expect(201);
    let ids: Vec<_> = lines(&rig, "tasks").await.iter().map(|task| task["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, (1..=1000).collect::<Vec<_>>());
}

/// A sum's keys, and its tasks, attempts, slot seconds, GPU seconds and those that were lost.
async fn sums(rig: &Rig, query: &str) -> Vec<Value> {
    let report = rig.get(Who::Operator, format!("/api/v1/usage?{query}")).await.expect(200);
    assert_eq!(report["complete"], json!(true));
    let figures = ["user", "queue", "label", "tasks", "attempts", "slotSeconds", "gpuSeconds", "lostGpuSeconds"];
    report["items"].as_array().unwrap().iter().map(|sum| figures.iter().map(|figure| sum[*figure].clone()).collect()).collect()
}

#[tokio::test]
async fn usage_is_added_up_by_what_is_asked_for_and_clipped_to_the_time_asked_for() {
    let rig = history().await;
    // Two attempts of ten seconds with two GPUs, of which the first failed, and one that has lived for five and a half without any.
    let (sam, sue) = (json!(["sam", null, null, 1, 2, 20, 40, 20]), json!(["sam", null, null, 2, 3, 25, 40, 20]));
    let by_user = sums(&rig, "").await;
    assert!(by_user == [sam] || by_user == [sue], "{by_user:?}");
    let by_all = sums(&rig, "by=label:team,queue").await;
    assert_eq!(by_all[0], json!([null, "default", "vision", 1, 2, 20, 40, 20]));
    assert_eq!(by_all[1], json!([null, "default", null, 1, 1, 5, 0, 0]));
    assert_eq!(sums(&rig, "queue=gpu").await, [Value::Null; 0], "what was never claimed used nothing");
    // From the middle of the second attempt on.
    let first = lines(&rig, "usage").await.remove(1);
    let claimed: crate::wire::Timestamp = first["claimedAt"].as_str().unwrap().parse().unwrap();
    let middle = claimed + jiff::SignedDuration::from_secs(4);
    assert_eq!(sums(&rig, &format!("since={middle}&by=label:team")).await[0], json!([null, null, "vision", 1, 1, 6, 12, 0]));
    assert_eq!(sums(&rig, &format!("since={claimed}&until={middle}&by=label:team")).await, [json!([null, null, "vision", 1, 1, 4, 8, 0])]);
    for (wrong, status) in [("by=users", 400), ("queue=%20", 400), ("since=2026-11-02T00:00:00Z&until=2026-11-01T00:00:00Z", 422)] {
        rig.get(Who::Operator, format!("/api/v1/usage?{wrong}")).await.expect(status);
    }
}
