//! Objects of kinds that nobody knows beforehand, of kinds that the cluster does not serve, and time limits of objects.

use crate::{
    kit::{Custom, PYTORCH, Scene, World, audit, condition, phase, plain_queue, task, tests, world_of},
    support::eventually,
};
use serde_json::{Value, json};
use slipway::wire::{FailureClass, Phase, Reason, TaskId, TaskState};
use std::sync::Arc;

tests!(Shared:
    a_kind_with_an_odd_plural_ends_by_the_conditions_that_it_names,
    a_time_limit_ends_an_object_and_its_pods,
    a_kind_that_is_not_served_holds_its_tasks_until_it_is,
    a_kind_that_the_glue_may_not_make_holds_its_tasks_until_it_may,
);

/// Its plural is none that can be guessed.
const MATRIX: Custom = Custom { group: "odd.slipway.test", version: "v1beta2", kind: "Matrix", plural: "matrices" };

/// A queue that makes objects of a kind of which nothing is known.
fn queue_of(custom: Custom) -> Value {
    let container = json!({"name": "main", "image": "slipway.test/busybox:1", "command": ["sh", "-c", "echo here; sleep 600"]});
    let spec = json!({"template": {"spec": {"containers": [container], "terminationGracePeriodSeconds": 1}}});
    let manifest = json!({"apiVersion": format!("{}/{}", custom.group, custom.version), "kind": custom.kind, "spec": spec});
    json!({"object": {"manifest": manifest, "succeeded": "Done", "failed": "Broken"}})
}

fn is_true(kind: &str) -> Value {
    json!([{"type": kind, "status": "True", "reason": "SaidSo", "message": "said the test", "lastTransitionTime": "2026-11-24T12:00:00Z"}])
}

async fn phase_of(world: &World, id: TaskId, wanted: Phase) {
    let client = world.client().await;
    let there = async || client.task(id).await.ok().filter(|task| task.phase == Some(wanted));
    eventually(&format!("task {id} to be {wanted:?}"), there).await;
}

async fn a_kind_with_an_odd_plural_ends_by_the_conditions_that_it_names(scene: Arc<Scene>) {
    let world = world_of(&scene, MATRIX).await;
    world.queue("matrix", queue_of(MATRIX)).await;
    let (good, bad) = (json!({"queue": "matrix"}), json!({"queue": "matrix", "retries": {"user": 0}}));
    let (good, bad) = (world.submit(&task(good)).await, world.submit(&task(bad)).await);
    let object = MATRIX.object(&scene, good).await;
    let pod = MATRIX.pod(&scene, &object, "/spec/template", "main", json!({})).await;
    phase_of(&world, good, Phase::Running).await;
    // Other conditions, and this one before it holds, are not the end.
    let mut before = is_true("Done");
    before[0]["status"] = "False".into();
    MATRIX.says(&scene, &object, json!({"conditions": [is_true("Complete")[0], before[0]]})).await;
    let broken = MATRIX.object(&scene, bad).await;
    MATRIX.says(&scene, &broken, json!({"conditions": is_true("Broken")})).await;
    let ended = world.ended(bad).await;
    let end = ended.ended.expect("an end");
    assert_eq!((ended.state, end.class), (TaskState::Failed, Some(FailureClass::User)), "{end:?}");
    assert!(end.message.as_ref().is_some_and(|message| message.contains("SaidSo: said the test")), "{end:?}");
    assert_eq!(world.task(good).await.state, TaskState::Active, "the first one goes on meanwhile");
    MATRIX.says(&scene, &object, json!({"conditions": is_true("Done")})).await;
    let ended = world.ended(good).await;
    let end = ended.ended.expect("an end");
    assert_eq!((ended.state, end.exit_code), (TaskState::Succeeded, Some(0)), "{end:?}");
    assert_eq!(pod.metadata.labels.as_ref().map(|labels| labels["slipway.dev/task"].as_str()), Some(good.to_string().as_str()));
}

async fn a_time_limit_ends_an_object_and_its_pods(scene: Arc<Scene>) {
    let world = world_of(&scene, PYTORCH).await;
    let container = json!({"name": "pytorch", "image": "slipway.test/busybox:1", "command": ["sh", "-c", "echo here; sleep 600"]});
    let replica = json!({"replicas": 1, "restartPolicy": "Never", "template": {"spec": {"containers": [container]}}});
    let spec = json!({"pytorchReplicaSpecs": {"Master": replica}});
    let manifest = json!({"apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob", "spec": spec});
    world.queue("ddp", json!({"object": {"manifest": manifest}})).await;
    let id = world.submit(&task(json!({"queue": "ddp", "timeoutSeconds": 3, "graceSeconds": 1}))).await;
    let object = PYTORCH.object(&scene, id).await;
    let labels = json!({"training.kubeflow.org/replica-index": "0", "training.kubeflow.org/replica-type": "master"});
    PYTORCH.pod(&scene, &object, "/spec/pytorchReplicaSpecs/Master/template", "master-0", labels).await;
    PYTORCH.says(&scene, &object, json!({"conditions": [condition("Created"), condition("Running")]})).await;
    phase_of(&world, id, Phase::Running).await;
    let ended = world.ended(id).await;
    let end = ended.ended.expect("an end");
    assert_eq!(
        (ended.state, end.class, end.reason),
        (TaskState::Failed, Some(FailureClass::Timeout), Some(Reason::DeadlineExceeded)),
        "{end:?}"
    );
    assert!(PYTORCH.of_task(&scene, id).await.is_none(), "its object is gone");
    assert!(scene.pods(id).await.iter().all(|pod| matches!(phase(pod), "Succeeded" | "Failed")), "none of its pods runs");
    assert_eq!(world.log(id, 0).await, b"[master-0] here\n");
    scene.cleared(id).await;
}

/// A kind of a group that no other test knows.
fn strange(kind: &'static str, plural: &'static str) -> Custom {
    let group = format!("{plural}-{}.refused.slipway.test", std::process::id());
    Custom { group: String::leak(group), version: "v1", kind, plural }
}

async fn a_kind_that_is_not_served_holds_its_tasks_until_it_is(scene: Arc<Scene>) {
    let custom = strange("Loom", "looms");
    let world = World::with_glue(&scene).await;
    custom.allow(&scene, "glue-k8s").await;
    held_and_let_go(&scene, &world, custom, Reason::ObjectKindMissing, async || custom.install(&scene).await).await;
}

async fn a_kind_that_the_glue_may_not_make_holds_its_tasks_until_it_may(scene: Arc<Scene>) {
    let custom = strange("Kiln", "kilns");
    custom.install(&scene).await;
    let world = World::with_glue(&scene).await;
    held_and_let_go(&scene, &world, custom, Reason::RunnerForbidden, async || custom.allow(&scene, "glue-k8s").await).await;
}

/// Tasks whose objects cannot be made stay in the queue for this reason, whatever the glue tries in between, until they can.
async fn held_and_let_go(scene: &Scene, world: &World, custom: Custom, reason: Reason, mend: impl AsyncFnOnce()) {
    world.queue("odd", queue_of(custom)).await;
    world.queue("plain", plain_queue()).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(world.submit(&task(json!({"queue": "odd"}))).await);
    }
    for id in &ids {
        let found = world.why(*id, reason).await;
        assert!(found.message.contains(custom.kind) || found.message.contains(custom.plural), "{found:?}");
    }
    let queued = async |id| world.task(id).await.state == TaskState::Queued;
    for id in &ids {
        eventually(&format!("task {id} to be back in its queue"), async || queued(*id).await.then_some(())).await;
        assert!(world.why(*id, reason).await.blocking);
    }
    // The glue asks whether it could by now, and others go on meanwhile.
    let asked = || audit::of_glue(scene, "k8s").iter().filter(|request| request.is_about(custom.group)).count();
    let before = asked();
    let other = world.submit(&task(json!({"queue": "plain", "command": ["true"]}))).await;
    assert_eq!(world.ended(other).await.state, TaskState::Succeeded);
    eventually("two more questions", async || (asked() >= before + 2).then_some(())).await;
    for id in &ids {
        let task = world.task(*id).await;
        assert_eq!((task.state, task.attempt.0 <= 1), (TaskState::Queued, true), "no attempt follows another: {}", task.attempt);
    }
    mend().await;
    for id in &ids {
        let object = custom.object(scene, *id).await;
        custom.says(scene, &object, json!({"conditions": is_true("Done")})).await;
        let ended = world.ended(*id).await;
        assert_eq!((ended.state, ended.attempt.0 <= 2), (TaskState::Succeeded, true), "attempt {}: {:?}", ended.attempt, ended.ended);
    }
    custom.remove(scene).await;
}
