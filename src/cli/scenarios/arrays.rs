//! Arrays at the command line.

use super::*;
use crate::cli::testing::array;
use crate::wire::{TaskArray, TaskId};

const EVENTS_1040: &str = "GET /api/v1/events?task=1040&after=0";

fn ended_1040() -> String {
    "id: 9\nevent: task.ended\ndata: {\"id\":9,\"at\":\"2026-11-20T09:22:04Z\",\"kind\":\"task.ended\",\"task\":1040}\n\n".into()
}

fn failed_sweep() -> Task {
    let message = Some("3 of 32 elements failed: 1040_2, 1040_5, 1040_9".to_owned());
    let ended = Ended { reason: Some(Reason::ExitNonZero), message, ..Ended::default() };
    Task { ended: Some(ended), ..array(1040, TaskState::Failed) }
}

#[tokio::test]
async fn a_submitted_array_is_followed_by_its_counts_to_its_result() {
    let server = Script::default()
        .on("POST /api/v1/tasks", json(201, &array(1040, TaskState::Active)))
        .on(EVENTS_1040, sse(&ended_1040()))
        .on("GET /api/v1/tasks/1040", json(200, &failed_sweep()))
        .start()
        .await;
    let bench = Bench::person();
    assert_eq!(bench.types(&server, &["submit", "-n", "sweep", "--array", "0-31%8", "--", "train", "{index}"]).await, 3);
    let body = r#"{"name":"sweep","command":["train","{index}"],"array":{"size":32,"maxParallel":8}}"#;
    assert_eq!(server.seen()[0].body, body);
    assert_eq!(bench.out.text(), "");
    insta::assert_snapshot!(bench.errors(&server), @"
    Array 1040  sweep[0-31%8] in queue gpu-a100
      ● 19 done · 8 running · 5 waiting
      ✖ 29 done · 3 failed
    ✖ 1040 failed after 1m22s  3 of 32 elements failed: 1040_2, 1040_5, 1040_9
    ");
}

#[tokio::test]
async fn elements_are_named_by_array_and_index() {
    let place = TaskArray { id: Some(TaskId(1040)), index: Some(7), size: 32, ..TaskArray::default() };
    let element = Task { array: Some(place), parent: Some(TaskId(1040)), ..task(1048, TaskState::Cancelled) };
    let server = Script::default()
        .on("GET /api/v1/tasks/1040_7", json(200, &element))
        .on("POST /api/v1/tasks/1048/cancel", json(200, &element))
        .on("POST /api/v1/tasks/1040/cancel", json(202, &array(1040, TaskState::Active)))
        .on("POST /api/v1/tasks/1040/rerun", json(201, &array(1080, TaskState::Queued)))
        .on("GET /api/v1/tasks?parent=1040&limit=100", json(200, &list(std::slice::from_ref(&element))))
        .on("GET /api/v1/tasks/1048/log", text("hello\n"))
        .start()
        .await;
    let bench = Bench::default();
    for words in [
        ["cancel", "1040_7"].as_slice(),
        &["cancel", "1040", "--indices", "3-5"],
        &["rerun", "1040", "--failed"],
        &["rerun", "1040", "--indices", "7"],
        &["logs", "1040_7"],
        &["ls", "1040"],
    ] {
        assert_eq!(bench.types(&server, words).await, 0, "{words:?}: {}", bench.err.text());
    }
    let sent: Vec<_> = server.seen().into_iter().filter(|seen| seen.line.starts_with("POST")).map(|seen| seen.body).collect();
    assert_eq!(sent, ["", r#"{"indices":"3-5"}"#, r#"{"only":"failed"}"#, r#"{"indices":"7"}"#]);
    insta::assert_snapshot!(bench.out.text(), @"
    1040_7 cancelled
    1040_3-5 is being stopped; the array now: 19 done, 8 running, 5 waiting
    1080
    1080
    hello
    ID      NAME        QUEUE     PHASE      AGE  WAIT  RUN    NOTE
    1040_7  resnet-lr3  gpu-a100  cancelled  8m   6m    1m22s  -
    ");
    let bench = Bench::default();
    assert_eq!(bench.types(&server, &["cancel", "1", "2", "--indices", "3"]).await, 2);
}
