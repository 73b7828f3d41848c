//! What a glue with the right to it tells of the nodes, and what follows for queues before a task meets them.

use crate::{
    kit::{Scene, World, audit, cluster::NODE, tests},
    support::eventually,
};
use k8s_openapi::api::{
    core::v1::Node,
    rbac::v1::{ClusterRole, ClusterRoleBinding},
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use std::sync::Arc;

// It gives the node labels and devices that other tests would meet.
tests!(Exclusive: the_nodes_say_what_would_never_run);

const PRODUCT: &str = "nvidia.com/gpu.product";
const GPU: &str = "nvidia.com/gpu";

async fn label(scene: &Scene, value: Value) {
    let nodes: Api<Node> = Api::all(scene.client());
    let patch = Patch::Merge(json!({"metadata": {"labels": {PRODUCT: value}}}));
    nodes.patch(NODE, &PatchParams::default(), &patch).await.expect("the label is set");
}

async fn the_nodes_say_what_would_never_run(scene: Arc<Scene>) {
    let mut world = World::new(&scene).await;
    world.glue("k8s", json!({"readNodes": true, "cluster": "lab"})).await;
    let node = eventually("the nodes", async || {
        let (code, said) = world.slipway(&["nodes", "-o", "json"]);
        let list: Value = serde_json::from_str(&said).ok().filter(|_| code == Some(0))?;
        list["items"].as_array()?.iter().filter_map(|of| of["nodes"].as_array()).flatten().find(|node| node["name"] == NODE).cloned()
    })
    .await;
    assert!(node["ready"] == true && node["allocatable"]["cpu"].is_string(), "{node}");
    let (code, said) = world.slipway(&["nodes"]);
    let row = said.lines().find(|row| row.contains(NODE)).unwrap_or_default();
    assert!(code == Some(0) && row.contains("lab"), "{said}");

    // The file wants a product that no node has by this name, and one has by nearly this one.
    let lint = || world.slipway(&["template", "lint", "--live", "-f", "examples/clearml-values.yaml"]);
    let (code, said) = lint();
    assert_eq!(code, Some(1), "{said}");
    label(&scene, "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb".into()).await;
    scene.cluster.offer(GPU, 2).await;
    let near = async || Some(lint().1).filter(|said| said.contains("NVIDIA-A100-SXM4-40GB-MIG-1g.5gb"));
    eventually("the near miss to be named", near).await;
    label(&scene, "A100-SXM4-40GB-MIG-1g.5gb".into()).await;
    let (_, said) = eventually("a node that fits", async || Some(lint()).filter(|(code, _)| *code == Some(0))).await;
    assert!(said.contains("example_queue_2 on lab"), "{said}");
    // With one device left nothing ever runs that wants two.
    scene.cluster.offer(GPU, 1).await;
    eventually("the second queue to have no node", async || Some(lint()).filter(|(code, _)| *code == Some(1))).await;

    let refused: Vec<_> = audit::of_glue(&scene, "k8s").into_iter().filter(|request| request.response_status.code == 403).collect();
    assert!(refused.is_empty(), "{refused:#?}");
    scene.cluster.withdraw(GPU).await;
    label(&scene, Value::Null).await;
    let name = format!("glue-k8s-nodes-{}", scene.namespace);
    let gone = DeleteParams::default();
    Api::<ClusterRoleBinding>::all(scene.client()).delete(&name, &gone).await.expect("the binding is removed");
    Api::<ClusterRole>::all(scene.client()).delete(&name, &gone).await.expect("the role is removed");
}
