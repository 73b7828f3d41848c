//! Claims: long polls, repeats, bounds.

use super::rig::{INSTANCE, Rig, Who, ask};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use uuid::Uuid;

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn waiting(claim: Uuid, seconds: u64) -> Value {
    let mut body = ask(claim, 2);
    body["waitSeconds"] = seconds.into();
    body
}

/// The time of the test itself, to measure how fast an answer comes.
#[expect(clippy::disallowed_methods, reason = "it measures real time")]
pub(super) fn stopwatch() -> Instant {
    Instant::now()
}

#[tokio::test]
async fn a_waiting_claim_wakes_when_a_task_comes() {
    let rig = Rig::new().await;
    rig.register("r1", INSTANCE).await.expect(200);
    let mut poll = rig.post(Who::Runner, "/api/v1/runner/claims", &waiting(id(1), 30)).into_future();
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut poll).await.is_err(), "there is nothing yet");
    let task = rig.task().await;
    let watch = stopwatch();
    let items = poll.await.expect(200)["items"].clone();
    assert!(watch.elapsed() < Duration::from_secs(1), "{:?}", watch.elapsed());
    assert_eq!((&items[0]["task"], &items[0]["attempt"], &items[0]["queue"]), (&json!(task), &json!(1), &json!("default")));
    assert!(items[0]["startToken"].as_str().unwrap().starts_with("slws_"));
}

#[tokio::test]
async fn a_claim_wakes_for_what_is_resumed_and_what_comes_back() {
    let rig = Rig::new().await;
    rig.register("r1", INSTANCE).await.expect(200);
    rig.post(Who::Operator, "/api/v1/queues/default/pause", &json!({})).await.expect(200);
    rig.task().await;
    let mut poll = rig.post(Who::Runner, "/api/v1/runner/claims", &waiting(id(1), 30)).into_future();
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut poll).await.is_err(), "the queue is paused");
    rig.post(Who::Operator, "/api/v1/queues/default/resume", &json!({})).await.expect(200);
    assert_eq!(poll.await.expect(200)["items"].as_array().unwrap().len(), 1);

    let mut poll = rig.post(Who::Runner, "/api/v1/runner/claims", &waiting(id(2), 30)).into_future();
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut poll).await.is_err(), "the task is taken");
    rig.pass(60_000);
    rig.tick().await;
    assert_eq!(poll.await.expect(200)["items"][0]["attempt"], 2);
}

#[tokio::test]
async fn a_claim_without_work_ends_empty() {
    let rig = Rig::new().await;
    rig.register("r1", INSTANCE).await.expect(200);
    let watch = stopwatch();
    let answered = rig.post(Who::Runner, "/api/v1/runner/claims", &waiting(id(1), 1)).await;
    assert_eq!(answered.expect(200), json!({"items": []}));
    assert!(watch.elapsed() >= Duration::from_secs(1));
    assert_eq!(rig.claim(id(2), 1).await, Vec::<Value>::new());

    // The server's end is an answer too.
    let mut poll = rig.post(Who::Runner, "/api/v1/runner/claims", &waiting(id(3), 60)).into_future();
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut poll).await.is_err());
    rig.app.stop().cancel();
    assert_eq!(poll.await.expect(200), json!({"items": []}));
}

#[tokio::test]
async fn a_repeated_claim_gets_the_same_attempts_while_they_live() {
    let rig = Rig::new().await;
    for _ in 0..3 {
        rig.task().await;
    }
    let first = rig.claim(id(1), 2).await;
    assert_eq!(first.len(), 2);
    assert_eq!(rig.claim(id(1), 2).await, first);
    assert_eq!(rig.claim(id(2), 2).await.len(), 1);
}

#[tokio::test]
async fn a_claim_takes_what_fits() {
    let rig = Rig::new().await;
    let big = rig.submit(Who::Sam, json!({"command": ["true"], "resources": {"gpus": 6}})).await;
    let small = rig.submit(Who::Sam, json!({"command": ["true"], "resources": {"gpus": 2}})).await;
    let also = rig.submit(Who::Sam, json!({"command": ["true"], "resources": {"gpus": 6}})).await;
    let tasks: Vec<_> = rig.claim(id(1), 10).await.iter().map(|i| i["task"].as_i64().unwrap()).collect();
    assert_eq!(tasks, [big, small], "8 GPUs are free; {also} waits");
}

#[tokio::test]
async fn a_claim_with_a_fault_is_refused_by_place() {
    let rig = Rig::new().await;
    rig.task().await;
    rig.register("r1", INSTANCE).await.expect(200);
    for (field, wrong, pointer) in [
        ("max", json!(0), "/max"),
        ("max", json!(1001), "/max"),
        ("max", json!(-1), "/max"),
        ("gpus", json!(-1), "/gpus"),
        ("queues", json!([{"name": "a b"}]), "/queues/0/name"),
        ("queues", json!([{"name": "*"}, {"nam": "x"}]), "/queues/1/nam"),
        ("queues", json!([]), "/queues"),
        ("claimId", json!("x"), "/claimId"),
        ("runner", json!("a b"), "/runner"),
    ] {
        let mut body = ask(id(1), 1);
        body[field] = wrong;
        let problem = rig.post(Who::Runner, "/api/v1/runner/claims", &body).await.problem(422, "VALIDATION_FAILED");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        assert!(problem["detail"].is_string(), "{problem}");
    }
    let mut stranger = ask(id(1), 1);
    stranger["instance"] = json!(id(99));
    rig.post(Who::Runner, "/api/v1/runner/claims", &stranger).await.problem(409, "RUNNER_NAME_TAKEN");
    assert_eq!(rig.get(Who::Viewer, "/api/v1/queues/default").await.expect(200)["counts"]["queued"], 1);
}
