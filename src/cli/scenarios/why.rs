//! Why a task waits, as it is asked for and told.

use super::super::{
    scripted::{Script, json, problem},
    testing::{Bench, task},
};
use crate::wire::{AttemptNumber, Finding, Position, Problem, ProblemCode, Quote, Reason, ReasonClass, TaskId, TaskState, Why};
use serde_json::json as object;

#[tokio::test]
async fn what_holds_a_task_up_is_told_in_short_and_at_length() {
    let behind = Finding::new(Reason::BehindInQueue, "16 others go first", vec![Quote::new("Queue gpu-a100", "position 17 of 40")]);
    let why = Why {
        task: TaskId(1042),
        state: TaskState::Queued,
        attempt: AttemptNumber(0),
        phase: None,
        since: "2026-11-20T09:14:30Z".parse().unwrap(),
        eta: None,
        instead: Vec::new(),
        holders: None,
        position: Some(Position { index: 17, of: 40 }),
        verdict: Some(ReasonClass::Wait),
        reasons: vec![behind],
    };
    let script = || {
        Script::default()
            .on("GET /api/v1/tasks/1042", json(200, &task(1042, TaskState::Queued)))
            .on("GET /api/v1/tasks/1042/attempts", json(200, &object!({"items": []})))
    };
    let server = script().on("GET /api/v1/tasks/1042/why", json(200, &why)).start().await;
    let printed = async |words: &[&str]| {
        let bench = Bench::default();
        assert_eq!(bench.types(&server, words).await, 0, "{}", bench.err.text());
        bench.out.text()
    };
    assert!(
        printed(&["why", "1042"])
            .await
            .starts_with("1042  resnet-lr3, queue gpu-a100: queued for 8m11s, position 17 of 40  verdict: wait\n")
    );
    assert_eq!(printed(&["why", "1042", "-o", "name"]).await, "BehindInQueue\n");
    assert_eq!(serde_json::from_str::<Why>(&printed(&["why", "1042", "-o", "json"]).await).unwrap(), why);
    assert!(printed(&["get", "1042"]).await.contains("why        BehindInQueue: 16 others go first  (slipway why 1042)\n"));

    // A server of a former version gives no reason, and the rest is shown all the same.
    let server = script().on("GET /api/v1/tasks/1042/why", problem(&Problem::new(ProblemCode::RouteNotFound))).start().await;
    let bench = Bench::default();
    assert_eq!(bench.types(&server, &["get", "1042"]).await, 0, "{}", bench.err.text());
    assert!(bench.out.text().contains("queue      gpu-a100") && !bench.out.text().contains("why "));
}
