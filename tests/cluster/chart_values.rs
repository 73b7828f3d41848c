//! The chart with values files of others, as they are, beside a short own one.

use crate::{
    chart::{CHART, images, pods, slipway, written},
    kit::{Scene, cluster::NODE, phase, tests},
    support::eventually,
};
use k8s_openapi::api::core::v1::{Node, Pod, ServiceAccount};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;
use std::sync::Arc;
use tempfile::TempDir;

// It gives the node a label and a resource that other tests would meet.
tests!(Exclusive: values_of_clearml_make_queues_whose_pods_are_as_they_say);

const PRODUCT: &str = "nvidia.com/gpu.product";
const SLICE: &str = "A100-SXM4-40GB-MIG-1g.5gb";
const GPU: &str = "nvidia.com/gpu";

async fn values_of_clearml_make_queues_whose_pods_are_as_they_say(scene: Arc<Scene>) {
    let nodes: Api<Node> = Api::all(scene.client());
    let label = |value: serde_json::Value| Patch::Merge(json!({"metadata": {"labels": {PRODUCT: value}}}));
    nodes.patch(NODE, &PatchParams::default(), &label(SLICE.into())).await.expect("the label is set");
    scene.cluster.offer(GPU, 1).await;
    let dir = TempDir::new().expect("a directory");
    let namespace = scene.namespace.as_str();
    // The sample of ClearML's page, and beside it what this cluster needs, with a queue in either shape.
    let own = format!(
        "{}server:\n  persistence: {{enabled: false}}\n  roles: [{{role: operator, users: [\"system:serviceaccount:{namespace}:ci\"]}}]\nagentk8sglue:\n  maxPods: 9\n  defaultContainerImage: slipway.test/busybox:1\n  apiServerUrlReference: https://api.clear.ml\n  basePodTemplate: {{labels: {{team: core}}}}\nqueues:\n  native: {{defaults: {{image: \"slipway.test/busybox:1\"}}, podTemplate: {{}}}}\n  theirs: {{templateOverrides: {{env: [{{name: FROM, value: clearml}}]}}, queueSettings: {{maxPods: 3}}}}\n",
        images(&scene)
    );
    let (theirs, own) = (concat!(env!("CARGO_MANIFEST_DIR"), "/examples/clearml-values.yaml"), written(dir.path(), "own.yaml", &own));
    let helm = |words: &[&str]| scene.cluster.helm("3", &[words, &["--namespace", namespace]].concat());
    scene.create::<ServiceAccount>(json!({"metadata": {"name": "ci"}})).await;
    let said = helm(&["install", "team", CHART, "-f", theirs, "-f", &own, "--wait", "--timeout", "180s"]);
    assert!(said.contains("agentk8sglue.apiServerUrlReference: tasks report to Slipway"), "{said}");
    helm(&["test", "team", "--timeout", "120s"]);

    let queue = slipway(&scene, "queue", &["queue", "get", "theirs", "-o", "json"]).await;
    assert!(queue.contains("\"maxRunning\": 3"), "{queue}");
    let mut ids = vec!["cancel".to_owned()];
    for name in ["example_queue_1", "theirs", "native"] {
        let pod = format!("submit-{}", name.replace('_', "-"));
        let submit = ["submit", "--no-code", "--queue", name, "--grace", "1s", "--", "sh", "-c", "while :; do sleep 1; done"];
        let said = slipway(&scene, &pod, &submit).await;
        ids.push(said.lines().last().unwrap_or_default().to_owned());
    }
    let of = async |queue: &str| {
        let one = async || pods(&scene, &format!("slipway.dev/queue={queue}"), "Running").await.into_iter().next();
        eventually("a task of the queue", one).await
    };
    let slice = of("example_queue_1").await;
    let spec = slice.spec.expect("a spec");
    assert_eq!(spec.node_selector.and_then(|selector| selector.get(PRODUCT).cloned()).as_deref(), Some(SLICE));
    let limits = spec.containers[0].resources.as_ref().and_then(|resources| resources.limits.clone()).expect("limits");
    assert_eq!(limits[GPU].0, "1");
    assert_eq!(slice.metadata.labels.expect("labels")["team"], "core");
    let theirs = of("theirs").await.spec.expect("a spec");
    let env =
        theirs.containers[0].env.iter().flatten().find(|variable| variable.name == "FROM").and_then(|variable| variable.value.clone());
    assert_eq!(env.as_deref(), Some("clearml"));
    // What stands in ClearML's base is for queues in its shape alone.
    let labels = of("native").await.metadata.labels.expect("labels");
    assert!(!labels.contains_key("team"), "{labels:?}");

    slipway(&scene, "cancel", &ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let ended = async || {
        let pods = scene.api::<Pod>().list(&ListParams::default().labels("slipway.dev/task")).await.ok()?.items;
        pods.iter().all(|pod| phase(pod) != "Running").then_some(())
    };
    eventually("the tasks to end by a cancel", ended).await;
    helm(&["uninstall", "team", "--wait", "--timeout", "120s"]);
    let gone = async || {
        let pods = scene.api::<Pod>().list(&ListParams::default().labels("app.kubernetes.io/instance=team")).await.ok()?.items;
        pods.is_empty().then_some(())
    };
    eventually("server and glue to be gone", gone).await;
    scene.cluster.withdraw(GPU).await;
    nodes.patch(NODE, &PatchParams::default(), &label(serde_json::Value::Null)).await.expect("the label is gone");
}
