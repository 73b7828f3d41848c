//! Queues that ask for pods: what runners on Kubernetes get of them, and all others do not.

use super::{
    own::{NONCE, Own},
    rig::{INSTANCE, Rig, Who, ask},
    wires::Reply,
};
use crate::domain::QueueName;
use serde_json::{Value, json};
use std::{future::IntoFuture, time::Duration};
use uuid::Uuid;

const GLUE: Uuid = Uuid::from_u128(0xB1);

async fn apply(rig: &Rig, name: &str, queue: &Value) -> Reply {
    rig.call("PUT", format!("/api/v1/queues/{name}")).bearer(rig.token(Who::Admin)).json(queue).await
}

async fn register_glue(rig: &Rig, cluster: &Value) -> Reply {
    let body =
        json!({"kind": "kubernetes", "instance": GLUE, "version": "1", "slots": 100, "gpus": 100, "queues": ["*"], "cluster": cluster});
    rig.call("PUT", "/api/v1/runners/glue").bearer(rig.token(Who::Runner)).json(&body).await
}

/// What the glue asks for.
fn request(claim: u128, wait: u64) -> Value {
    let mut body = ask(Uuid::from_u128(claim), 10);
    (body["runner"], body["instance"], body["waitSeconds"]) = (json!("glue"), json!(GLUE), json!(wait));
    body
}

async fn claim(rig: &Rig, id: u128) -> Vec<Value> {
    rig.post(Who::Runner, "/api/v1/runner/claims", &request(id, 0)).await.expect(200)["items"].as_array().unwrap().clone()
}

async fn holds(rig: &Rig, runner: &str, instance: Uuid) -> Vec<Value> {
    let reply = rig.get(Who::Runner, format!("/api/v1/runner/holds?runner={runner}&instance={instance}")).await;
    reply.expect(200)["items"].as_array().unwrap().clone()
}

fn faults(rig: &Rig, queue: &str) -> Option<Vec<String>> {
    let name: QueueName = queue.parse().unwrap();
    Some(rig.app.unrenderable(&name)?.iter().map(ToString::to_string).collect())
}

fn in_queue(queue: &str) -> Value {
    json!({"command": ["true"], "queue": queue, "timeoutSeconds": 60, "graceSeconds": 5})
}

#[tokio::test]
async fn a_glue_gets_the_job_with_the_task() {
    let rig = Rig::new().await;
    let base = json!({"spec": {"priorityClassName": "batch"}});
    let overlays = json!({"gpu": {"spec": {"runtimeClassName": "nvidia"}}});
    register_glue(&rig, &json!({"namespaces": ["ml-runs"], "base": base, "overlays": overlays})).await.expect(200);
    let template = json!({"spec": {"containers": [{"image": "trainer:2", "resources": {"limits": {"nvidia.com/gpu": 2}}}]}});
    let queue = json!({"podTemplate": template, "failPendingAfterSeconds": 7200, "keepJobsSeconds": {"success": 5}});
    apply(&rig, "gpu", &queue).await.expect(201);
    let mut task = in_queue("gpu");
    task["resources"] = json!({"gpus": 1});
    rig.submit(Who::Sam, task).await;
    let mut job = claim(&rig, 1).await[0]["job"].clone();
    let manifest = job["manifest"].take();
    assert_eq!(
        job,
        json!({"manifest": null, "timeoutSeconds": 60, "graceSeconds": 5, "pendingTimeoutSeconds": 900, "failPendingAfterSeconds": 7200,
            "keepJobsSeconds": {"success": 5, "failure": 3600}})
    );
    assert_eq!(manifest["metadata"], json!({"namespace": "ml-runs"}));
    let spec = &manifest["spec"]["template"]["spec"];
    assert_eq!((&spec["priorityClassName"], &spec["runtimeClassName"]), (&json!("batch"), &json!("nvidia")));
    assert_eq!(
        (&spec["containers"][0]["image"], &spec["containers"][0]["resources"]["limits"]),
        (&json!("trainer:2"), &json!({"nvidia.com/gpu": "1"}))
    );
    assert_eq!(claim(&rig, 1).await[0]["job"]["manifest"], manifest, "a repeat brings the same");
    // A queue that asks for no pod runs in one all the same, in its default image.
    apply(&rig, "plain", &json!({"defaults": {"image": "alpine:3"}})).await.expect(201);
    rig.submit(Who::Sam, in_queue("plain")).await;
    assert_eq!(claim(&rig, 2).await[0]["job"]["manifest"]["spec"]["template"]["spec"]["containers"][0]["image"], "alpine:3");
}

#[tokio::test]
async fn a_process_runner_gets_nothing_that_needs_a_pod() {
    let rig = Rig::new().await;
    apply(&rig, "pods", &json!({"podTemplate": {}})).await.expect(201);
    apply(&rig, "images", &json!({"useImageEntrypoint": true})).await.expect(201);
    apply(&rig, "both", &json!({"defaults": {"image": "alpine:3"}})).await.expect(201);
    rig.submit(Who::Sam, in_queue("pods")).await;
    rig.submit(Who::Sam, json!({"queue": "images"})).await;
    let both = rig.submit(Who::Sam, in_queue("both")).await;
    let items = rig.claim(Uuid::from_u128(1), 10).await;
    assert_eq!(items.iter().map(|item| &item["task"]).collect::<Vec<_>>(), [&json!(both)]);
    assert_eq!(items[0].get("job"), None);
    assert_eq!(holds(&rig, "r1", INSTANCE).await[0].get("job"), None);
    assert_eq!(faults(&rig, "both"), None);
}

#[tokio::test]
async fn what_cannot_be_rendered_waits_until_it_can() {
    let rig = Rig::new().await;
    let offer = json!({"namespaces": ["ml-runs"]});
    register_glue(&rig, &offer).await.expect(200);
    apply(&rig, "bare", &json!({"podTemplate": {"metadata": {"namespace": "prod"}}})).await.expect(201);
    rig.submit(Who::Sam, in_queue("bare")).await;
    assert_eq!(claim(&rig, 1).await, Vec::<Value>::new());
    let told = [
        "/spec/containers/0/image: no image: give the queue one (defaults: {image: …}) or the container",
        "/metadata/namespace: the runner has no namespace prod; it has: ml-runs",
    ];
    assert_eq!(faults(&rig, "bare"), Some(told.map(str::to_owned).into()));
    // A runner that is silent does not count.
    rig.pass(60_000);
    assert_eq!(faults(&rig, "bare"), None);
    register_glue(&rig, &offer).await.expect(200);

    // The queue is repaired while the glue waits.
    let mut poll = rig.post(Who::Runner, "/api/v1/runner/claims", &request(2, 30)).into_future();
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut poll).await.is_err(), "there is nothing that it could run");
    apply(&rig, "bare", &json!({"podTemplate": {}, "defaults": {"image": "alpine:3"}})).await.expect(200);
    let items = poll.await.expect(200)["items"].clone();
    assert_eq!(items[0]["job"]["manifest"]["metadata"]["namespace"], "ml-runs");
    assert_eq!(faults(&rig, "bare"), None);

    // So is the runner.
    apply(&rig, "bare", &json!({"podTemplate": {"metadata": {"namespace": "prod"}}, "defaults": {"image": "alpine:3"}})).await.expect(200);
    rig.submit(Who::Sam, in_queue("bare")).await;
    assert_eq!(claim(&rig, 3).await, Vec::<Value>::new());
    register_glue(&rig, &json!({"namespaces": ["ml-runs", "prod"]})).await.expect(200);
    assert_eq!(claim(&rig, 4).await[0]["job"]["manifest"]["metadata"]["namespace"], "prod");
}

#[tokio::test]
async fn holds_bring_the_job_until_the_start() {
    let rig = Rig::new().await;
    register_glue(&rig, &json!({"namespaces": ["ml-runs"]})).await.expect(200);
    apply(&rig, "gpu", &json!({"podTemplate": {}, "defaults": {"image": "alpine:3"}})).await.expect(201);
    rig.submit(Who::Sam, in_queue("gpu")).await;
    let items = claim(&rig, 1).await;
    let held = holds(&rig, "glue", GLUE).await;
    assert_eq!(held[0]["job"], items[0]["job"]);
    // After a restart of the server too.
    let rig = rig.restarted().await;
    assert_eq!(holds(&rig, "glue", GLUE).await[0]["job"], items[0]["job"]);
    // What no longer can be rendered comes without.
    apply(&rig, "gpu", &json!({"podTemplate": {}})).await.expect(200);
    assert_eq!(holds(&rig, "glue", GLUE).await[0]["job"].get("manifest"), None);
    apply(&rig, "gpu", &json!({"podTemplate": {}, "defaults": {"image": "alpine:3"}})).await.expect(200);
    let mut own = Own::of(&items[0]);
    own.start(&rig).await;
    own.beat(&rig, &json!({"phase": "running"})).await.expect(200);
    let held = holds(&rig, "glue", GLUE).await;
    assert_eq!((held[0]["job"].get("manifest"), &held[0]["job"]["graceSeconds"]), (None, &json!(5)));
}

#[tokio::test]
async fn the_image_chooses_the_command() {
    let rig = Rig::new().await;
    register_glue(&rig, &json!({"namespaces": ["ml-runs"]})).await.expect(200);
    let of_image = json!({"useImageEntrypoint": true, "defaults": {"image": "model-server:5", "env": {"A": "queue"}}});
    apply(&rig, "serve", &of_image).await.expect(201);
    let problem = rig.post(Who::Sam, "/api/v1/tasks", &in_queue("serve")).await.problem(422, "VALIDATION_FAILED");
    assert_eq!(problem["errors"][0]["pointer"], "/command");
    let task = rig.submit(Who::Sam, json!({"queue": "serve", "env": {"B": "task"}})).await;
    let shown = rig.get(Who::Sam, format!("/api/v1/tasks/{task}")).await.expect(200);
    assert_eq!((shown.get("command"), shown.get("script")), (None, None));

    // An element of an array is told its place by the pod's own environment: no agent runs beside the command.
    let array = rig.submit(Who::Sam, json!({"queue": "serve", "array": {"indices": "7", "size": 9}})).await;

    // While it lives, the queue cannot turn.
    let of_task = json!({"defaults": {"image": "model-server:5"}});
    let problem = apply(&rig, "serve", &of_task).await.problem(409, "CONFLICT");
    assert!(problem["detail"].as_str().unwrap().contains("chosen by the image"), "{problem}");
    let [item, element] = claim(&rig, 1).await.try_into().expect("both");
    assert_eq!(item["job"]["useImageEntrypoint"], true);
    let container = item["job"]["manifest"]["spec"]["template"]["spec"]["containers"][0].clone();
    assert_eq!(container["env"], json!([{"name": "A", "value": "queue"}, {"name": "B", "value": "task"}]));
    let env = &element["job"]["manifest"]["spec"]["template"]["spec"]["containers"][0]["env"];
    for (name, value) in [("SLIPWAY_ARRAY_ID", array.to_string()), ("SLIPWAY_ARRAY_INDEX", "7".into()), ("SLIPWAY_ARRAY_SIZE", "9".into())]
    {
        assert!(env.as_array().unwrap().contains(&json!({"name": name, "value": value})), "{env}");
    }
    rig.post(Who::Sam, format!("/api/v1/tasks/{array}/cancel"), &json!({})).await.expect(200);
    let mut own = Own::of(&item);
    let started = own.try_start(&rig, "pod-1", NONCE).await.expect(200);
    assert_eq!(started["work"], "entrypoint");
    own.start(&rig).await;
    rig.post(Who::Sam, format!("/api/v1/tasks/{task}/cancel"), &json!({})).await.expect(202);
    own.finish_with(&rig, &json!({"exitCode": 0, "logBytes": 0, "logCrc": 0})).await.expect(200);

    apply(&rig, "serve", &of_task).await.expect(200);
    let problem = rig.post(Who::Sam, format!("/api/v1/tasks/{task}/rerun"), &json!({})).await.problem(422, "VALIDATION_FAILED");
    assert!(problem["detail"].as_str().unwrap().starts_with("Task "), "{problem}");
    rig.post(Who::Sam, "/api/v1/tasks", &json!({"queue": "serve"})).await.problem(422, "VALIDATION_FAILED");
}

#[tokio::test]
async fn a_task_that_asks_for_more_than_its_queue_gives_is_refused_at_once() {
    let rig = Rig::new().await;
    let asks = |limits: Value| json!({"podTemplate": {"spec": {"containers": [{"resources": {"limits": limits}}]}}});
    for (limits, fine, wrong) in [(json!({"nvidia.com/gpu": 2}), 2, 3), (json!({"nvidia.com/mig-1g.10gb": 1}), 0, 1)] {
        apply(&rig, "gpu", &asks(limits)).await;
        let with = |gpus: u32| json!({"queue": "gpu", "command": ["true"], "resources": {"gpus": gpus}});
        let problem = rig.post(Who::Sam, "/api/v1/tasks", &with(wrong)).await.problem(422, "VALIDATION_FAILED");
        assert_eq!(problem["errors"][0]["pointer"], "/resources/gpus", "{problem}");
        rig.post(Who::Sam, "/api/v1/tasks", &with(fine)).await.expect(201);
        let batch = json!({"tasks": [with(fine), with(wrong)]});
        let problem = rig.post(Who::Sam, "/api/v1/tasks:batch", &batch).await.problem(422, "VALIDATION_FAILED");
        assert_eq!(problem["errors"][0]["pointer"], "/tasks/1/resources/gpus");
    }
}

#[tokio::test]
async fn a_glue_that_offers_nonsense_is_refused_by_place() {
    let rig = Rig::new().await;
    for (cluster, pointer) in [
        (Value::Null, "/cluster"),
        (json!({"namespaces": []}), "/cluster/namespaces"),
        (json!({"namespaces": ["ml", "Prod"]}), "/cluster/namespaces/1"),
        (json!({"namespaces": ["ml"], "base": {"spec": {"restartPolicy": "Always"}}}), "/cluster/base/spec/restartPolicy"),
        (json!({"namespaces": ["ml"], "overlays": {"gpu": {"spek": {}}}}), "/cluster/overlays/gpu/spek"),
        (json!({"namespaces": ["ml"], "base": {"metadata": {"annotations": {"a": "x".repeat(300_000)}}}}), "/cluster/base"),
    ] {
        let problem = register_glue(&rig, &cluster).await.problem(422, "VALIDATION_FAILED");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    let body = json!({"kind": "process", "instance": GLUE, "version": "1", "slots": 1, "queues": ["*"], "cluster": {"namespaces": ["ml"]}});
    let problem =
        rig.call("PUT", "/api/v1/runners/glue").bearer(rig.token(Who::Runner)).json(&body).await.problem(422, "VALIDATION_FAILED");
    assert_eq!(problem["errors"][0]["pointer"], "/kind");
}

#[tokio::test]
async fn a_line_about_gpus_is_what_the_pod_gets() {
    let rig = Rig::new().await;
    register_glue(&rig, &json!({"namespaces": ["ml-runs"]})).await.expect(200);
    let problem = apply(&rig, "mig", &json!({"gpu": {"mig": "1g.10"}})).await.problem(422, "VALIDATION_FAILED");
    assert_eq!(problem["errors"][0]["pointer"], "/gpu/mig");
    let queue = json!({"gpu": {"mig": "1g.10gb"}, "defaults": {"image": "trainer:2"}});
    apply(&rig, "mig", &queue).await.expect(201);
    let id = rig.submit(Who::Sam, in_queue("mig")).await;
    let job = claim(&rig, 1).await[0]["job"].clone();
    let spec = &job["manifest"]["spec"]["template"]["spec"];
    assert_eq!(spec["containers"][0]["resources"]["limits"], json!({"nvidia.com/mig-1g.10gb": "1"}), "task {id}");
    assert_eq!(spec["tolerations"][0]["key"], "nvidia.com/gpu");
    // It asks for a pod, which a runner of processes has not.
    rig.register("r1", INSTANCE).await.expect(200);
    rig.submit(Who::Sam, in_queue("mig")).await;
    assert_eq!(rig.claim(Uuid::from_u128(2), 1).await, [] as [Value; 0]);
}

#[tokio::test]
async fn nodes_are_told_by_who_holds_the_name_and_shown_to_everybody() {
    let rig = Rig::new().await;
    let node = json!({"name": "gpu-1", "labels": {"zone": "a"}, "allocatable": {"nvidia.com/gpu": "8"}, "ready": true});
    let tell = |instance: Uuid, nodes: Value| {
        let body = json!({"instance": instance, "nodes": nodes});
        rig.call("PUT", "/api/v1/runners/glue/nodes").bearer(rig.token(Who::Runner)).json(&body).into_future()
    };
    tell(GLUE, json!([node])).await.problem(404, "RUNNER_NOT_FOUND");
    register_glue(&rig, &json!({"namespaces": ["ml-runs"], "name": "eu-1"})).await.expect(200);
    tell(Uuid::from_u128(9), json!([node])).await.problem(409, "RUNNER_NAME_TAKEN");
    tell(GLUE, json!([node])).await.expect(204);
    let shown = rig.get(Who::Viewer, "/api/v1/nodes").await.expect(200)["items"][0].clone();
    assert_eq!((&shown["runner"], &shown["cluster"], &shown["nodes"][0]), (&json!("glue"), &json!("eu-1"), &node));
    let many: Vec<Value> = (0..10_001).map(|n| json!({"name": format!("n{n}"), "ready": true})).collect();
    tell(GLUE, json!(many)).await.problem(422, "VALIDATION_FAILED");
}
