//! Files of other products, as they are.

use crate::{
    kit::{Scene, World, cluster::NODE, phase, task, tests},
    support::eventually,
};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;
use slipway::wire::TaskState;
use std::sync::Arc;

// It gives the node a label that other tests would meet.
tests!(Exclusive: the_sample_of_clearmls_glue_page_runs);

const PRODUCT: &str = "nvidia.com/gpu.product";
const GPU: &str = "nvidia.com/gpu";

async fn the_sample_of_clearmls_glue_page_runs(scene: Arc<Scene>) {
    let nodes: Api<Node> = Api::all(scene.client());
    let label = |value: serde_json::Value| Patch::Merge(json!({"metadata": {"labels": {PRODUCT: value}}}));
    nodes.patch(NODE, &PatchParams::default(), &label("A100-SXM4-40GB-MIG-1g.5gb".into())).await.expect("the label is set");
    scene.cluster.offer(GPU, 3).await;
    let mut world = World::new(&scene).await;
    // What a test's pods need beside the sample: an image that is there.
    let base = json!({"podTemplate": {"spec": {"containers": [{"image": "slipway.test/busybox:1"}]}}});
    world.glue("k8s", json!({"base": base})).await;
    world.apply("examples/clearml-values.yaml");
    let mut ids = Vec::new();
    for queue in ["example_queue_1", "example_queue_2"] {
        ids.push(world.submit(&task(json!({"queue": queue, "command": ["true"]}))).await);
    }
    let pods = scene.api::<Pod>();
    let seen = eventually("the pods to be bound", async || {
        let list = pods.list(&ListParams::default()).await.ok()?.items;
        (list.len() == 2 && list.iter().all(|pod| phase(pod) != "Pending")).then_some(list)
    })
    .await;
    let mut asked: Vec<String> = Vec::new();
    for pod in &seen {
        let spec = pod.spec.as_ref().expect("a spec");
        assert_eq!(
            spec.node_selector.as_ref().and_then(|selector| selector.get(PRODUCT)).map(String::as_str),
            Some("A100-SXM4-40GB-MIG-1g.5gb")
        );
        let limits = spec.containers[0].resources.as_ref().and_then(|resources| resources.limits.as_ref()).expect("limits");
        asked.push(limits[GPU].0.clone());
    }
    asked.sort();
    assert_eq!(asked, ["1", "2"]);
    for id in ids {
        assert_eq!(world.ended(id).await.state, TaskState::Succeeded);
    }
    scene.cluster.withdraw(GPU).await;
    nodes.patch(NODE, &PatchParams::default(), &label(serde_json::Value::Null)).await.expect("the label is gone");
}
