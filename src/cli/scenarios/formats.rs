//! Files of other products, as they are typed.

use super::{Bench, Script, json, problem};
use crate::{
    cli::testing::{budget, queue},
    wire::{NewQueue, Problem, ProblemCode, Queue},
};

fn missing() -> Problem {
    Problem::new(ProblemCode::QueueNotFound)
}

#[tokio::test]
async fn values_of_clearml_are_applied_as_they_are() {
    let server = Script::default()
        .on("GET /api/v1/queues/example_queue_1", problem(&missing()))
        .on("PUT /api/v1/queues/example_queue_1", json(201, &queue("example_queue_1", 1)))
        .on("GET /api/v1/queues/example_queue_2", problem(&missing()))
        .on("PUT /api/v1/queues/example_queue_2", json(201, &queue("example_queue_2", 1)))
        .start()
        .await;
    let bench = Bench::default();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/clearml-values.yaml");
    assert_eq!(bench.types(&server, &["queue", "apply", "-f", file]).await, 0, "{}", bench.err.text());
    assert_eq!(bench.out.text(), "example_queue_1 created\nexample_queue_2 created\n");
    let puts: Vec<_> = server.seen().into_iter().filter(|seen| seen.line.starts_with("PUT")).map(|seen| seen.body).collect();
    let sent: Vec<NewQueue> = puts.iter().map(|body| serde_json::from_str(body).unwrap()).collect();
    insta::assert_json_snapshot!(sent);
}

#[tokio::test]
async fn notes_are_told_and_errors_stop_before_anything_is_sent() {
    let server = Script::default()
        .on("GET /api/v1/budgets/clearml", json(200, &budget("clearml", 8, &[])))
        .on("PUT /api/v1/budgets/clearml", json(200, &budget("clearml", 4, &[])))
        .on("GET /api/v1/queues/gpu", problem(&missing()))
        .on("PUT /api/v1/queues/gpu", json(201, &queue("gpu", 1)))
        .start()
        .await;
    let values = "agentk8sglue:\n  maxPods: 3\n  monitoredResources: {maxResources: 4}\n  queues:\n    gpu:\n      templateOverrides: {resources: {limits: {nvidia.com/gpu: 1}}}\n      queueSettings: {multiNode: [2], maxPods: 0x10}\n";
    let bench = Bench { stdin: values.into(), ..Bench::default() };
    assert_eq!(bench.types(&server, &["queue", "apply", "-f", "-"]).await, 0, "{}", bench.err.text());
    for wrong in [
        values.replace("multiNode", "multiNodes").replace("resources: {limits", "resource: {limits"),
        "agentk8sglue:\n\tqueues: {}\n".to_owned(),
        "templateOverrides: {}\n".to_owned(),
    ] {
        let wrong = Bench { stdin: wrong.into(), ..bench.clone() };
        assert_eq!(wrong.types(&server, &["queue", "apply", "-f", "-"]).await, 2);
    }
    let native = Bench { stdin: values.into(), ..bench.clone() };
    assert_eq!(native.types(&server, &["queue", "apply", "-f", "-", "--format", "native"]).await, 2);
    insta::assert_snapshot!([bench.out.text(), bench.errors(&server)].join("---\n"));
}

#[tokio::test]
async fn a_queue_that_another_keeps_is_taken_over_by_force() {
    let kept = Queue { managed_by: Some("terraform".into()), ..queue("cpu", 3) };
    let refused = Problem::new(ProblemCode::Conflict).detail("Queue cpu is kept by terraform (managedBy).");
    let server = Script::default()
        .on("GET /api/v1/queues/cpu", json(200, &kept))
        .on("PUT /api/v1/queues/cpu", problem(&refused))
        .on("GET /api/v1/queues/cpu", json(200, &kept))
        .on("PUT /api/v1/queues/cpu?force=true", json(200, &queue("cpu", 4)))
        .start()
        .await;
    let bench = Bench { stdin: b"name: cpu\n".to_vec(), ..Bench::default() };
    assert_eq!(bench.types(&server, &["queue", "apply", "-f", "-"]).await, 6);
    assert_eq!(bench.types(&server, &["queue", "apply", "-f", "-", "--force"]).await, 0, "{}", bench.err.text());
    assert_eq!(bench.out.text(), "cpu changed\n");
}
