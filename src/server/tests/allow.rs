//! What tasks may say of their pods, from the submit to the Job, and what becomes of those that no longer fit.

use super::rig::{Rig, Who, ask};
use serde_json::{Value, json};
use uuid::Uuid;

const GLUE: Uuid = Uuid::from_u128(0xB3);

async fn rig() -> Rig {
    let rig = Rig::new().await;
    let body = json!({"kind": "kubernetes", "instance": GLUE, "version": "1", "slots": 100, "gpus": 100, "queues": ["*"],
        "cluster": {"namespaces": ["ml-runs"], "base": {"spec": {"nodeSelector": {"zone": "a"}}}}});
    rig.call("PUT", "/api/v1/runners/glue").bearer(rig.token(Who::Runner)).json(&body).await.expect(200);
    rig
}

async fn apply(rig: &Rig, queue: &Value) {
    let reply = rig.call("PUT", "/api/v1/queues/gpu").bearer(rig.token(Who::Admin)).json(queue).await;
    assert!(reply.status == 200 || reply.status == 201, "{}", reply.status);
}

async fn job(rig: &Rig, claim: u128) -> Value {
    let mut body = ask(Uuid::from_u128(claim), 1);
    (body["runner"], body["instance"], body["waitSeconds"]) = (json!("glue"), json!(GLUE), json!(0));
    let reply = rig.post(Who::Runner, "/api/v1/runner/claims", &body).await.expect(200);
    reply["items"][0]["job"]["manifest"].clone()
}

/// The places of a refused task, and the first sentence.
async fn refused(rig: &Rig, task: &Value) -> (Vec<String>, String) {
    let problem = rig.post(Who::Sam, "/api/v1/tasks", task).await.problem(422, "VALIDATION_FAILED");
    let errors = problem["errors"].as_array().unwrap();
    let places = errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect();
    (places, errors[0]["message"].as_str().unwrap().to_owned())
}

fn asks() -> Value {
    json!({"queue": "gpu", "command": ["true"], "image": "registry.example.com/vision/train:7", "priority": "high", "timeoutSeconds": 900,
        "resources": {"cpu": "4", "memory": "16Gi"}, "nodeSelector": {"disk": "nvme"}, "env": {"MODE": "x"},
        "secrets": [{"env": "HF_TOKEN", "secret": "hf", "key": "token"}, {"file": "kaggle.json", "secret": "kaggle", "key": "json"}]})
}

fn queue(allow: &Value) -> Value {
    let container = json!({"image": "python:3.12", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
        "env": [{"name": "MODE", "value": "queue"}, {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]});
    json!({"defaults": {"timeoutSeconds": 600}, "podTemplate": {"spec": {"containers": [container]}}, "allow": allow})
}

fn all() -> Value {
    json!({"images": ["registry.example.com/vision/*"], "cpu": "8", "memory": "32Gi", "nodeSelector": ["disk"], "env": ["*"],
        "highestPriority": "high", "timeoutSeconds": 1200, "secrets": ["hf", "kaggle"]})
}

#[tokio::test]
async fn a_queue_that_allows_nothing_takes_the_command_alone() {
    let rig = rig().await;
    apply(&rig, &queue(&json!({}))).await;
    let (places, first) = refused(&rig, &asks()).await;
    assert_eq!(
        places,
        [
            "/image",
            "/resources/cpu",
            "/resources/memory",
            "/nodeSelector/disk",
            "/timeoutSeconds",
            "/secrets/0/secret",
            "/secrets/1/secret",
            "/env/MODE"
        ]
    );
    assert_eq!(
        first,
        "the queue gpu allows no image \"registry.example.com/vision/train:7\" (allow.images: its own alone); who has the role admin can change it (slipway queue apply)"
    );
    for (env, fine) in [("LR", true), ("LD_PRELOAD", false), ("PATH", true), ("NODE", false)] {
        let task = json!({"queue": "gpu", "command": ["true"], "env": {env: "x"}, "labels": {"a": "b"}, "timeoutSeconds": 60});
        let reply = rig.post(Who::Sam, "/api/v1/tasks", &task).await;
        assert_eq!(reply.status == 201, fine, "{env}");
    }
}

#[tokio::test]
async fn what_the_queue_allows_stands_in_the_job_and_nothing_else() {
    let rig = rig().await;
    apply(&rig, &queue(&all())).await;
    rig.submit(Who::Sam, asks()).await;
    let rig = rig.restarted().await;
    let made = job(&rig, 1).await;
    let spec = &made["spec"]["template"]["spec"];
    let container = &spec["containers"][0];
    assert_eq!(container["image"], "registry.example.com/vision/train:7");
    let amounts = json!({"cpu": "4", "memory": "16Gi"});
    assert_eq!(container["resources"], json!({"limits": amounts, "requests": amounts}));
    assert_eq!(spec["nodeSelector"], json!({"zone": "a", "disk": "nvme"}));
    assert_eq!(container["env"][0], json!({"name": "MODE", "value": "queue"}), "the agent sets the task's over it");
    assert_eq!(container["env"][2], json!({"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hf", "key": "token"}}}));
    assert_eq!(container["volumeMounts"], json!([{"name": "task-secrets", "mountPath": "/secrets", "readOnly": true}]));
    let source = json!({"secret": {"name": "kaggle", "items": [{"key": "json", "path": "kaggle.json"}]}});
    assert_eq!(spec["volumes"], json!([{"name": "task-secrets", "projected": {"sources": [source], "defaultMode": 288}}]));

    for (field, value, place) in [
        ("image", json!("evil/x"), "/image"),
        ("resources", json!({"cpu": "8001m"}), "/resources/cpu"),
        ("resources", json!({"memory": "33Gi"}), "/resources/memory"),
        ("nodeSelector", json!({"zone": "b"}), "/nodeSelector/zone"),
        ("env", json!({"NODE": "x"}), "/env/NODE"),
        ("priority", json!("critical"), "/priority"),
        ("timeoutSeconds", json!(1201), "/timeoutSeconds"),
        ("secrets", json!([{"env": "A", "secret": "db", "key": "k"}]), "/secrets/0/secret"),
        ("secrets", json!([{"env": "A", "file": "b", "secret": "hf", "key": "k"}]), "/secrets/0"),
        ("secrets", json!([{"file": "../etc/passwd", "secret": "hf", "key": "k"}]), "/secrets/0/file"),
        ("secrets", json!([{"env": "NODE", "secret": "hf", "key": "k"}]), "/secrets/0/env"),
    ] {
        let mut task = asks();
        task[field] = value.clone();
        assert_eq!(refused(&rig, &task).await.0, [place], "{field}: {value}");
    }
    for (field, value) in [("resources", json!({"cpu": "much"})), ("securityContext", json!({})), ("volumes", json!([]))] {
        let mut task = asks();
        task[field] = value;
        assert!((400..=422).contains(&rig.post(Who::Sam, "/api/v1/tasks", &task).await.status.as_u16()), "{field}");
    }
    let task = rig.submit(Who::Sam, asks()).await;
    let reply = rig.call("PATCH", format!("/api/v1/tasks/{task}")).bearer(rig.token(Who::Sam)).json(&json!({"priority": "critical"})).await;
    assert_eq!(reply.problem(422, "VALIDATION_FAILED")["errors"][0]["pointer"], "/priority");
}

#[tokio::test]
async fn what_a_queue_allows_is_checked_by_place() {
    let rig = rig().await;
    for (allow, pointer) in [
        (json!({"nodeSelector": ["a b"]}), "/allow/nodeSelector/0"),
        (json!({"images": ["ok", ""]}), "/allow/images/1"),
        (json!({"timeoutSeconds": 5}), "/allow/timeoutSeconds"),
    ] {
        let reply = rig.call("PUT", "/api/v1/queues/gpu").bearer(rig.token(Who::Admin)).json(&queue(&allow)).await;
        assert_eq!(reply.problem(422, "VALIDATION_FAILED")["errors"][0]["pointer"], pointer);
    }
    let reply = rig.call("PUT", "/api/v1/queues/gpu").bearer(rig.token(Who::Admin)).json(&queue(&json!({"cpu": "much"}))).await;
    assert!(reply.text().contains("no amount of CPU"), "{}", reply.text());
}

#[tokio::test]
async fn a_queue_without_pods_refuses_what_only_a_pod_can_have() {
    let rig = rig().await;
    apply(&rig, &json!({"allow": all()})).await;
    let (places, first) = refused(&rig, &asks()).await;
    assert_eq!(places, ["/image", "/resources/cpu", "/resources/memory", "/nodeSelector", "/secrets"]);
    assert!(first.contains("has no pods of its own"), "{first}");
    apply(&rig, &json!({})).await;
    rig.submit(Who::Sam, json!({"queue": "gpu", "command": ["true"], "env": {"LD_LIBRARY_PATH": "/opt/lib"}})).await;
}

#[tokio::test]
async fn a_task_brings_the_image_where_its_queue_has_none() {
    let rig = rig().await;
    apply(&rig, &json!({"podTemplate": {}, "allow": {"images": ["python:*"]}})).await;
    let (places, first) = refused(&rig, &json!({"queue": "gpu", "command": ["true"]})).await;
    assert_eq!((places, first.as_str()), (vec!["/image".to_owned()], "no image: name one, or give the queue one (defaults: {image: …})"));
    rig.submit(Who::Sam, json!({"queue": "gpu", "command": ["true"], "image": "python:3.13"})).await;
    assert_eq!(job(&rig, 1).await["spec"]["template"]["spec"]["containers"][0]["image"], "python:3.13");
}

#[tokio::test]
async fn a_task_that_no_longer_passes_stays_queued_and_why_says_so() {
    let rig = rig().await;
    apply(&rig, &queue(&all())).await;
    let task = rig.submit(Who::Sam, asks()).await;
    let mut less = all();
    less["images"] = json!(["registry.example.com/other/*"]);
    apply(&rig, &queue(&less)).await;
    let why = rig.get(Who::Sam, format!("/api/v1/tasks/{task}/why")).await.expect(200);
    assert_eq!(why["reasons"][0]["code"], "PolicyDenied", "{why}");
    assert!(why["reasons"][0]["message"].as_str().unwrap().contains("allow.images"), "{why}");
    assert_eq!(rig.state(task).await, "queued");
    assert_eq!(job(&rig, 1).await, Value::Null, "a claim gets no Job to make");
    // A template that can no longer be made with its values.
    let mut other = queue(&all());
    other["podTemplate"]["metadata"] = json!({"annotations": {"a": "${CLEARML_TASK.name}"}});
    let second = {
        apply(&rig, &queue(&all())).await;
        let id = rig.submit(Who::Sam, asks()).await;
        apply(&rig, &other).await;
        id
    };
    let why = rig.get(Who::Sam, format!("/api/v1/tasks/{second}/why")).await.expect(200);
    assert_eq!(why["reasons"][0]["code"], "TemplateInvalid", "{why}");
}
