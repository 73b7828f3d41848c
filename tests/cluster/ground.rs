//! The ground that the other tests stand on.

use crate::{
    kit::{Scene, phase, tests},
    support::eventually,
};
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use serde_json::{Value, json};
use std::sync::Arc;

tests!(Shared: a_pod_runs_under_the_strictest_profile);

/// What Pod Security `restricted` asks of a pod.
fn restricted(image: &str, command: &[&str]) -> Value {
    json!({
        "metadata": {"name": "ground"},
        "spec": {
            "restartPolicy": "Never",
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "main",
                "image": image,
                "command": command,
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            }],
        },
    })
}

async fn a_pod_runs_under_the_strictest_profile(scene: Arc<Scene>) {
    scene.create::<Pod>(restricted("slipway.test/static:1", &["/hello", "7"])).await;
    let pods = scene.api::<Pod>();
    let ended = eventually("the end of the pod", async || pods.get("ground").await.ok().filter(|pod| phase(pod) == "Failed")).await;
    let status = ended.status.expect("a status").container_statuses.expect("statuses").remove(0);
    assert_eq!(status.state.expect("a state").terminated.expect("an end").exit_code, 7);
    let log = pods.logs("ground", &LogParams::default()).await.expect("the log");
    assert_eq!(log, "hello from an empty image\n");
}
