//! Custom resources in place of Jobs. No operator runs here: the test plays it, on kinds with the real group, name and
//! shape of status.

use crate::{
    kit::{PYTORCH, Scene, World, condition, phase, task, tests, world_of},
    support::eventually,
};
use kube::api::DynamicObject;
use serde_json::{Value, json};
use slipway::{
    app::ambient::SystemRng,
    domain::Rng,
    wire::{Phase, TaskState},
};
use std::sync::Arc;

tests!(Shared: a_pytorch_job_runs_to_its_end, a_cancelled_object_goes_with_its_pods, a_glue_that_dies_anywhere_makes_an_object_once);

/// Where a glue can die on the way of an object.
pub(crate) const POINTS: [&str; 5] = ["glue.object", "glue.started", "glue.objectMade", "glue.objectClosed", "glue.objectDeleted"];

/// W&B's sample of distributed training, with a command that this cluster has an image for.
fn sample(script: &str) -> Value {
    let replica = |replicas: u32| {
        let container = json!({"name": "pytorch", "image": "slipway.test/busybox:1", "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script]});
        json!({"replicas": replicas, "restartPolicy": "Never", "template": {"spec": {"containers": [container]}}})
    };
    json!({"object": {"manifest": {
        "apiVersion": "kubeflow.org/v1",
        "kind": "PyTorchJob",
        "metadata": {"name": "ddp"},
        "spec": {"pytorchReplicaSpecs": {"Master": replica(1), "Worker": replica(1)}},
    }}})
}

const TEMPLATES: [(&str, &str); 2] =
    [("/spec/pytorchReplicaSpecs/Master/template", "master"), ("/spec/pytorchReplicaSpecs/Worker/template", "worker")];

/// Both pods of the sample.
async fn pods(scene: &Scene, object: &DynamicObject) {
    for (at, role) in TEMPLATES {
        let labels = json!({"training.kubeflow.org/replica-index": "0", "training.kubeflow.org/replica-type": role});
        PYTORCH.pod(scene, object, at, &format!("{role}-0"), labels).await;
    }
}

async fn a_pytorch_job_runs_to_its_end(scene: Arc<Scene>) {
    let world = world_of(&scene, PYTORCH).await;
    let script = "echo I am $SLIPWAY_ROLE $SLIPWAY_RANK of $SLIPWAY_TASK_ID with $LR; sleep 1; echo done";
    world.queue("ddp", sample(script)).await;
    let id = world.submit(&task(json!({"queue": "ddp", "env": {"LR": "0.1"}}))).await;

    let object = PYTORCH.object(&scene, id).await;
    let name = object.metadata.name.clone().expect("a name");
    assert!(name.starts_with("ddp-") && name.ends_with(&format!("-{id}-a1")), "{name}");
    assert!(object.data["spec"].get("runPolicy").is_none(), "nothing that the queue did not say");
    PYTORCH.says(&scene, &object, json!({"conditions": [condition("Created")]})).await;
    let client = world.client().await;
    let seen = client.task(id).await.expect("the task");
    assert_eq!((seen.state, seen.phase), (TaskState::Active, Some(Phase::Starting)));

    pods(&scene, &object).await;
    PYTORCH.says(&scene, &object, json!({"conditions": [condition("Created"), condition("Running")]})).await;
    eventually("the task to run", async || client.task(id).await.ok().filter(|task| task.phase == Some(Phase::Running))).await;
    for (_, role) in TEMPLATES {
        scene
            .pod(id, "has ended", |pod| phase(pod) == "Succeeded" && pod.metadata.name.as_ref().is_some_and(|name| name.contains(role)))
            .await;
    }
    // Both pods have succeeded; the job is not over before its controller says so.
    assert_eq!(client.task(id).await.expect("the task").state, TaskState::Active);
    let mut ran = condition("Running");
    ran["status"] = "False".into();
    PYTORCH.says(&scene, &object, json!({"conditions": [condition("Created"), ran, condition("Succeeded")]})).await;

    let ended = world.ended(id).await;
    let end = ended.ended.expect("an end");
    assert_eq!((ended.state, end.exit_code, end.log_complete), (TaskState::Succeeded, Some(0), Some(true)), "{end:?}");
    let log = String::from_utf8_lossy(&world.log(id, 0).await).into_owned();
    let mut lines: Vec<_> = log.lines().map(str::to_owned).collect();
    lines.sort();
    let of = |role: &str| [format!("[{role}-0] I am {role} 0 of {id} with 0.1"), format!("[{role}-0] done")];
    assert_eq!(lines, [of("master"), of("worker")].concat(), "{log}");
}

async fn a_cancelled_object_goes_with_its_pods(scene: Arc<Scene>) {
    let world = world_of(&scene, PYTORCH).await;
    world.queue("ddp", sample("trap 'exit 0' TERM; echo here; while true; do sleep 0.1; done")).await;
    let id = world.submit(&task(json!({"queue": "ddp"}))).await;
    let object = PYTORCH.object(&scene, id).await;
    pods(&scene, &object).await;
    PYTORCH.says(&scene, &object, json!({"conditions": [condition("Created"), condition("Running")]})).await;
    let client = world.client().await;
    eventually("the task to run", async || client.task(id).await.ok().filter(|task| task.phase == Some(Phase::Running))).await;
    client.cancel_task(id, SystemRng.uuid()).await.expect("taken");
    assert_eq!(world.ended(id).await.state, TaskState::Cancelled);
    assert!(PYTORCH.of_task(&scene, id).await.is_none(), "its object is gone");
    let left = scene.pods(id).await;
    assert!(left.iter().all(|pod| matches!(phase(pod), "Succeeded" | "Failed")), "none of its pods runs");
    scene.cleared(id).await;
}

async fn a_glue_that_dies_anywhere_makes_an_object_once(scene: Arc<Scene>) {
    let mut world = world_of(&scene, PYTORCH).await;
    let mut queue = sample("true");
    queue["keepJobsSeconds"] = json!({"success": 0, "failure": 0});
    world.queue("ddp", queue).await;
    let proofs = tempfile::tempdir().expect("a directory");
    for point in POINTS {
        let proof = proofs.path().join(point);
        world.crash = Some(format!("{point}@{}", proof.display()));
        world.strike("k8s");
        let id = world.submit(&task(json!({"queue": "ddp"}))).await;
        let died = async |world: &mut World| {
            eventually(&format!("a death at {point}"), async || {
                world.attend("k8s");
                proof.exists().then_some(())
            })
            .await;
            world.attend("k8s");
        };
        if point != "glue.objectDeleted" {
            died(&mut world).await;
        }
        let client = world.client().await;
        let object = eventually(&format!("the object of task {id}, after {point}"), async || {
            world.attend("k8s");
            PYTORCH.of_task(&scene, id).await
        })
        .await;
        // It is taken for what it is, and none is made beside it or in its place.
        // The proof is made a moment before the death.
        eventually("a glue that has seen it", async || {
            world.attend("k8s");
            client.task(id).await.ok().filter(|task| task.phase == Some(Phase::Starting))
        })
        .await;
        PYTORCH.says(&scene, &object, json!({"conditions": [condition("Created"), condition("Running")]})).await;
        eventually("the task to run", async || {
            world.attend("k8s");
            client.task(id).await.ok().filter(|task| task.phase == Some(Phase::Running))
        })
        .await;
        let now = PYTORCH.object(&scene, id).await;
        assert_eq!(now.metadata.uid, object.metadata.uid, "after {point}");
        PYTORCH.says(&scene, &object, json!({"conditions": [condition("Succeeded")]})).await;
        let ended = world.ended(id).await;
        assert_eq!((ended.state, ended.attempt.0), (TaskState::Succeeded, 1), "after {point}: {:?}", ended.ended);
        if point == "glue.objectDeleted" {
            died(&mut world).await;
        }
        eventually("its object to be cleared away", async || {
            world.attend("k8s");
            PYTORCH.of_task(&scene, id).await.is_none().then_some(())
        })
        .await;
    }
}
