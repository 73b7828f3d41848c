//! Pods that bear no label of ours, found by what owns them. The test plays the operators; the Jobs between object and pods are the
//! cluster's own.

use crate::{
    kit::{Custom, Scene, World, phase, task, tests, world_of},
    support::eventually,
};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::api::{DynamicObject, ListParams};
use serde_json::{Value, json};
use slipway::{
    app::ambient::SystemRng,
    domain::Rng,
    wire::{FailureClass, Phase, Reason, TaskId, TaskState},
};
use std::sync::Arc;

tests!(Shared:
    a_train_job_is_seen_through_the_pods_of_its_runtime,
    an_image_that_a_runtime_cannot_have_is_told_and_ends_the_attempt,
    a_cancelled_train_job_ends_with_the_last_of_its_pods,
    a_kind_that_keeps_its_templates_elsewhere_is_seen_by_its_owners,
);

const TRAIN_JOB: Custom = Custom { group: "trainer.kubeflow.org", version: "v1alpha1", kind: "TrainJob", plural: "trainjobs" };
const JOB_SET: Custom = Custom { group: "jobset.x-k8s.io", version: "v1alpha2", kind: "JobSet", plural: "jobsets" };
/// A kind that makes Jobs itself, of templates that are not in its objects.
const RECIPE: Custom = Custom { group: "owned.slipway.test", version: "v1", kind: "Recipe", plural: "recipes" };

/// Waits until the object of a task is there, in a world whose queue has no word about pods.
async fn submitted(scene: &Arc<Scene>, custom: Custom) -> (World, TaskId, DynamicObject) {
    let world = world_of(scene, custom).await;
    JOB_SET.install(scene).await;
    let spec = json!({"runtimeRef": {"name": "torch-distributed"}, "trainer": {"numNodes": 2}});
    let manifest = json!({"apiVersion": format!("{}/{}", custom.group, custom.version), "kind": custom.kind, "spec": spec});
    let mut queue = json!({"object": {"manifest": manifest}});
    if custom.kind == RECIPE.kind {
        (queue["object"]["succeeded"], queue["object"]["failed"]) = ("Complete".into(), "Failed".into());
    }
    world.queue("train", queue).await;
    let id = world.submit(&task(json!({"queue": "train", "graceSeconds": 1}))).await;
    let object = custom.object(scene, id).await;
    (world, id, object)
}

/// A pod that passes Pod Security, of this image and script.
fn pod(image: &str, script: &str) -> Value {
    let security = json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": true,
        "runAsUser": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    let container = json!({"name": "node", "image": image, "command": ["sh", "-c", script], "securityContext": security});
    json!({"restartPolicy": "Never", "terminationGracePeriodSeconds": 3, "containers": [container]})
}

const IMAGE: &str = "slipway.test/busybox:1";

/// The Job of a runtime with two nodes, under this owner.
async fn job(scene: &Scene, name: &str, owner: Value, labels: Value, pod: Value) {
    let spec = json!({
        "completionMode": "Indexed",
        "completions": 2,
        "parallelism": 2,
        "backoffLimit": 0,
        "template": {"metadata": {"labels": labels}, "spec": pod},
    });
    scene.create::<Job>(json!({"metadata": {"name": format!("{name}-node-0"), "ownerReferences": [owner]}, "spec": spec})).await;
}

/// What the operators of `TrainJob` and `JobSet` make of an object.
async fn runtime(scene: &Scene, object: &DynamicObject, pod: Value) {
    let name = object.metadata.name.clone().expect("a name");
    let set = JOB_SET.owned(scene, &name, TRAIN_JOB.owner(object)).await;
    job(scene, &name, JOB_SET.owner(&set), labels(&name), pod).await;
}

fn labels(name: &str) -> Value {
    json!({"jobset.sigs.k8s.io/jobset-name": name, "jobset.sigs.k8s.io/replicatedjob-name": "node"})
}

fn says(kind: &str) -> Value {
    let complete =
        json!({"type": kind, "status": "True", "reason": "JobsCompleted", "message": "", "lastTransitionTime": "2026-11-24T12:00:00Z"});
    json!({"conditions": [complete]})
}

async fn pods(scene: &Scene) -> Vec<Pod> {
    scene.api::<Pod>().list(&ListParams::default()).await.expect("the pods").items
}

async fn runs(world: &World, id: TaskId) {
    let client = world.client().await;
    eventually("the task to run", async || client.task(id).await.ok().filter(|task| task.phase == Some(Phase::Running))).await;
}

/// Plays the end of an object whose two nodes have written a line each, and reads what was kept of it.
async fn ends_with_both_logs(scene: &Scene, world: &World, id: TaskId, custom: Custom, object: &DynamicObject, prefixes: [&str; 2]) {
    runs(world, id).await;
    let ended = async || (pods(scene).await.iter().filter(|pod| phase(pod) == "Succeeded").count() >= 2).then_some(());
    eventually("both nodes to end", ended).await;
    custom.says(scene, object, says("Complete")).await;
    let ended = world.ended(id).await;
    let end = ended.ended.expect("an end");
    assert_eq!((ended.state, end.exit_code, end.log_complete), (TaskState::Succeeded, Some(0), Some(true)), "{end:?}");
    let log = String::from_utf8_lossy(&world.log(id, 0).await).into_owned();
    let mut lines: Vec<_> = log.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines.len(), 2, "{log}");
    for (nth, line) in lines.iter().enumerate() {
        assert!(line.starts_with(prefixes[nth]) && line.ends_with(&format!("] I am {nth}")), "{log}");
    }
}

async fn a_train_job_is_seen_through_the_pods_of_its_runtime(scene: Arc<Scene>) {
    let (world, id, object) = submitted(&scene, TRAIN_JOB).await;
    let name = object.metadata.name.clone().expect("a name");
    // Somebody else's, whatever it calls itself.
    let stranger =
        json!({"metadata": {"name": format!("{name}-stranger"), "labels": labels(&name)}, "spec": pod(IMAGE, "echo stranger; sleep 600")});
    scene.create::<Pod>(stranger).await;
    runtime(&scene, &object, pod(IMAGE, "echo I am $JOB_COMPLETION_INDEX; sleep 2")).await;
    ends_with_both_logs(&scene, &world, id, TRAIN_JOB, &object, ["[node-0", "[node-1"]).await;
    assert!(pods(&scene).await.iter().any(|pod| phase(pod) == "Running"), "the stranger runs on");
}

async fn an_image_that_a_runtime_cannot_have_is_told_and_ends_the_attempt(scene: Arc<Scene>) {
    let (world, id, object) = submitted(&scene, TRAIN_JOB).await;
    runtime(&scene, &object, pod("registry.example/UPPER:1", "true")).await;
    let finding = world.why(id, Reason::ImageNotFound).await;
    assert!(finding.evidence.iter().any(|quote| quote.raw.contains("UPPER")), "{finding:?}");
    let ended = world.ended(id).await;
    let end = ended.ended.expect("an end");
    assert_eq!(
        (ended.state, end.class, end.reason),
        (TaskState::Failed, Some(FailureClass::Image), Some(Reason::ImageNotFound)),
        "{end:?}"
    );
    nothing_left(&scene, id).await;
}

/// Waits until the object is gone with all that came of it.
async fn nothing_left(scene: &Scene, id: TaskId) {
    assert!(TRAIN_JOB.of_task(scene, id).await.is_none(), "its object is gone");
    eventually("all that came of the object to go", async || {
        let jobs = scene.api::<Job>().list(&ListParams::default()).await.ok()?.items.len();
        (jobs + pods(scene).await.len() + JOB_SET.count(scene).await == 0).then_some(())
    })
    .await;
}

async fn a_cancelled_train_job_ends_with_the_last_of_its_pods(scene: Arc<Scene>) {
    let (world, id, object) = submitted(&scene, TRAIN_JOB).await;
    // They outlive object and Job by all of their grace.
    runtime(&scene, &object, pod(IMAGE, "trap '' TERM; echo here; while true; do sleep 0.1; done")).await;
    runs(&world, id).await;
    world.client().await.cancel_task(id, SystemRng.uuid()).await.expect("taken");
    assert_eq!(world.ended(id).await.state, TaskState::Cancelled);
    assert!(pods(&scene).await.iter().all(|pod| matches!(phase(pod), "Succeeded" | "Failed")), "none of its pods runs");
    nothing_left(&scene, id).await;
}

async fn a_kind_that_keeps_its_templates_elsewhere_is_seen_by_its_owners(scene: Arc<Scene>) {
    let (world, id, object) = submitted(&scene, RECIPE).await;
    let name = object.metadata.name.clone().expect("a name");
    job(&scene, &name, RECIPE.owner(&object), json!({}), pod(IMAGE, "echo I am $JOB_COMPLETION_INDEX; sleep 2")).await;
    let first = |nth| format!("[{name}-node-0-{nth}-");
    ends_with_both_logs(&scene, &world, id, RECIPE, &object, [&first(0), &first(1)]).await;
}
