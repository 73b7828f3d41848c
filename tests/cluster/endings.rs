//! How tasks are ended, what is returned, and when objects are cleared away.

use crate::{
    kit::{Recorder, Scene, World, phase, plain_queue, task, task_container, tests},
    support::eventually,
};
use serde_json::json;
use slipway::{
    app::ambient::SystemRng,
    domain::Rng,
    wire::{FailureClass, Reason, TaskState},
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

tests!(Shared:
    a_cancel_reaches_the_command,
    a_cancel_before_the_start_runs_nothing,
    a_time_limit_ends_the_command,
    what_finds_no_place_is_returned_and_held,
    what_finds_no_place_fails_where_the_queue_says_so,
    objects_stay_as_long_as_the_queue_says,
    the_images_own_entrypoint_is_left_alone,
);

async fn a_cancel_reaches_the_command(scene: Arc<Scene>) {
    let (world, recorder) = (World::with_glue(&scene).await, Recorder::start().await);
    let (id, _) = world.waiting(&recorder, "trap 'echo told to stop; exit 3' TERM; note wait & wait").await;
    let asked = Instant::now();
    world.client().await.cancel_task(id, SystemRng.uuid()).await.expect("taken");
    let ended = world.ended(id).await;
    eprintln!("cancelled within {} ms", asked.elapsed().as_millis());
    assert_eq!(ended.state, TaskState::Cancelled);
    assert_eq!(world.log(id, 0).await, b"told to stop\n");
}

async fn a_cancel_before_the_start_runs_nothing(scene: Arc<Scene>) {
    let world = World::with_glue(&scene).await;
    let spec = json!({"nodeSelector": {"no": "node"}, "containers": [{"name": "task", "image": "slipway.test/busybox:1"}]});
    world.queue("q", json!({"podTemplate": {"spec": spec}})).await;
    let id = world.submit(&task(json!({"queue": "q", "command": ["true"]}))).await;
    scene.pod(id, "exists", |_| true).await;
    world.client().await.cancel_task(id, SystemRng.uuid()).await.expect("taken");
    assert_eq!(world.ended(id).await.state, TaskState::Cancelled);
    scene.cleared(id).await;
}

async fn a_time_limit_ends_the_command(scene: Arc<Scene>) {
    let world = World::with_glue(&scene).await;
    world.queue("q", plain_queue()).await;
    let new = json!({"queue": "q", "command": ["sleep", "600"], "timeoutSeconds": 1, "graceSeconds": 1});
    let id = world.submit(&task(new)).await;
    let end = world.ended(id).await.ended.expect("an end");
    assert_eq!((end.class, end.reason), (Some(FailureClass::Timeout), Some(Reason::DeadlineExceeded)));
}

async fn what_finds_no_place_is_returned_and_held(scene: Arc<Scene>) {
    let world = World::with_glue(&scene).await;
    let spec = json!({"nodeSelector": {"no": "node"}, "containers": [{"name": "task", "image": "slipway.test/busybox:1"}]});
    world.queue("q", json!({"podTemplate": {"spec": spec}, "pendingTimeoutSeconds": 1})).await;
    let id = world.submit(&task(json!({"queue": "q", "command": ["true"]}))).await;
    // While it waits for a place, and while it is held after that, the cluster's reason stays.
    world.why(id, Reason::NoNodeMatchesSelector).await;
    let client = world.client().await;
    let held = async || client.task(id).await.ok().filter(|task| task.state == TaskState::Waiting);
    eventually("the task to be held", held).await;
    world.why(id, Reason::NoNodeMatchesSelector).await;
    world.why(id, Reason::RetryBackoff).await;
    // The queue learns better, and nothing was charged.
    world.queue("q", plain_queue()).await;
    let ended = world.ended(id).await;
    assert_eq!(ended.state, TaskState::Succeeded, "{:?}", ended.ended);
}

async fn what_finds_no_place_fails_where_the_queue_says_so(scene: Arc<Scene>) {
    let world = World::with_glue(&scene).await;
    let spec = json!({"nodeSelector": {"no": "node"}, "containers": [{"name": "task", "image": "slipway.test/busybox:1"}]});
    world.queue("q", json!({"podTemplate": {"spec": spec}, "failPendingAfterSeconds": 1})).await;
    let id = world.submit(&task(json!({"queue": "q", "command": ["true"]}))).await;
    let ended = world.ended(id).await;
    let end = ended.ended.expect("an end");
    assert_eq!((ended.state, end.reason), (TaskState::Failed, Some(Reason::NoNodeMatchesSelector)), "{end:?}");
    scene.cleared(id).await;
}

async fn objects_stay_as_long_as_the_queue_says(scene: Arc<Scene>) {
    let world = World::with_glue(&scene).await;
    let keep = json!({"success": 1, "failure": 6});
    world.queue("q", json!({"defaults": {"image": "slipway.test/busybox:1"}, "podTemplate": {}, "keepJobsSeconds": keep})).await;
    let bad = world.submit(&task(json!({"queue": "q", "command": ["false"]}))).await;
    let good = world.submit(&task(json!({"queue": "q", "command": ["true"]}))).await;
    world.ended(bad).await;
    let since = Instant::now();
    world.ended(good).await;
    scene.cleared(good).await;
    let jobs = scene.jobs(bad).await.len();
    if since.elapsed() < Duration::from_secs(5) {
        assert_eq!(jobs, 1, "the failure stays longer");
    }
    scene.cleared(bad).await;
    assert!(since.elapsed() >= Duration::from_secs(4), "the failure went after {:?}", since.elapsed());
}

async fn the_images_own_entrypoint_is_left_alone(scene: Arc<Scene>) {
    let world = World::with_glue(&scene).await;
    let container = json!({"name": "task", "image": "slipway.test/static:1", "args": ["4"]});
    world.queue("image", json!({"podTemplate": {"spec": {"containers": [container]}}, "useImageEntrypoint": true})).await;
    let id = world.submit(&task(json!({"queue": "image"}))).await;
    let pod = scene.pod(id, "exists", |_| true).await;
    let container = task_container(&pod);
    assert_eq!((container.command.clone(), container.args.clone()), (None, Some(vec!["4".to_owned()])));
    let mounts = container.volume_mounts.iter().flatten().filter(|mount| mount.mount_path.starts_with("/slipway")).count();
    assert_eq!(mounts, 0, "the image sees nothing of ours");
    let ended = world.ended(id).await;
    let end = ended.ended.expect("an end");
    assert_eq!((ended.state, end.class, end.exit_code), (TaskState::Failed, Some(FailureClass::User), Some(4)));
    assert_eq!(world.log(id, 0).await, b"hello from an empty image\n");
    let ended = scene.pod(id, "has ended", |pod| phase(pod) == "Failed").await;
    assert_eq!(ended.metadata.uid, pod.metadata.uid, "one pod");
}
