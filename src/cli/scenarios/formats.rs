//! Files of other products, as they are typed.

use super::{Bench, Script, json, problem};
use crate::{
    cli::testing::{budget, queue},
    wire::{NewQueue, Problem, ProblemCode, Queue, RenderResponse},
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
        .on("POST /api/v1/queues/gpu/render", json(200, &RenderResponse { items: Vec::new() }))
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

#[tokio::test]
async fn what_apply_would_change_is_shown_field_by_field() {
    let template = |gpus: u32| serde_json::json!({"spec": {"containers": [{"resources": {"limits": {"nvidia.com/gpu": gpus}}}], "nodeSelector": {"zone": "a"}}});
    let gpu = Queue { pod_template: Some(template(1)), managed_by: Some("terraform".into()), ..queue("gpu", 3) };
    let mut server = Script::default();
    for _ in 0..3 {
        server = server
            .on("GET /api/v1/queues/gpu", json(200, &gpu))
            .on("GET /api/v1/queues/new", problem(&missing()))
            .on("GET /api/v1/queues/cpu", json(200, &queue("cpu", 1)));
    }
    let server = server.on("GET /api/v1/queues/cpu", json(200, &queue("cpu", 1))).start().await;
    let file = "queues:\n  cpu: {description: for everything}\n  gpu:\n    podTemplate: {spec: {containers: [{resources: {limits: {nvidia.com/gpu: 2}}}]}}\n  new: {weight: 2}\n";
    let bench = Bench { stdin: file.into(), ..Bench::default() };
    for format in ["table", "json", "name"] {
        assert_eq!(bench.types(&server, &["queue", "diff", "-f", "-", "-o", format]).await, 1, "{}", bench.err.text());
    }
    let same = Bench { stdin: b"name: cpu\ndescription: for everything\n".to_vec(), ..bench.clone() };
    assert_eq!(same.types(&server, &["queue", "diff", "-f", "-"]).await, 0);
    insta::assert_snapshot!([bench.out.text(), bench.errors(&server)].join("---\n"));
}

#[tokio::test]
async fn the_budget_that_a_file_asks_for_is_compared_too() {
    let server = Script::default()
        .on("GET /api/v1/budgets/clearml", json(200, &budget("clearml", 8, &[])))
        .on("GET /api/v1/budgets/clearml", problem(&Problem::new(ProblemCode::BudgetNotFound)))
        .on("GET /api/v1/budgets/clearml", json(200, &budget("clearml", 8, &[])))
        .on("GET /api/v1/queues/gpu", problem(&missing()))
        .start()
        .await;
    let values = "agentk8sglue:\n  monitoredResources: {maxResources: 4}\n  queues:\n    gpu: {}\n";
    let bench = Bench { stdin: values.into(), ..Bench::default() };
    for format in ["table", "table", "json"] {
        assert_eq!(bench.types(&server, &["queue", "diff", "-f", "-", "-o", format]).await, 1, "{}", bench.err.text());
    }
    insta::assert_snapshot!([bench.out.text(), bench.errors(&server)].join("---\n"));
}

#[tokio::test]
async fn foreign_files_are_written_as_native_ones() {
    let server = Script::default().start().await;
    let values = "agentk8sglue:\n  monitoredResources: {maxResources: 4}\n  queues:\n    gpu:\n      templateOverrides: {resources: {limits: {nvidia.com/gpu: 1}}, env: [{name: DEBUG, value: \"no\"}]}\n      queueSettings: {customWorkerIdTemplate: \"k8s:{task_id}\"}\n    cpu: {}\n";
    let bench = Bench { stdin: values.into(), ..Bench::default() };
    assert_eq!(bench.types(&server, &["queue", "import", "--from", "clearml", "-"]).await, 0, "{}", bench.err.text());
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("queues").display().to_string();
    assert_eq!(bench.types(&server, &["queue", "import", "--from", "clearml", "-", "--dir", &place]).await, 0, "{}", bench.err.text());
    let written = std::fs::read_to_string(dir.path().join("queues/gpu.yaml")).unwrap();
    assert!(written.starts_with("name: gpu\n") && written.contains("value: \"no\"\n"), "{written}");
    let again = Bench { stdin: values.into(), ..Bench::default() };
    assert_eq!(again.types(&server, &["queue", "import", "--from", "clearml", "-", "--dir", &place]).await, 6);
    insta::assert_snapshot!([bench.out.text(), bench.errors(&server)].join("---\n").replace(&place, "DIR"));
    assert_eq!(server.seen().len(), 0, "nothing is sent");
}

#[tokio::test]
async fn queues_are_written_as_apply_takes_them() {
    let list = crate::wire::QueueList { items: vec![queue("cpu", 1), queue("gpu", 2)] };
    let server = Script::default()
        .on("GET /api/v1/queues", json(200, &list))
        .on("GET /api/v1/queues/gpu", json(200, &queue("gpu", 2)))
        .on("GET /api/v1/queues/gpu", json(200, &queue("gpu", 2)))
        .start()
        .await;
    let bench = Bench::default();
    assert_eq!(bench.types(&server, &["queue", "export"]).await, 0);
    assert_eq!(bench.types(&server, &["queue", "export", "gpu"]).await, 0);
    assert_eq!(bench.types(&server, &["queue", "export", "gpu", "-o", "json"]).await, 0);
    insta::assert_snapshot!(bench.out.text());
}
