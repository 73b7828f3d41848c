//! `GET /tasks/{id}/why`, in every state of a task.

use super::{
    own::Own,
    rig::{INSTANCE, Rig, Who},
};
use serde_json::{Value, json};

async fn why(rig: &Rig, task: i64) -> Value {
    rig.get(Who::Viewer, format!("/api/v1/tasks/{task}/why")).await.expect(200)
}

/// The codes, blocking ones first, and the verdict.
fn codes(why: &Value) -> (Vec<(&str, bool)>, Option<&str>) {
    let reasons = why["reasons"].as_array().unwrap();
    for reason in reasons {
        let sound = !reason["message"].as_str().unwrap().is_empty() && !reason["evidence"].as_array().unwrap().is_empty();
        assert!(sound && reason["hint"].is_string(), "{reason}");
    }
    let of = |reason: &'_ Value| reason["blocking"].as_bool().unwrap();
    (reasons.iter().map(|r| (r["code"].as_str().unwrap(), of(r))).collect(), why["verdict"].as_str())
}

async fn report(rig: &Rig, own: &Own, uid: Option<&str>, kind: Value) {
    let reply = own.reported(rig, uid, kind).await.expect(200);
    assert_eq!(reply["items"][0]["applied"], true, "{reply}");
}

fn pod(reason: &str, message: &str) -> Value {
    json!({"pod": {"name": "p", "uid": "pod-1", "phase": "Pending", "node": "n1", "conditions": [{"type": "PodScheduled", "status": "True"}],
        "containers": [{"name": "task", "role": "task", "image": "train:1", "state": {"waiting": {"reason": reason, "message": message}}}]}})
}

#[tokio::test]
async fn a_queued_task_waits_for_a_runner_for_the_queue_and_for_its_turn() {
    let rig = Rig::new().await;
    let first = rig.task().await;
    let second = rig.task().await;
    let shown = why(&rig, second).await;
    assert_eq!(codes(&shown), (vec![("NoRunnerForQueue", true), ("BehindInQueue", false)], Some("escalate")));
    assert_eq!((&shown["state"], &shown["attempt"], &shown["position"]), (&json!("queued"), &json!(0), &json!({"index": 2, "of": 2})));
    assert_eq!(shown["since"], "2027-01-15T08:00:00Z");

    rig.register("r1", INSTANCE).await.expect(200);
    assert_eq!(codes(&why(&rig, first).await), (vec![("BehindInQueue", true)], Some("wait")));
    rig.post(Who::Operator, "/api/v1/queues/default/pause", &json!({"reason": "moving racks"})).await.expect(200);
    let shown = why(&rig, first).await;
    assert_eq!(codes(&shown), (vec![("QueuePaused", true), ("BehindInQueue", false)], Some("wait")));
    assert_eq!(shown["reasons"][0]["message"], "olga paused the queue default: moving racks");
    assert_eq!(shown["reasons"][0]["hint"], "Ask olga, or resume it: slipway queue resume default");
    rig.post(Who::Operator, "/api/v1/queues/default/resume", &json!({})).await.expect(200);

    rig.pass(60_000);
    let shown = why(&rig, first).await;
    assert_eq!(codes(&shown).0, [("NoRunnerForQueue", true), ("BehindInQueue", false)]);
    assert_eq!(shown["reasons"][0]["message"], "No runner that serves the queue default has been heard of late: r1");
    let other = json!({"kind": "process", "instance": INSTANCE, "version": "1", "slots": 1, "queues": ["gpu"]});
    rig.call("PUT", "/api/v1/runners/r1").bearer(rig.token(Who::Runner)).json(&other).await.expect(200);
    let shown = why(&rig, first).await;
    assert_eq!(shown["reasons"][0]["message"], "No runner serves the queue default");
    assert_eq!(shown["reasons"][0]["evidence"][0]["raw"], "process, serves gpu");
    rig.get(Who::Viewer, "/api/v1/tasks/4711/why").await.problem(404, "TASK_NOT_FOUND");
}

#[tokio::test]
async fn a_place_far_behind_is_not_counted_out() {
    let rig = Rig::new().await;
    rig.register("r1", INSTANCE).await.expect(200);
    let tasks = vec![json!({"command": ["true"]}); 1_000];
    let mut last = 0;
    for _ in 0..2 {
        let reply = rig.post(Who::Sam, "/api/v1/tasks:batch", &json!({"tasks": tasks})).await.expect(201);
        last = reply["ids"].as_array().unwrap().last().unwrap().as_i64().unwrap();
    }
    let shown = why(&rig, last).await;
    assert_eq!(shown["position"], json!({"index": 1001, "of": 2000}));
    assert_eq!(shown["reasons"][0]["evidence"][0]["raw"], "position 1000+ of 2000");
    assert_eq!(why(&rig, last - 1_000).await["position"], json!({"index": 1000, "of": 2000}));
    let urgent = rig.submit(Who::Sam, json!({"command": ["true"], "priority": "high"})).await;
    assert_eq!(why(&rig, urgent).await["position"], json!({"index": 1, "of": 2001}));
}

#[tokio::test]
async fn an_attempt_before_its_start_tells_what_its_runner_saw() {
    let rig = Rig::new().await;
    let task = rig.task().await;
    let own = rig.claimed().await;
    assert_eq!(codes(&why(&rig, task).await), (vec![("Starting", true)], Some("wait")));
    let seen = |evidence: Value| json!({"kind": "evidence", "phase": "pulling", "evidence": evidence});
    report(&rig, &own, None, seen(pod("ErrImagePull", "train:1: not found"))).await;
    let shown = why(&rig, task).await;
    assert_eq!(codes(&shown), (vec![("ImageNotFound", true)], Some("change")));
    assert_eq!((&shown["phase"], &shown["attempt"]), (&json!("pulling"), &json!(1)));
    assert_eq!(shown["reasons"][0]["evidence"], json!([{"source": "Container task", "raw": "ErrImagePull: train:1: not found"}]));

    // Given back: the pause tells what it found, and so does the task once it is queued again, in its attempts.
    report(&rig, &own, None, json!({"kind": "returned", "reason": "ImageNotFound"})).await;
    let shown = why(&rig, task).await;
    assert_eq!(codes(&shown), (vec![("RetryBackoff", true), ("ImageNotFound", false)], Some("wait")));
    let message = shown["reasons"][0]["message"].as_str().unwrap();
    assert_eq!(message, "The next attempt begins at 2027-01-15T08:01:00Z; attempt 1 found no place: ImageNotFound");
}

#[tokio::test]
async fn a_running_task_has_no_reason_until_its_agent_is_silent() {
    let rig = Rig::new().await;
    let task = rig.task().await;
    let own = rig.running().await;
    report(&rig, &own, Some("pod-1"), json!({"kind": "evidence", "evidence": pod("", "")})).await;
    assert_eq!(codes(&why(&rig, task).await), (vec![], None));
    rig.pass(600_000);
    let shown = why(&rig, task).await;
    assert_eq!(codes(&shown), (vec![("HeartbeatLost", true)], Some("escalate")));
    let message = shown["reasons"][0]["message"].as_str().unwrap();
    assert_eq!(message, "The agent on n1 has been silent since 2027-01-15T08:00:00Z; the attempt keeps its slot and may resume");
    own.beat(&rig, &json!({"phase": "running"})).await.expect(200);
    assert_eq!(codes(&why(&rig, task).await), (vec![], None));
}

#[tokio::test]
async fn an_ended_task_tells_how_it_ended() {
    let rig = Rig::new().await;
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "retries": {"user": 1}})).await;
    rig.running().await.finish(&rig, 3).await.expect(200);
    let shown = why(&rig, task).await;
    assert_eq!(codes(&shown), (vec![("RetryBackoff", true), ("ExitNonZero", false)], Some("wait")));
    rig.pass(600_000);
    rig.tick().await;
    rig.running().await.finish(&rig, 3).await.expect(200);
    let shown = why(&rig, task).await;
    assert_eq!(codes(&shown), (vec![("ExitNonZero", true)], Some("change")));
    assert_eq!(shown["reasons"][0]["evidence"][0]["raw"], "ExitNonZero, class user, exit code 3");
    assert_eq!(shown["reasons"][0]["hint"], format!("Read the log: slipway logs {task}"));
    assert_eq!((&shown["state"], &shown["since"]), (&json!("failed"), &json!("2027-01-15T08:10:00Z")));

    let task = rig.submit(Who::Sam, json!({"command": ["true"], "retries": {"infra": 0}})).await;
    let own = rig.running().await;
    let evidence = json!({"pod": {"name": "p", "uid": "pod-1", "phase": "Failed", "reason": "Evicted", "message": "low on memory"}});
    let ended = json!({"kind": "ended", "class": "infra", "reason": "Evicted", "message": "evicted by its node", "evidence": evidence});
    report(&rig, &own, Some("pod-1"), ended).await;
    let shown = why(&rig, task).await;
    assert_eq!(codes(&shown), (vec![("Evicted", true)], Some("wait")));
    let quoted: Vec<_> = shown["reasons"][0]["evidence"].as_array().unwrap().iter().map(|q| q["raw"].as_str().unwrap()).collect();
    assert_eq!(quoted, ["Evicted, class infra", "Failed", "Evicted: low on memory"]);

    let task = rig.task().await;
    rig.post(Who::Sam, format!("/api/v1/tasks/{task}/cancel"), &json!({})).await.expect(200);
    let shown = why(&rig, task).await;
    assert_eq!(codes(&shown), (vec![("Cancelled", true)], Some("wait")));
    assert_eq!(shown["reasons"][0]["message"], "Cancelled by sam");

    let task = rig.task().await;
    rig.running().await.finish(&rig, 0).await.expect(200);
    assert_eq!(codes(&why(&rig, task).await), (vec![], None));
}

#[tokio::test]
async fn a_template_that_makes_no_job_is_told_with_its_faults() {
    let rig = Rig::new().await;
    let template = json!({"podTemplate": {"metadata": {"namespace": "prod"}}, "defaults": {"image": "alpine:3"}});
    rig.call("PUT", "/api/v1/queues/pods").bearer(rig.token(Who::Admin)).json(&template).await.expect(201);
    rig.register("r1", INSTANCE).await.expect(200);
    let task = rig.submit(Who::Sam, json!({"queue": "pods", "command": ["true"]})).await;
    let shown = why(&rig, task).await;
    assert_eq!(codes(&shown).0, [("NoRunnerForQueue", true), ("BehindInQueue", false)]);
    assert_eq!(shown["reasons"][0]["evidence"][0]["raw"], "process, serves *, without pods");

    let glue = json!({"kind": "kubernetes", "instance": INSTANCE, "version": "1", "slots": 4, "queues": ["*"], "cluster": {"namespaces": ["ml-runs"]}});
    rig.call("PUT", "/api/v1/runners/glue").bearer(rig.token(Who::Runner)).json(&glue).await.expect(200);
    let shown = why(&rig, task).await;
    assert_eq!(codes(&shown), (vec![("TemplateInvalid", true), ("BehindInQueue", false)], Some("escalate")));
    let fault = "the runner has no namespace prod; it has: ml-runs";
    assert_eq!(shown["reasons"][0]["evidence"], json!([{"source": "Template /metadata/namespace", "raw": fault}]));
}

#[tokio::test]
async fn a_queue_that_moves_is_forecast_and_one_that_stands_is_not() {
    let rig = Rig::new().await;
    rig.register("r1", INSTANCE).await.expect(200);
    let mut tasks = Vec::new();
    for _ in 0..16 {
        tasks.push(rig.task().await);
    }
    assert!(why(&rig, tasks[15]).await.get("eta").is_none(), "nothing has started yet");
    for _ in 0..12 {
        rig.pass(20_000);
        rig.register("r1", INSTANCE).await.expect(200);
        rig.running().await.finish(&rig, 0).await.expect(200);
    }
    let eta = |seconds: u64| json!({"p50Seconds": seconds, "p90Seconds": seconds, "basis": "the last 12 starts of the queue"});
    assert_eq!(why(&rig, tasks[12]).await["eta"], eta(20));
    assert_eq!(why(&rig, tasks[15]).await["eta"], eta(80));
    rig.pass(5_000);
    assert_eq!(why(&rig, tasks[15]).await["eta"], eta(75));
    rig.post(Who::Operator, "/api/v1/queues/default/pause", &json!({})).await.expect(200);
    assert!(why(&rig, tasks[15]).await.get("eta").is_none(), "nobody knows when it is resumed");
    rig.post(Who::Operator, "/api/v1/queues/default/resume", &json!({})).await.expect(200);
    rig.pass(20_000);
    rig.register("r1", INSTANCE).await.expect(200);
    assert!(why(&rig, tasks[15]).await.get("eta").is_none(), "no pause was ever as long");
}
