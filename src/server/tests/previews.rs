//! What would be created, what was, and what queues were.

use super::rig::{Rig, Who, ask};
use serde_json::{Value, json};
use uuid::Uuid;

const GLUE: Uuid = Uuid::from_u128(0xB4);

async fn register(rig: &Rig, name: &str, instance: Uuid, cluster: &Value) {
    let body =
        json!({"kind": "kubernetes", "instance": instance, "version": "1", "slots": 100, "gpus": 100, "queues": ["*"], "cluster": cluster});
    rig.call("PUT", format!("/api/v1/runners/{name}")).bearer(rig.token(Who::Runner)).json(&body).await.expect(200);
}

async fn apply(rig: &Rig, queue: &Value) -> Value {
    let reply = rig.call("PUT", "/api/v1/queues/gpu").bearer(rig.token(Who::Admin)).json(queue).await;
    reply.expect(reply.status.as_u16())
}

async fn render(rig: &Rig, query: &str, body: &Value) -> Value {
    rig.post(Who::Viewer, format!("/api/v1/queues/gpu/render{query}"), body).await.expect(200)["items"].clone()
}

fn queue() -> Value {
    json!({"defaults": {"image": "img:1"}, "owner": "vision", "variables": {"gpus": {"type": "integer", "default": 1, "maximum": 4}},
        "podTemplate": {"metadata": {"labels": {"by": "${user}"}}, "spec": {"containers": [{"resources": {"limits": {"nvidia.com/gpu": "{{gpus}}"}}}]}}})
}

#[tokio::test]
async fn a_preview_says_what_each_runner_would_create_and_who_set_what() {
    let rig = Rig::new().await;
    apply(&rig, &queue()).await;
    let alone = render(&rig, "", &json!({})).await;
    assert_eq!((alone.as_array().unwrap().len(), alone[0].get("runner")), (1, None));
    assert_eq!(alone[0]["faults"], json!([]), "{alone}");
    assert_eq!(alone[0]["manifest"]["metadata"]["namespace"], "default");

    register(&rig, "glue-a", GLUE, &json!({"namespaces": ["ml-a"], "base": {"spec": {"priorityClassName": "batch"}}})).await;
    let overlay = json!({"gpu": {"spec": {"runtimeClassName": "nvidia"}}});
    register(&rig, "glue-b", Uuid::from_u128(0xB5), &json!({"namespaces": ["ml-b"], "overlays": overlay})).await;
    let both = render(&rig, "", &json!({"task": {"command": ["true"], "variables": {"gpus": 2}}})).await;
    let [a, b] = both.as_array().unwrap().clone().try_into().expect("one for each");
    assert_eq!((&a["runner"], &b["runner"]), (&json!("glue-a"), &json!("glue-b")));
    let at = |item: &Value, part: &str, pointer: &str| item[part].pointer(&format!("/spec/template{pointer}")).cloned().unwrap_or_default();
    for (item, pointer, value, layer) in [
        (&a, "/spec/priorityClassName", json!("batch"), "runnerBase"),
        (&b, "/spec/runtimeClassName", json!("nvidia"), "runnerOverlay"),
        (&a, "/spec/containers/0/resources/limits/nvidia.com~1gpu", json!("2"), "queue"),
        (&a, "/metadata/labels/by", json!("vera"), "queue"),
        (&a, "/spec/containers/0/command/1", json!("run"), "inject"),
        (&a, "/spec/terminationGracePeriodSeconds", json!(40), "enforce"),
        (&a, "/spec/securityContext/runAsNonRoot", json!(true), "builtIn"),
    ] {
        let said = at(item, "manifest", pointer);
        assert!(said == value || pointer.ends_with("/by"), "{pointer}: {said}");
        assert_eq!(at(item, "origins", pointer), layer, "{pointer}");
    }
    let one = render(&rig, "?runner=glue-b", &json!({})).await;
    assert_eq!((one.as_array().unwrap().len(), &one[0]["runner"]), (1, &json!("glue-b")));
    rig.post(Who::Viewer, "/api/v1/queues/gpu/render?runner=nobody", &json!({})).await.problem(404, "RUNNER_NOT_FOUND");
    rig.post(Who::Viewer, "/api/v1/queues/none/render", &json!({})).await.problem(404, "QUEUE_NOT_FOUND");

    // What is wrong, and with what.
    let refused = render(&rig, "", &json!({"task": {"command": ["true"], "variables": {"gpus": 9}}})).await;
    assert_eq!((refused[0].get("manifest"), &refused[0]["faults"][0]["pointer"]), (None, &json!("/task/variables/gpus")));
    let mut other = queue();
    other["podTemplate"]["metadata"]["namespace"] = json!("ml-b");
    let tried = render(&rig, "", &json!({"queue": other})).await;
    assert_eq!(tried[0]["faults"][0]["pointer"], "/queue/podTemplate/metadata/namespace", "{tried}");
    assert_eq!(tried[1]["faults"], json!([]));
    let shown = rig.get(Who::Viewer, "/api/v1/queues/gpu").await.expect(200);
    assert_eq!(shown["revision"], 1, "nothing was stored");
    let body = json!({"queue": {"podTemplate": {"spec": {"x": 1}}}});
    rig.post(Who::Viewer, "/api/v1/queues/gpu/render", &body).await.problem(422, "VALIDATION_FAILED");
}

#[tokio::test]
async fn a_manifest_is_that_of_the_newest_attempt() {
    let rig = Rig::new().await;
    register(&rig, "glue-a", GLUE, &json!({"namespaces": ["ml-a"]})).await;
    apply(&rig, &queue()).await;
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "queue": "gpu", "variables": {"gpus": 3}})).await;
    let path = format!("/api/v1/tasks/{task}/manifest");
    let none = rig.get(Who::Sam, &path).await.problem(409, "CONFLICT");
    assert!(none["detail"].as_str().unwrap().contains("no attempt yet"), "{none}");
    let mut body = ask(Uuid::from_u128(7), 1);
    (body["runner"], body["instance"], body["waitSeconds"]) = (json!("glue-a"), json!(GLUE), json!(0));
    let claimed = rig.post(Who::Runner, "/api/v1/runner/claims", &body).await.expect(200)["items"][0].clone();
    rig.pass(1_000);
    // The queue changes meanwhile; the attempt does not.
    let mut other = queue();
    other["podTemplate"]["metadata"]["labels"]["later"] = json!("yes");
    apply(&rig, &other).await;
    let shown = rig.get(Who::Sam, &path).await.expect(200);
    assert_eq!((&shown["attempt"], &shown["runner"], &shown["revision"]), (&json!(1), &json!("glue-a"), &json!(1)));
    let made = &shown["manifest"]["spec"]["template"];
    assert_eq!((made["metadata"]["labels"].get("later"), &made["metadata"]["labels"]["by"]), (None, &json!("sam")));
    assert_eq!(made["metadata"]["labels"]["slipway.dev/claim"], json!(Uuid::from_u128(7)));
    // What the glue got is in it, unchanged, and of all that it did not get the layer is known.
    let sent = &claimed["job"]["manifest"]["spec"]["template"]["spec"];
    assert_eq!(made["spec"]["containers"][0]["resources"], sent["containers"][0]["resources"]);
    assert_eq!(shown["origins"]["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"], "queue");
    assert_eq!(shown["origins"]["spec"]["backoffLimit"], "enforce");
}

#[tokio::test]
async fn the_last_revisions_of_a_queue_are_kept() {
    let rig = Rig::new().await;
    rig.get(Who::Viewer, "/api/v1/queues/gpu/revisions").await.problem(404, "QUEUE_NOT_FOUND");
    for i in 1..=103 {
        apply(&rig, &json!({"description": format!("the {i}th")})).await;
    }
    apply(&rig, &json!({"description": "the 103th"})).await;
    let list = rig.get(Who::Viewer, "/api/v1/queues/gpu/revisions").await.expect(200)["items"].clone();
    let list = list.as_array().unwrap();
    assert_eq!((list.len(), &list[0]["revision"], &list[99]["revision"]), (100, &json!(103), &json!(4)));
    assert!(list[0].get("queue").is_none() && list[0]["by"].is_string() && list[0]["at"].is_string(), "{}", list[0]);
    let one = rig.get(Who::Viewer, "/api/v1/queues/gpu/revisions/50").await.expect(200);
    assert_eq!((&one["revision"], &one["queue"]["description"]), (&json!(50), &json!("the 50th")));
    rig.get(Who::Viewer, "/api/v1/queues/gpu/revisions/3").await.problem(404, "QUEUE_NOT_FOUND");
    rig.call("DELETE", "/api/v1/queues/gpu").bearer(rig.token(Who::Admin)).await;
    apply(&rig, &json!({})).await;
    let again = rig.get(Who::Viewer, "/api/v1/queues/gpu/revisions").await.expect(200)["items"].clone();
    assert_eq!((again.as_array().unwrap().len(), &again[0]["revision"]), (1, &json!(1)));
}
