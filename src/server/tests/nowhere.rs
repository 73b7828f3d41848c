//! Pods that no node will ever take: told as such where a runner tells its nodes, and never mistaken for a full cluster.

use super::{
    own::Own,
    rig::{Rig, Who, ask},
};
use serde_json::{Value, json};
use uuid::Uuid;

const GLUE: Uuid = Uuid::from_u128(0xB7);

async fn register(rig: &Rig) {
    let body =
        json!({"kind": "kubernetes", "instance": GLUE, "version": "1", "slots": 9, "queues": ["*"], "cluster": {"namespaces": ["ml"]}});
    rig.call("PUT", "/api/v1/runners/glue").bearer(rig.token(Who::Runner)).json(&body).await.expect(200);
}

/// Two nodes with four GPUs each, one of which is divided, and one whose device plugin is down.
async fn tell_nodes(rig: &Rig) {
    let node = |name: &str, product: &str, devices: Value| {
        let mut allocatable = json!({"cpu": "16", "memory": "64Gi", "pods": "110"});
        allocatable.as_object_mut().unwrap().extend(devices.as_object().unwrap().clone());
        json!({"name": name, "labels": {"nvidia.com/gpu.product": product}, "allocatable": allocatable, "ready": true})
    };
    let nodes = [
        node("a", "NVIDIA-A100-SXM4-80GB", json!({"nvidia.com/gpu": "4"})),
        node("b", "NVIDIA-A100-SXM4-40GB", json!({"nvidia.com/gpu": "4", "nvidia.com/mig-1g.5gb": "7"})),
        node("down", "NVIDIA-H100-80GB-HBM3", json!({"nvidia.com/gpu": "0"})),
    ];
    let body = json!({"instance": GLUE, "nodes": nodes});
    rig.call("PUT", "/api/v1/runners/glue/nodes").bearer(rig.token(Who::Runner)).json(&body).await.expect(204);
}

/// A queue whose pods ask for this.
async fn queue(rig: &Rig, name: &str, limits: Value, selector: Value) {
    let tolerations = json!([{"operator": "Exists"}]);
    let spec = json!({"containers": [{"resources": {"limits": limits}}], "nodeSelector": selector, "tolerations": tolerations});
    let body = json!({"defaults": {"image": "train:1"}, "podTemplate": {"spec": spec}});
    rig.call("PUT", format!("/api/v1/queues/{name}")).bearer(rig.token(Who::Admin)).json(&body).await.expect(201);
}

async fn reasons(rig: &Rig, task: i64) -> (Value, Option<String>) {
    let why = rig.get(Who::Viewer, format!("/api/v1/tasks/{task}/why")).await.expect(200);
    (why["reasons"].clone(), why["verdict"].as_str().map(str::to_owned))
}

fn codes(reasons: &Value) -> Vec<(&str, bool)> {
    let of = |reason: &'_ Value| reason["blocking"].as_bool().unwrap();
    reasons.as_array().unwrap().iter().map(|r| (r["code"].as_str().unwrap(), of(r))).collect()
}

/// The glue claims the next task, and the scheduler says this of its pod.
async fn unplaced(rig: &Rig, said: &str) {
    let mut body = ask(rig.app.settings.rng.uuid(), 1);
    (body["runner"], body["instance"]) = (json!("glue"), json!(GLUE));
    let claimed = rig.post(Who::Runner, "/api/v1/runner/claims", &body).await.expect(200)["items"][0].clone();
    let pod = json!({"name": "p", "uid": "pod-1", "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": said}]});
    let seen = json!({"kind": "evidence", "phase": "scheduling", "evidence": {"pod": pod}});
    Own::of(&claimed).reported(rig, None, seen).await.expect(200);
}

/// Found on a real cluster: with one node of each kind the scheduler names label and taint whichever of them is to blame.
#[tokio::test]
async fn of_label_and_taint_the_one_blocks_that_keeps_the_pod_from_every_node() {
    let rig = Rig::new().await;
    register(&rig).await;
    let node = |name: &str, labels: Value, taints: Value| json!({"name": name, "labels": labels, "taints": taints, "allocatable": {"cpu": "16"}, "ready": true});
    let aside = json!([{"key": "team", "value": "vision", "effect": "NoSchedule"}]);
    let nodes = [node("plain", json!({}), json!([])), node("aside", json!({"pool": "vision"}), aside)];
    let body = json!({"instance": GLUE, "nodes": nodes});
    rig.call("PUT", "/api/v1/runners/glue/nodes").bearer(rig.token(Who::Runner)).json(&body).await.expect(204);
    let said = "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint(s).";
    for (pool, blocking, beside) in
        [("vision", "UntoleratedTaint", "NoNodeMatchesSelector"), ("none", "NoNodeMatchesSelector", "UntoleratedTaint")]
    {
        let body = json!({"defaults": {"image": "train:1"}, "podTemplate": {"spec": {"nodeSelector": {"pool": pool}}}});
        rig.call("PUT", format!("/api/v1/queues/{pool}")).bearer(rig.token(Who::Admin)).json(&body).await.expect(201);
        let task = rig.submit(Who::Sam, json!({"command": ["true"], "queue": pool})).await;
        unplaced(&rig, said).await;
        let (found, verdict) = reasons(&rig, task).await;
        assert_eq!((codes(&found), verdict.as_deref()), (vec![(blocking, true), (beside, false)], Some("change")), "{found:#}");
    }
}

#[tokio::test]
async fn what_never_fits_is_not_mistaken_for_what_has_to_wait() {
    let rig = Rig::new().await;
    register(&rig).await;
    let gpus = |n: u32| json!({"nvidia.com/gpu": n});
    queue(&rig, "large", gpus(8), json!({})).await;
    queue(&rig, "small", gpus(4), json!({})).await;
    queue(&rig, "slice", json!({"nvidia.com/mig-1g.10gb": 1}), json!({})).await;
    queue(&rig, "down", gpus(1), json!({"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"})).await;
    queue(&rig, "old", gpus(1), json!({"nvidia.com/gpu.product": "A100-SXM4-80GB"})).await;
    let full = |resource: &str| format!("0/3 nodes are available: 3 Insufficient {resource}.");
    let unselected = "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.".to_owned();
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "queue": "large"})).await;
    let (known, verdict) = reasons(&rig, task).await;
    assert_eq!((codes(&known), verdict.as_deref()), (vec![("BehindInQueue", true)], Some("wait")), "nobody tells nodes");
    rig.post(Who::Sam, format!("/api/v1/tasks/{task}/cancel"), &json!({})).await.expect(200);
    tell_nodes(&rig).await;
    for (name, said, before, blocking, beside, verdict) in [
        ("large", full("nvidia.com/gpu"), vec!["NeverFits"], vec!["NeverFits"], vec!["InsufficientGPU"], "change"),
        ("small", full("nvidia.com/gpu"), vec![], vec!["InsufficientGPU"], vec![], "wait"),
        (
            "slice",
            full("nvidia.com/mig-1g.10gb"),
            vec!["MigProfileNotAdvertised"],
            vec!["MigProfileNotAdvertised"],
            vec!["InsufficientGPU"],
            "escalate",
        ),
        ("down", full("nvidia.com/gpu"), vec!["LabelWithoutDevices"], vec!["LabelWithoutDevices"], vec!["InsufficientGPU"], "escalate"),
        ("old", unselected, vec!["NoNodeMatchesSelector"], vec!["NoNodeMatchesSelector"], vec![], "change"),
    ] {
        let task = rig.submit(Who::Sam, json!({"command": ["true"], "queue": name})).await;
        let (known, _) = reasons(&rig, task).await;
        let early: Vec<_> = codes(&known).into_iter().filter(|(_, blocking)| !blocking).map(|(code, _)| code).collect();
        assert_eq!(early, before, "{name}, queued");

        unplaced(&rig, &said).await;
        let (found, said) = reasons(&rig, task).await;
        let all = codes(&found);
        let of = |is: bool| all.iter().filter(|(_, blocking)| *blocking == is).map(|(code, _)| *code).collect::<Vec<_>>();
        assert_eq!((of(true), of(false), said.as_deref()), (blocking, beside, Some(verdict)), "{name}: {found:#}");
        insta::assert_json_snapshot!(format!("{name}"), found);
    }
}

#[tokio::test]
async fn what_is_too_large_is_told_how_large_it_may_be() {
    let rig = Rig::new().await;
    register(&rig).await;
    tell_nodes(&rig).await;
    queue(&rig, "pods", json!({}), json!({})).await;
    let body = |gpus: u32| json!({"command": ["true"], "queue": "pods", "resources": {"gpus": gpus}});
    let instead = async |task: i64| {
        let why = rig.get(Who::Sam, format!("/api/v1/tasks/{task}/why")).await.expect(200);
        why.get("instead").cloned().unwrap_or_default()
    };
    let task = rig.submit(Who::Sam, body(8)).await;
    assert_eq!(instead(task).await, json!([{"gpus": 4, "now": false}]), "queued");
    unplaced(&rig, "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.").await;
    assert_eq!(instead(task).await, json!([{"gpus": 4, "now": false}]), "and with a pod");
    let fits = rig.submit(Who::Sam, body(4)).await;
    unplaced(&rig, "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.").await;
    assert_eq!(instead(fits).await, Value::Null, "nobody knows how many of the four are taken");
}

#[tokio::test]
async fn a_queue_that_has_room_is_named_and_takes_it() {
    let rig = Rig::new().await;
    register(&rig).await;
    tell_nodes(&rig).await;
    queue(&rig, "large", json!({"nvidia.com/gpu": 8}), json!({})).await;
    queue(&rig, "fits", json!({"nvidia.com/gpu": 4}), json!({})).await;
    queue(&rig, "paused", json!({"nvidia.com/gpu": 1}), json!({})).await;
    rig.post(Who::Operator, "/api/v1/queues/paused/pause", &json!({})).await.expect(200);
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "queue": "large"})).await;
    let elsewhere = async || {
        let why = rig.get(Who::Sam, format!("/api/v1/tasks/{task}/why")).await.expect(200);
        why.get("instead").cloned().unwrap_or_default()
    };
    assert_eq!(elsewhere().await, Value::Null, "no runner says that it has room");
    let tell = |max: u32| {
        let state = json!({"room": {"max": max, "gpus": 8, "queues": [{"name": "*"}]}});
        let body = json!({"runner": "glue", "instance": GLUE, "known": "", "state": state});
        rig.post(Who::Runner, "/api/v1/runner/heartbeat", &body)
    };
    tell(1).await.expect(200);
    assert_eq!(
        elsewhere().await,
        json!([{"queue": "fits", "now": true}]),
        "the default queue has no pods, and of the others one is paused"
    );
    let first = rig.submit(Who::Sam, json!({"command": ["true"], "queue": "fits"})).await;
    assert_eq!(elsewhere().await, Value::Null, "the room is another's");
    rig.post(Who::Sam, format!("/api/v1/tasks/{first}/cancel"), &json!({})).await.expect(200);

    let again = |queue: &str| rig.post(Who::Sam, format!("/api/v1/tasks/{task}/rerun"), &json!({"queue": queue}));
    let moved = again("fits").await.expect(201);
    assert_eq!((&moved["queue"], &moved["rerunOf"], &moved["state"]), (&json!("fits"), &json!(task), &json!("queued")));
    again("fit").await.problem(404, "QUEUE_NOT_FOUND");
    let object = json!({"useImageEntrypoint": true, "defaults": {"image": "serve:1"}});
    rig.call("PUT", "/api/v1/queues/serve").bearer(rig.token(Who::Admin)).json(&object).await.expect(201);
    let refused = again("serve").await.problem(422, "VALIDATION_FAILED");
    assert_eq!(refused["errors"][0]["pointer"], "/command");
}
