//! Queues whose objects a cluster does not take: their tasks are left alone, and told why.

use super::rig::{Rig, Who, ask};
use serde_json::{Value, json};
use uuid::Uuid;

async fn register(rig: &Rig, name: &str, instance: Uuid) {
    let cluster = json!({"namespaces": ["a", "b"]});
    let body = json!({"kind": "kubernetes", "instance": instance, "version": "1", "slots": 9, "queues": ["*"], "cluster": cluster});
    rig.call("PUT", format!("/api/v1/runners/{name}")).bearer(rig.token(Who::Runner)).json(&body).await.expect(200);
}

/// What a runner gets that cannot make a `Train` in this namespace; none is said where it can make all.
async fn claimed(rig: &Rig, name: &str, instance: Uuid, unserved_in: Option<&str>) -> Vec<Value> {
    let mut body = ask(rig.app.settings.rng.uuid(), 10);
    (body["runner"], body["instance"]) = (json!(name), json!(instance));
    let message = "The API server serves no Train of example.org/v1: install what brings this kind";
    let refusal = json!({"verb": "discover", "resource": "Train", "status": 404, "reason": "NotServed", "message": message});
    body["unserved"] = unserved_in
        .map(|namespace| json!({"apiVersion": "example.org/v1", "kind": "Train", "namespace": namespace, "refusal": refusal}))
        .into_iter()
        .collect();
    rig.post(Who::Runner, "/api/v1/runner/claims", &body).await.expect(200)["items"].as_array().unwrap().clone()
}

async fn blocking(rig: &Rig, task: i64) -> Value {
    let why = rig.get(Who::Viewer, format!("/api/v1/tasks/{task}/why")).await.expect(200);
    assert_eq!((&why["state"], &why["attempt"]), (&json!("queued"), &json!(0)));
    why["reasons"][0].clone()
}

#[tokio::test]
async fn a_kind_that_no_cluster_takes_uses_up_no_attempt_and_is_told() {
    let rig = Rig::new().await;
    let (one, other) = (Uuid::from_u128(0xC1), Uuid::from_u128(0xC2));
    register(&rig, "one", one).await;
    let manifest = json!({"apiVersion": "example.org/v1", "kind": "Train", "spec": {}});
    let queue = json!({"object": {"manifest": manifest, "succeeded": "Done", "failed": "Broken"}});
    rig.call("PUT", "/api/v1/queues/train").bearer(rig.token(Who::Admin)).json(&queue).await.expect(201);
    let task = rig.submit(Who::Sam, json!({"queue": "train"})).await;

    assert_eq!(claimed(&rig, "one", one, Some("a")).await, Vec::<Value>::new());
    let found = blocking(&rig, task).await;
    assert_eq!((&found["code"], &found["class"]), (&json!("ObjectKindMissing"), &json!("escalate")));
    insta::assert_json_snapshot!(found);

    // Whatever another runner makes does not wait for this one.
    register(&rig, "two", other).await;
    assert_eq!(blocking(&rig, task).await["code"], "BehindInQueue");
    assert_eq!(claimed(&rig, "two", other, Some("a")).await, Vec::<Value>::new());
    let quoted: Vec<_> = blocking(&rig, task).await["evidence"].as_array().unwrap().iter().map(|q| q["source"].clone()).collect();
    assert_eq!(quoted, ["Runner one, API discover Train", "Runner two, API discover Train"]);

    // What is missing in another namespace is not missing here.
    let items = claimed(&rig, "one", one, Some("b")).await;
    assert_eq!((items.len(), &items[0]["attempt"]), (1, &json!(1)));
}

#[tokio::test]
async fn a_claim_leaves_no_more_kinds_to_others_than_there_is_room_for() {
    let rig = Rig::new().await;
    let one = Uuid::from_u128(0xC1);
    register(&rig, "one", one).await;
    let mut body = ask(Uuid::from_u128(1), 1);
    (body["runner"], body["instance"]) = (json!("one"), json!(one));
    let kind = json!({"apiVersion": "v1", "kind": "A", "namespace": "a", "refusal": {}});
    body["unserved"] = json!(vec![kind; 101]);
    let problem = rig.post(Who::Runner, "/api/v1/runner/claims", &body).await.problem(422, "VALIDATION_FAILED");
    assert_eq!(problem["errors"][0]["pointer"], "/unserved");
}
