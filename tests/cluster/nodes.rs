//! Faults of the node: tainted, cut off from its kubelet, its pods deleted by force.

use crate::{
    kit::{Recorder, Scene, World, cluster::NODE, tests},
    support::eventually,
};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use slipway::wire::{AttemptNumber, FailureClass, Reason, TaskState};
use std::sync::Arc;

tests!(Exclusive:
    a_taint_moves_tasks_elsewhere,
    a_kubelet_that_comes_back_in_time_costs_nothing,
    a_node_given_up_costs_an_attempt_once_its_end_is_proved,
    a_pod_deleted_by_force_runs_on_and_is_not_doubled,
);

async fn taints(scene: &Scene, taints: Value) {
    let nodes: Api<Node> = Api::all(scene.client());
    let patch = Patch::Merge(json!({"spec": {"taints": taints}}));
    nodes.patch(NODE, &PatchParams::default(), &patch).await.expect("the node takes the taints");
}

/// Waits until the node's `Ready` is `status`.
async fn ready(scene: &Scene, status: &str) {
    let nodes: Api<Node> = Api::all(scene.client());
    eventually(&format!("Ready={status}"), async || {
        let conditions = nodes.get(NODE).await.ok()?.status?.conditions?;
        conditions.iter().any(|c| c.type_ == "Ready" && c.status == status).then_some(())
    })
    .await;
}

/// Stops the kubelet for as long as it lives.
struct Stopped<'a>(&'a Scene);

impl<'a> Stopped<'a> {
    fn kubelet(scene: &'a Scene) -> Self {
        scene.cluster.signal("kubelet", Signal::SIGSTOP);
        Self(scene)
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.0.cluster.signal("kubelet", Signal::SIGCONT);
    }
}

async fn a_taint_moves_tasks_elsewhere(scene: Arc<Scene>) {
    let (world, recorder) = (World::with_glue(&scene).await, Recorder::start().await);
    let (id, _) = world.waiting(&recorder, "note wait").await;
    taints(&scene, json!([{"key": "slipway.test/out", "effect": "NoExecute"}])).await;
    let first = eventually("the end of the first attempt", async || world.attempt(id, 1).await.ended).await;
    world.why(id, Reason::UntoleratedTaint).await;
    taints(&scene, json!([])).await;
    recorder.go();
    let ended = world.ended(id).await;
    assert_eq!(ended.state, TaskState::Succeeded);
    recorder.check(&[id]);
    let first = world.attempt(id, 1).await.ended.unwrap_or(first);
    assert_eq!((first.class, first.reason), (Some(FailureClass::Infra), Some(Reason::NodeLost)), "{first:?}");
}

async fn a_kubelet_that_comes_back_in_time_costs_nothing(scene: Arc<Scene>) {
    let (world, recorder) = (World::with_glue(&scene).await, Recorder::start().await);
    let (id, _) = world.waiting(&recorder, "note wait").await;
    let stopped = Stopped::kubelet(&scene);
    ready(&scene, "Unknown").await;
    drop(stopped);
    ready(&scene, "True").await;
    recorder.go();
    let ended = world.ended(id).await;
    assert_eq!((ended.state, ended.attempt), (TaskState::Succeeded, AttemptNumber(1)));
    recorder.check(&[id]);
}

async fn a_node_given_up_costs_an_attempt_once_its_end_is_proved(scene: Arc<Scene>) {
    let (world, recorder) = (World::with_glue(&scene).await, Recorder::start().await);
    let (id, pod) = world.waiting(&recorder, "note wait").await;
    // Where no node is well the control plane blames itself and gives none up.
    scene.cluster.fake_nodes(2);
    let stopped = Stopped::kubelet(&scene);
    // The control plane wants the pod gone, and nobody on the node hears it: the task runs on, and is not doubled.
    scene.pod(id, "is to go", |seen| seen.uid() == pod.uid() && seen.metadata.deletion_timestamp.is_some()).await;
    let task = world.task(id).await;
    assert_eq!((task.state, task.attempt), (TaskState::Active, AttemptNumber(1)));
    drop(stopped);
    ready(&scene, "True").await;
    recorder.go();
    let ended = world.ended(id).await;
    assert_eq!(ended.state, TaskState::Succeeded, "{:?}", ended.ended);
    recorder.check(&[id]);
}

async fn a_pod_deleted_by_force_runs_on_and_is_not_doubled(scene: Arc<Scene>) {
    let (world, recorder) = (World::with_glue(&scene).await, Recorder::start().await);
    let (id, pod) = world.waiting(&recorder, "note wait; for i in 1 2 3 4 5 6 7 8; do note alive; sleep 1; done").await;
    let stopped = Stopped::kubelet(&scene);
    scene.api::<Pod>().delete(&pod.name_any(), &DeleteParams::default().grace_period(0)).await.expect("deleted by force");
    // What else keeps it is the Job controller's mark, for as long as the node says nothing.
    let unmarked = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    scene.api::<Pod>().patch(&pod.name_any(), &PatchParams::default(), &unmarked).await.expect("unmarked");
    eventually("the pod to be gone", async || scene.pods(id).await.iter().all(|seen| seen.uid() != pod.uid()).then_some(())).await;
    // Its agent speaks on, for longer than the silence that would end it: that outweighs what the API server says.
    recorder.go();
    let ended = world.ended(id).await;
    assert_eq!((ended.state, ended.attempt), (TaskState::Succeeded, AttemptNumber(1)), "{:?}", ended.ended);
    recorder.check(&[id]);
    drop(stopped);
    ready(&scene, "True").await;
}
