//! What clusters say of queues, told by runners and shown in previews.

use super::rig::{Rig, Who};
use serde_json::{Value, json};
use uuid::Uuid;

const GLUE: Uuid = Uuid::from_u128(0xB4);

async fn register(rig: &Rig, cluster: &Value) {
    let body = json!({"kind": "kubernetes", "instance": GLUE, "version": "1", "slots": 9, "gpus": 9, "queues": ["gpu", "cpu"], "cluster": cluster});
    rig.call("PUT", "/api/v1/runners/glue").bearer(rig.token(Who::Runner)).json(&body).await.expect(200);
}

async fn apply(rig: &Rig, queue: &Value) {
    let reply = rig.call("PUT", "/api/v1/queues/gpu").bearer(rig.token(Who::Admin)).json(queue).await;
    reply.expect(reply.status.as_u16());
}

async fn due(rig: &Rig) -> Value {
    rig.get(Who::Runner, format!("/api/v1/runners/glue/checks?instance={GLUE}")).await.expect(200)["items"].clone()
}

async fn order(rig: &Rig, queue: &str) -> Value {
    rig.get(Who::Runner, format!("/api/v1/runners/glue/checks/{queue}?instance={GLUE}")).await.expect(200)
}

async fn render(rig: &Rig, body: &Value) -> Value {
    rig.post(Who::Viewer, "/api/v1/queues/gpu/render", body).await.expect(200)["items"][0].clone()
}

fn queue(class: &str) -> Value {
    json!({"defaults": {"image": "img:1"}, "podTemplate": {"spec": {"priorityClassName": class, "containers": [{"resources": {"limits": {"nvidia.com/gpu": 1}}}]}}})
}

fn finding() -> Value {
    json!({"level": "error", "code": "PriorityClassMissing", "pointer": "/spec/template/spec/priorityClassName", "found": "gold",
        "message": "There is no priority class gold", "fix": "Create it.", "said": "no PriorityClass with name gold was found"})
}

fn report(of: &Value, findings: &Value) -> Value {
    json!({"instance": GLUE, "items": [{"queue": "gpu", "of": of, "findings": findings}]})
}

async fn tell(rig: &Rig, body: &Value) -> super::wires::Reply {
    rig.call("PUT", "/api/v1/runners/glue/checks").bearer(rig.token(Who::Runner)).json(body).await
}

fn codes(item: &Value) -> Vec<String> {
    item["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| format!("{} {}", finding["level"], finding["code"]).replace('"', ""))
        .collect()
}

#[tokio::test]
async fn a_preview_shows_what_the_cluster_says_of_the_same_document_and_layers() {
    let rig = Rig::new().await;
    register(&rig, &json!({"name": "eu-1", "namespaces": ["ml"]})).await;
    apply(&rig, &queue("gold")).await;
    let before = render(&rig, &json!({})).await;
    assert_eq!((codes(&before), before.get("checkedAt")), (vec!["warning TolerationMissing".to_owned()], None));

    // What the glue asks its cluster about is what it would create for a task that says nothing.
    let items = due(&rig).await;
    assert_eq!((items.as_array().unwrap().len(), &items[0]["queue"], &items[0]["told"]), (1, &json!("gpu"), &json!(false)), "{items}");
    let asked = order(&rig, "gpu").await;
    assert_eq!((&asked["of"], &asked["job"]["graceSeconds"]), (&items[0]["of"], &json!(30)));
    assert_eq!(asked["job"]["manifest"]["spec"]["template"]["spec"]["priorityClassName"], "gold");
    tell(&rig, &report(&asked["of"], &json!([finding()]))).await.expect(204);
    assert_eq!(due(&rig).await[0]["told"], true);
    let shown = render(&rig, &json!({})).await;
    assert_eq!(codes(&shown), ["error PriorityClassMissing", "warning TolerationMissing"]);
    assert_eq!((&shown["findings"][0]["layer"], &shown["cluster"]), (&json!("queue"), &json!("eu-1")));
    assert!(shown["checkedAt"].is_string() && shown.get("nodesAt").is_none(), "{shown}");
    // What is told of others leaves it alone.
    tell(&rig, &json!({"instance": GLUE, "items": [{"queue": "default", "of": "x", "findings": []}]})).await.expect(204);
    assert_eq!(due(&rig).await[0]["told"], true);
    // A document that is tried counts as the stored one where it says the same.
    let mut same = queue("gold");
    same["name"] = json!("gpu");
    assert_eq!(codes(&render(&rig, &json!({"queue": same})).await).len(), 2);
    assert_eq!(codes(&render(&rig, &json!({"queue": queue("silver")})).await).len(), 1);

    // Another document, and the same once more: other layers.
    apply(&rig, &queue("silver")).await;
    assert_eq!((due(&rig).await[0]["told"].clone(), codes(&render(&rig, &json!({})).await).len()), (json!(false), 1));
    apply(&rig, &queue("gold")).await;
    assert_eq!(codes(&render(&rig, &json!({})).await).len(), 2);
    register(&rig, &json!({"name": "eu-1", "namespaces": ["ml"], "overlays": {"gpu": {"spec": {"priorityClassName": "bronze"}}}})).await;
    let other = render(&rig, &json!({})).await;
    assert_eq!((codes(&other).len(), other.get("checkedAt")), (1, None));
    assert_ne!(due(&rig).await[0]["of"], asked["of"]);

    // A server that was started anew knows nothing of it.
    register(&rig, &json!({"name": "eu-1", "namespaces": ["ml"]})).await;
    let rig = rig.restarted().await;
    let items = due(&rig).await;
    assert_eq!((&items[0]["of"], &items[0]["told"]), (&asked["of"], &json!(false)));
}

#[tokio::test]
async fn nodes_are_looked_at_where_they_are_told() {
    let rig = Rig::new().await;
    register(&rig, &json!({"namespaces": ["ml"]})).await;
    apply(&rig, &queue("gold")).await;
    let node = json!({"name": "n", "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "10"}, "ready": true});
    let body = json!({"instance": GLUE, "nodes": [node]});
    rig.call("PUT", "/api/v1/runners/glue/nodes").bearer(rig.token(Who::Runner)).json(&body).await.expect(204);
    let shown = render(&rig, &json!({})).await;
    assert_eq!(codes(&shown), ["error DeviceNotAdvertised", "warning TolerationMissing"]);
    assert!(shown["nodesAt"].is_string());
}

#[tokio::test]
async fn too_much_is_refused_and_so_is_another_instance() {
    let rig = Rig::new().await;
    register(&rig, &json!({"namespaces": ["ml"]})).await;
    apply(&rig, &queue("gold")).await;
    let many: Vec<_> = (0..51).map(|_| finding()).collect();
    let refused = tell(&rig, &report(&json!("x"), &json!(many))).await.problem(422, "VALIDATION_FAILED");
    assert_eq!(refused["errors"][0]["pointer"], "/items/0/findings");
    let mut long = finding();
    long["said"] = json!("x".repeat(2_049));
    tell(&rig, &report(&json!("x"), &json!([long]))).await.problem(422, "VALIDATION_FAILED");
    let other = json!({"instance": Uuid::from_u128(9), "items": []});
    tell(&rig, &other).await.problem(409, "RUNNER_NAME_TAKEN");
    rig.get(Who::Runner, format!("/api/v1/runners/glue/checks/none?instance={GLUE}")).await.problem(404, "QUEUE_NOT_FOUND");
}

#[tokio::test]
async fn that_tasks_name_their_image_is_no_fault_of_a_queue() {
    let rig = Rig::new().await;
    register(&rig, &json!({"namespaces": ["ml"]})).await;
    apply(&rig, &json!({"podTemplate": {}, "allow": {"images": ["python:*"]}})).await;
    let image = "/spec/template/spec/containers/0/image";
    assert_eq!(order(&rig, "gpu").await["job"]["manifest"].pointer(image), Some(&json!("python:sample")));
    let shown = render(&rig, &json!({})).await;
    assert_eq!((&shown["faults"], shown["manifest"].pointer(image)), (&json!([]), Some(&json!("python:sample"))));
    let without = render(&rig, &json!({"task": {"command": ["true"]}})).await;
    assert_eq!(without["faults"][0]["pointer"], "/task/image");
    // Where the template has one, that stays.
    let container = json!({"image": "own:1"});
    apply(&rig, &json!({"podTemplate": {"spec": {"containers": [container]}}, "allow": {"images": ["python:*"]}})).await;
    assert_eq!(render(&rig, &json!({})).await["manifest"].pointer(image), Some(&json!("own:1")));
}
