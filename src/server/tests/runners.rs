//! Runners: who holds a name, what they hold, what they report.

use super::{
    own::NONCE,
    rig::{INSTANCE, Rig, Who},
    wires::Call,
};
use crate::wire::{AttemptNumber, TaskId, known_hash};
use serde_json::{Value, json};
use uuid::Uuid;

const OTHER: Uuid = Uuid::from_u128(0xA2);

fn beat(rig: &Rig, instance: Uuid, known: &str) -> Call {
    rig.post(Who::Runner, "/api/v1/runner/heartbeat", &json!({"runner": "r1", "instance": instance, "known": known}))
}

fn holds(rig: &Rig, instance: Uuid) -> Call {
    rig.get(Who::Runner, format!("/api/v1/runner/holds?runner=r1&instance={instance}"))
}

#[tokio::test]
async fn a_name_belongs_to_one_instance_while_it_is_heard() {
    let rig = Rig::new().await;
    beat(&rig, INSTANCE, "").await.problem(404, "RUNNER_NOT_FOUND");
    let times = rig.register("r1", INSTANCE).await.expect(200)["times"].clone();
    assert_eq!(times["heartbeatHoldMs"], 15_000);
    rig.register("r1", INSTANCE).await.expect(200);
    let problem = rig.register("r1", OTHER).await.problem(409, "RUNNER_NAME_TAKEN");
    assert!(problem["hint"].as_str().unwrap().contains("--name"), "{problem}");
    beat(&rig, OTHER, "").await.problem(409, "RUNNER_NAME_TAKEN");
    holds(&rig, OTHER).await.problem(409, "RUNNER_NAME_TAKEN");

    // A sign of life keeps it, silence frees it, and then the former holder is refused.
    rig.pass(50_000);
    beat(&rig, INSTANCE, "").await.expect(200);
    rig.pass(50_000);
    rig.register("r1", OTHER).await.problem(409, "RUNNER_NAME_TAKEN");
    rig.pass(10_000);
    rig.register("r1", OTHER).await.expect(200);
    beat(&rig, INSTANCE, "").await.problem(409, "RUNNER_NAME_TAKEN");

    let shown = rig.get(Who::Viewer, "/api/v1/runners").await.expect(200)["items"][0].clone();
    assert_eq!(
        (&shown["name"], &shown["slots"], &shown["active"], &shown["seenAt"]),
        (&json!("r1"), &json!(4), &json!(0), &json!("2027-01-15T08:01:50Z"))
    );
}

#[tokio::test]
async fn after_a_restart_the_holder_has_its_time_to_come_back() {
    let rig = Rig::new().await;
    rig.register("r1", INSTANCE).await.expect(200);
    let rig = rig.restarted().await;
    assert_eq!(rig.get(Who::Viewer, "/api/v1/runners").await.expect(200)["items"][0].get("seenAt"), None);
    rig.register("r1", OTHER).await.problem(409, "RUNNER_NAME_TAKEN");
    beat(&rig, INSTANCE, "").await.expect(200);
    let rig = rig.restarted().await;
    rig.pass(60_000);
    rig.register("r1", OTHER).await.expect(200);
}

#[tokio::test]
async fn a_runner_that_says_nonsense_of_itself_is_refused() {
    let rig = Rig::new().await;
    let good = json!({"kind": "process", "instance": INSTANCE, "version": "1", "slots": 1, "queues": ["*", "gpu"]});
    for (field, wrong) in
        [("kind", json!("")), ("version", json!("x".repeat(101))), ("queues", json!(["a b"])), ("queues", json!(vec!["q"; 1001]))]
    {
        let mut body = good.clone();
        body[field] = wrong;
        let reply = rig.call("PUT", "/api/v1/runners/r1").bearer(rig.token(Who::Runner)).json(&body).await;
        let problem = reply.problem(422, "VALIDATION_FAILED");
        assert!(problem["errors"][0]["pointer"].as_str().unwrap().starts_with(&format!("/{field}")), "{problem}");
    }
    rig.call("PUT", "/api/v1/runners/r1").bearer(rig.token(Who::Runner)).json(&good).await.expect(200);
    rig.call("PUT", "/api/v1/runners/a%20b").bearer(rig.token(Who::Runner)).json(&good).await.problem(400, "INVALID_PARAMETER");
}

#[tokio::test]
async fn a_heartbeat_renews_claims_and_brings_cancels() {
    let rig = Rig::new().await;
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "graceSeconds": 5})).await;
    let mut own = rig.claimed().await;
    let known = known_hash([(TaskId(task), AttemptNumber(1))]);
    for _ in 0..4 {
        rig.pass(50_000);
        rig.tick().await;
        assert_eq!(beat(&rig, INSTANCE, &known).await.expect(200), json!({"known": true, "cancels": []}));
    }
    assert_eq!(beat(&rig, INSTANCE, "stale").await.expect(200)["known"], false);

    own.start(&rig).await;
    own.beat(&rig, &json!({"phase": "running"})).await.expect(200);
    rig.post(Who::Sam, format!("/api/v1/tasks/{task}/cancel"), &json!({})).await.expect(202);
    let order = |overdue: bool| json!([{"task": task, "attempt": 1, "overdue": overdue}]);
    assert_eq!(beat(&rig, INSTANCE, &known).await.expect(200)["cancels"], order(false));
    rig.pass(34_999);
    assert_eq!(beat(&rig, INSTANCE, &known).await.expect(200)["cancels"], order(false));
    rig.pass(1);
    assert_eq!(beat(&rig, INSTANCE, &known).await.expect(200)["cancels"], order(true));
    own.finish_with(&rig, &json!({"signal": 15, "stoppedBy": "cancel", "logBytes": 9, "logCrc": 0})).await.expect(200);
    assert_eq!(beat(&rig, INSTANCE, &known).await.expect(200)["cancels"], json!([]), "its result is in");
}

#[tokio::test]
async fn a_claim_that_nobody_renews_goes_back() {
    let rig = Rig::new().await;
    let task = rig.task().await;
    let late = rig.claimed().await;
    rig.pass(60_000);
    rig.tick().await;
    assert_eq!(rig.state(task).await, "queued");
    late.try_start(&rig, "pod-1", NONCE).await.problem(409, "SUPERSEDED");
    assert_eq!(rig.claimed().await.attempt, 2);
}

#[tokio::test]
async fn holds_tell_a_restarted_runner_everything() {
    let rig = Rig::new().await;
    rig.task().await;
    let waiting = rig.claimed().await;
    rig.task().await;
    let running = rig.running().await;
    rig.task().await;
    let ending = rig.running().await;
    ending.finish_with(&rig, &json!({"exitCode": 0, "logBytes": 9, "logCrc": 0})).await.expect(200);
    let items = holds(&rig, INSTANCE).await.expect(200)["items"].clone();
    let item = |own: &super::own::Own| items.as_array().unwrap().iter().find(|i| i["task"] == own.task).unwrap().clone();
    assert_eq!(item(&waiting)["startToken"], waiting.start_token.as_str());
    assert_eq!((&item(&waiting)["phase"], item(&waiting).get("uid")), (&json!("claimed"), None));
    assert_eq!(
        (item(&running).get("startToken"), &item(&running)["uid"], &item(&running)["phase"]),
        (None, &json!("pod-1"), &json!("running"))
    );
    assert_eq!((&item(&ending)["finished"], &item(&ending)["phase"]), (&json!(true), &json!("finishing")));
    rig.get(Who::Runner, "/api/v1/runner/holds?runner=r1").await.problem(400, "INVALID_PARAMETER");
}

async fn verdict(rig: &Rig, task: i64, attempt: i64, claim: &str) -> Value {
    let body = json!({"items": [{"task": task, "attempt": attempt, "claim": claim}]});
    rig.post(Who::Runner, "/api/v1/runner/attempts:check", &body).await.expect(200)["items"][0]["verdict"].clone()
}

#[tokio::test]
async fn a_check_tells_live_from_dead_and_strange() {
    let rig = Rig::new().await;
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "retries": {"user": 1}})).await;
    let first = rig.running().await;
    assert_eq!(verdict(&rig, task, 1, &first.claim).await, "live");
    assert_eq!(verdict(&rig, task, 1, &Uuid::nil().to_string()).await, "superseded");
    assert_eq!(verdict(&rig, task, 2, &first.claim).await, "unknown");
    assert_eq!(verdict(&rig, 4711, 1, &first.claim).await, "unknown");
    first.finish(&rig, 1).await.expect(200);
    assert_eq!(verdict(&rig, task, 1, &first.claim).await, "ended");
    rig.pass(600_000);
    rig.tick().await;
    rig.running().await;
    assert_eq!(verdict(&rig, task, 1, &first.claim).await, "superseded");
    for route in ["check", "report"] {
        let item = first.report(None, json!({"kind": "returned"}));
        let body = json!({"items": vec![item; 1001]});
        let reply = rig.post(Who::Runner, format!("/api/v1/runner/attempts:{route}"), &body).await;
        assert!(matches!(reply.status.as_u16(), 413 | 422), "{route}: {}", reply.text());
    }
}

#[tokio::test]
async fn a_report_counts_for_the_claim_and_the_carrier_alone() {
    let rig = Rig::new().await;
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "retries": {"infra": 0}})).await;
    let mut own = rig.claimed().await;
    let told = |reply: super::wires::Reply| {
        let item = reply.expect(200)["items"][0].clone();
        (item["applied"].as_bool().unwrap(), item["verdict"].as_str().unwrap().to_owned())
    };
    // Given back before the start: queued again, no budget charged.
    assert_eq!(told(own.reported(&rig, None, json!({"kind": "returned"})).await), (true, "ended".into()));
    assert_eq!(told(own.reported(&rig, None, json!({"kind": "returned"})).await), (false, "ended".into()));
    assert_eq!(rig.state(task).await, "queued");

    own = rig.running().await;
    let lost = json!({"kind": "ended", "class": "lost", "reason": "AttemptLost", "message": "gone"});
    assert_eq!(told(own.reported(&rig, Some("pod-2"), lost.clone()).await), (false, "live".into()), "another pod");
    assert_eq!(told(own.reported(&rig, None, lost.clone()).await), (false, "live".into()), "no pod");
    assert_eq!(told(own.reported(&rig, Some("pod-1"), json!({"kind": "returned"})).await), (false, "live".into()), "it has started");
    own.log(&rig, "last words").await;
    assert_eq!(told(own.reported(&rig, Some("pod-1"), lost).await), (true, "ended".into()));
    let shown = rig.get(Who::Sam, format!("/api/v1/tasks/{task}")).await.expect(200);
    assert_eq!(
        (&shown["ended"]["class"], &shown["ended"]["message"], &shown["ended"]["logComplete"]),
        (&json!("lost"), &json!("gone"), &json!(false))
    );
    assert_eq!(rig.get(Who::Sam, format!("/api/v1/tasks/{task}/log")).await.text(), "last words");
}

#[tokio::test]
async fn a_runner_can_bring_the_result_that_an_agent_left() {
    let rig = Rig::new().await;
    // The log that the dead agent speaks of, what the server has of it, and whether that is all.
    for (had, whole) in [("last words", true), ("last wor", false), ("", false)] {
        let task = rig.task().await;
        let mut own = rig.running().await;
        if !had.is_empty() {
            own.log(&rig, had).await;
        }
        let result = json!({"exitCode": 0, "logBytes": 10, "logCrc": crc32c::crc32c(b"last words")});
        own.reported(&rig, Some("pod-1"), json!({"kind": "finish", "result": result})).await.expect(200);
        let shown = rig.get(Who::Sam, format!("/api/v1/tasks/{task}")).await.expect(200);
        assert_eq!((&shown["state"], &shown["ended"]["logComplete"]), (&json!("succeeded"), &json!(whole)), "{had:?}");
        let bad = json!({"items": [own.report(None, json!({"kind": "vanished"}))]});
        rig.post(Who::Runner, "/api/v1/runner/attempts:report", &bad).await.problem(422, "VALIDATION_FAILED");
    }
}
