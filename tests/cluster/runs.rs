//! The first path: submit over REST, a pod of the queue's making, log and exit code back.

use crate::kit::{Recorder, Scene, World, limit, phase, task, task_container, tests};
use serde_json::json;
use slipway::domain::pod::LABEL_PREFIX;
use slipway::wire::{FailureClass, Reason, TaskState};
use std::sync::Arc;

tests!(Shared:
    a_task_runs_in_a_pod_of_its_queue,
    two_queues_give_different_pods,
    nothing_but_a_static_program_is_enough,
    any_user_and_a_read_only_root_will_do,
    an_extra_pod_of_the_job_never_runs_the_command,
);

async fn a_task_runs_in_a_pod_of_its_queue(scene: Arc<Scene>) {
    let slice = scene.slices(7).await;
    let world = World::with_glue(&scene).await;
    let spec = json!({
        "nodeSelector": {"kubernetes.io/hostname": "node-1"},
        "containers": [{"name": "task", "image": "slipway.test/busybox:1", "resources": {"limits": {&slice: "1"}}}],
    });
    world.queue("mig", json!({"podTemplate": {"spec": spec}})).await;

    let script = "#!/bin/sh\necho on $(hostname)\necho and on stderr >&2\nexit 7\n";
    let failing = world.submit(&task(json!({"queue": "mig", "script": script}))).await;
    let fine = world.submit(&task(json!({"queue": "mig", "command": ["echo", "well done"]}))).await;

    let pod = scene.pod(failing, "exists", |_| true).await;
    let selector = pod.spec.as_ref().and_then(|spec| spec.node_selector.clone()).unwrap_or_default();
    assert_eq!(selector.get("kubernetes.io/hostname").map(String::as_str), Some("node-1"));
    assert_eq!(limit(&pod, &slice).as_deref(), Some("1"));

    let ended = world.ended(failing).await;
    let end = ended.ended.expect("an end");
    assert_eq!((ended.state, end.class, end.reason), (TaskState::Failed, Some(FailureClass::User), Some(Reason::ExitNonZero)));
    assert_eq!((end.exit_code, end.log_complete), (Some(7), Some(true)));
    let name = pod.metadata.name.expect("a name");
    assert_eq!(String::from_utf8_lossy(&world.log(failing, 0).await), format!("on {name}\nand on stderr\n"));

    let ended = world.ended(fine).await;
    assert_eq!((ended.state, ended.ended.and_then(|end| end.exit_code)), (TaskState::Succeeded, Some(0)));
    assert_eq!(world.log(fine, 0).await, b"well done\n");
}

async fn two_queues_give_different_pods(scene: Arc<Scene>) {
    let world = World::with_glue(&scene).await;
    let queue = |cpu: &str, tier: &str| {
        let container = json!({"name": "task", "image": "slipway.test/busybox:1", "resources": {"limits": {"cpu": cpu}}});
        json!({"podTemplate": {"metadata": {"labels": {"tier": tier}}, "spec": {"containers": [container]}}})
    };
    world.queue("small", queue("100m", "bronze")).await;
    world.queue("example_queue_1", queue("300m", "gold")).await;
    for (name, cpu, tier) in [("small", "100m", "bronze"), ("example_queue_1", "300m", "gold")] {
        let id = world.submit(&task(json!({"queue": name, "command": ["true"]}))).await;
        let pod = scene.pod(id, "exists", |_| true).await;
        assert_eq!(limit(&pod, "cpu").as_deref(), Some(cpu));
        assert_eq!(pod.metadata.labels.unwrap_or_default().get("tier").map(String::as_str), Some(tier));
        assert_eq!(world.ended(id).await.state, TaskState::Succeeded);
    }
}

async fn nothing_but_a_static_program_is_enough(scene: Arc<Scene>) {
    let world = World::with_glue(&scene).await;
    world.queue("bare", json!({"defaults": {"image": "slipway.test/static:1"}, "podTemplate": {}})).await;
    let id = world.submit(&task(json!({"queue": "bare", "command": ["/hello", "5"]}))).await;
    let ended = world.ended(id).await.ended.expect("an end");
    assert_eq!((ended.exit_code, ended.log_complete), (Some(5), Some(true)));
    assert_eq!(world.log(id, 0).await, b"hello from an empty image\n");
}

async fn any_user_and_a_read_only_root_will_do(scene: Arc<Scene>) {
    let world = World::with_glue(&scene).await;
    let spec = json!({
        "securityContext": {"runAsUser": 12_345, "runAsGroup": 23_456, "fsGroup": 34_567},
        "containers": [{"name": "task", "image": "slipway.test/busybox:1", "securityContext": {"readOnlyRootFilesystem": true}}],
    });
    world.queue("strict", json!({"podTemplate": {"spec": spec}})).await;
    let script = "id -u; id -g; touch /here 2>/dev/null && echo written; echo kept >file; cat file";
    let id = world.submit(&task(json!({"queue": "strict", "command": ["sh", "-c", script]}))).await;
    assert_eq!(world.ended(id).await.state, TaskState::Succeeded);
    assert_eq!(String::from_utf8_lossy(&world.log(id, 0).await), "12345\n23456\nkept\n");
}

async fn an_extra_pod_of_the_job_never_runs_the_command(scene: Arc<Scene>) {
    let (world, recorder) = (World::with_glue(&scene).await, Recorder::start().await);
    let (id, pod) = world.waiting(&recorder, "echo I ran; note wait").await;

    // With the labels of the Job itself its controller would take it for one too many and delete it.
    let mut extra = pod.clone();
    let labels = pod.metadata.labels.clone().map(|labels| labels.into_iter().filter(|(key, _)| key.starts_with(LABEL_PREFIX)).collect());
    extra.metadata = kube::api::ObjectMeta { name: Some("extra".into()), labels, ..Default::default() };
    extra.status = None;
    if let Some(spec) = &mut extra.spec {
        spec.node_name = None;
    }
    scene.create::<k8s_openapi::api::core::v1::Pod>(json!(extra)).await;
    let ended = scene.pod(id, "was made by hand and ended", |pod| {
        pod.metadata.name.as_deref() == Some("extra") && matches!(phase(pod), "Failed" | "Succeeded")
    });
    let ended = ended.await;
    let name = task_container(&ended).name.clone();
    let statuses = ended.status.and_then(|status| status.container_statuses).unwrap_or_default();
    let status = statuses.into_iter().find(|status| status.name == name).expect("its status");
    assert_eq!(status.state.and_then(|state| state.terminated).map(|end| end.exit_code), Some(97));

    recorder.go();
    assert_eq!(world.ended(id).await.state, TaskState::Succeeded);
    recorder.check(&[id]);
    assert_eq!(world.log(id, 0).await, b"I ran\n");
}
