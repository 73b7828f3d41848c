//! What happens to single pods and Jobs: the right class and the right reason.

use crate::{
    kit::{Recorder, Scene, World, plain_queue, task, tests},
    support::eventually,
};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Pod, ResourceQuota},
};
use kube::{
    ResourceExt,
    api::{DeleteParams, EvictParams, Patch, PatchParams},
};
use serde_json::json;
use slipway::wire::{AttemptNumber, Ended, FailureClass, Reason, Task, TaskId, TaskState};
use std::sync::Arc;

tests!(Shared:
    a_deleted_pod_is_no_fault_of_the_task,
    a_deleted_job_is_no_fault_of_the_task,
    a_job_deleted_without_its_pod_leaves_the_task_running,
    an_evicted_pod_is_no_fault_of_the_task,
    a_registry_that_nobody_answers_for,
    a_quota_too_small_holds_up_and_fails_nobody,
    a_quota_of_jobs_holds_up_and_fails_nobody,
    what_the_api_server_refuses_fails_and_leaves_nothing,
    a_task_killed_for_want_of_memory,
);

/// How the first attempt ended; the second one is let go and must succeed.
async fn after_the_second(world: &World, recorder: &Recorder, id: TaskId) -> Ended {
    let again = async || recorder.lines().iter().any(|line| line.task == id.0 && line.attempt == 2).then_some(());
    eventually("the second attempt", again).await;
    recorder.go();
    let ended = world.ended(id).await;
    assert_eq!((ended.state, ended.attempt), (TaskState::Succeeded, AttemptNumber(2)));
    recorder.check(&[id]);
    world.attempt(id, 1).await.ended.expect("an end")
}

async fn a_deleted_pod_is_no_fault_of_the_task(scene: Arc<Scene>) {
    let (world, recorder) = (World::with_glue(&scene).await, Recorder::start().await);
    let (id, pod) = world.waiting(&recorder, "note wait").await;
    scene.api::<Pod>().delete(&pod.name_any(), &DeleteParams::default()).await.expect("deleted");
    let first = after_the_second(&world, &recorder, id).await;
    assert_eq!(first.class, Some(FailureClass::Infra), "{first:?}");
    // The agent knew only that it was told to go; what the cluster says of it comes a little later.
    let refined = async || world.attempt(id, 1).await.ended.filter(|end| end.reason == Some(Reason::PodDeleted));
    eventually("the reason that the cluster knows", refined).await;
}

async fn a_deleted_job_is_no_fault_of_the_task(scene: Arc<Scene>) {
    let (world, recorder) = (World::with_glue(&scene).await, Recorder::start().await);
    let (id, _) = world.waiting(&recorder, "note wait").await;
    let job = scene.job(id).await.name_any();
    scene.api::<Job>().delete(&job, &DeleteParams::background()).await.expect("deleted");
    let first = after_the_second(&world, &recorder, id).await;
    assert_eq!((first.class, first.reason), (Some(FailureClass::Infra), Some(Reason::PodDeleted)), "{first:?}");
}

async fn a_job_deleted_without_its_pod_leaves_the_task_running(scene: Arc<Scene>) {
    let (world, recorder) = (World::with_glue(&scene).await, Recorder::start().await);
    let (id, _) = world.waiting(&recorder, "note wait").await;
    let job = scene.job(id).await.name_any();
    scene.api::<Job>().delete(&job, &DeleteParams::orphan()).await.expect("deleted");
    eventually("the Job to be gone", async || scene.jobs(id).await.is_empty().then_some(())).await;
    recorder.go();
    let ended = world.ended(id).await;
    assert_eq!((ended.state, ended.attempt), (TaskState::Succeeded, AttemptNumber(1)), "{:?}", ended.ended);
    recorder.check(&[id]);
    scene.cleared(id).await;
}

async fn an_evicted_pod_is_no_fault_of_the_task(scene: Arc<Scene>) {
    let (world, recorder) = (World::with_glue(&scene).await, Recorder::start().await);
    let (id, pod) = world.waiting(&recorder, "note wait").await;
    scene.api::<Pod>().evict(&pod.name_any(), &EvictParams::default()).await.expect("evicted");
    let first = after_the_second(&world, &recorder, id).await;
    assert_eq!((first.class, first.reason), (Some(FailureClass::Infra), Some(Reason::Evicted)), "{first:?}");
}

async fn a_registry_that_nobody_answers_for(scene: Arc<Scene>) {
    let world = World::with_glue(&scene).await;
    world.queue("q", json!({"defaults": {"image": "127.0.0.1:9/none:1"}, "podTemplate": {}})).await;
    let id = world.submit(&task(json!({"queue": "q", "command": ["true"], "retries": {"infra": 0}}))).await;
    let why = world.why(id, Reason::RegistryUnreachable).await;
    assert!(!why.evidence.is_empty(), "{why:?}");
    let ended = world.ended(id).await;
    let end = ended.ended.expect("an end");
    assert_eq!((ended.state, end.class, end.reason), (TaskState::Failed, Some(FailureClass::Image), Some(Reason::RegistryUnreachable)));
}

async fn a_quota_too_small_holds_up_and_fails_nobody(scene: Arc<Scene>) {
    let world = World::with_glue(&scene).await;
    let ended = held_up_by(&scene, &world, "pods").await;
    assert_eq!((ended.state, ended.attempt), (TaskState::Succeeded, AttemptNumber(1)));
}

async fn a_quota_of_jobs_holds_up_and_fails_nobody(scene: Arc<Scene>) {
    let world = World::with_glue(&scene).await;
    let ended = held_up_by(&scene, &world, "count/jobs.batch").await;
    assert_eq!(ended.state, TaskState::Succeeded, "{:?}", ended.ended);
}

/// A task held up by a quota of none, until that is raised.
async fn held_up_by(scene: &Scene, world: &World, what: &str) -> Task {
    scene.create::<ResourceQuota>(json!({"metadata": {"name": "tight"}, "spec": {"hard": {what: "0"}}})).await;
    let quotas = scene.api::<ResourceQuota>();
    let counted = async || quotas.get("tight").await.ok()?.status?.hard.map(drop);
    eventually("the quota to count", counted).await;
    world.queue("q", plain_queue()).await;
    let id = world.submit(&task(json!({"queue": "q", "command": ["true"]}))).await;
    world.why(id, Reason::ResourceQuotaExceeded).await;
    let more = json!({"spec": {"hard": {what: "5"}}});
    quotas.patch("tight", &PatchParams::default(), &Patch::Merge(more)).await.expect("raised");
    world.ended(id).await
}

async fn what_the_api_server_refuses_fails_and_leaves_nothing(scene: Arc<Scene>) {
    let world = World::with_glue(&scene).await;
    let spec = json!({"nodeSelector": {"kubernetes.io/hostname": "no legal value!"}});
    world.queue("q", json!({"defaults": {"image": "slipway.test/busybox:1"}, "podTemplate": {"spec": spec}})).await;
    let id = world.submit(&task(json!({"queue": "q", "command": ["true"]}))).await;
    let ended = world.ended(id).await;
    let end = ended.ended.expect("an end");
    assert_eq!((ended.state, end.class, end.reason), (TaskState::Failed, Some(FailureClass::Config), Some(Reason::ObjectInvalid)));
    assert!(end.message.as_deref().is_some_and(|message| message.contains("no legal value!")), "{:?}", end.message);
    scene.cleared(id).await;
}

async fn a_task_killed_for_want_of_memory(scene: Arc<Scene>) {
    let world = World::with_glue(&scene).await;
    let container = json!({"name": "task", "image": "slipway.test/busybox:1", "resources": {"limits": {"memory": "96Mi"}}});
    world.queue("q", json!({"podTemplate": {"spec": {"containers": [container]}}})).await;
    let id = world.submit(&task(json!({"queue": "q", "command": ["tail", "/dev/zero"]}))).await;
    let ended = world.ended(id).await;
    let end = ended.ended.expect("an end");
    assert_eq!((ended.state, end.class, end.reason), (TaskState::Failed, Some(FailureClass::Oom), Some(Reason::OomKilled)), "{end:?}");
}
