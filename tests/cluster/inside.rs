//! What a task in a pod says to its agent, saves and leaves: for a user that the image does not know, on a read-only root.

use crate::{
    kit::{Scene, World, task, tests},
    support::eventually,
};
use k8s_openapi::api::core::v1::Pod;
use kube::{ResourceExt, api::EvictParams};
use serde_json::json;
use slipway::wire::{StoppedBy, TaskState};
use std::sync::Arc;

tests!(Shared: an_evicted_task_goes_on_where_its_checkpoint_was);

async fn an_evicted_task_goes_on_where_its_checkpoint_was(scene: Arc<Scene>) {
    let world = World::with_glue(&scene).await;
    let container = json!({"name": "task", "image": "slipway.test/busybox:1", "securityContext": {"readOnlyRootFilesystem": true}});
    let spec = json!({"securityContext": {"runAsUser": 4321, "runAsGroup": 0}, "containers": [container]});
    world.queue("q", json!({"podTemplate": {"spec": spec}})).await;
    let script = "#!/bin/sh
        slipway-agent result set attempt=$SLIPWAY_ATTEMPT_NUMBER uid=$(id -u)
        if test -z \"$SLIPWAY_RESUME\"; then slipway-agent phase first; echo 3 > step; while :; do sleep 0.1; done; fi
        echo went on at $SLIPWAY_RESUME | tee result.txt";
    let save = "slipway-agent resume set step-$(cat step) && echo $SLIPWAY_STOPPED_BY > why.txt";
    let of =
        json!({"queue": "q", "script": script, "checkpoint": ["sh", "-c", save], "outputs": ["result.txt", "why.txt"], "graceSeconds": 10});
    let id = world.submit(&task(of)).await;
    let said = async || {
        let attempt = world.client().await.attempts(id).await.ok()?.items.pop()?;
        attempt.notes.filter(|notes| notes.progress.as_ref().is_some_and(|p| p.phase.as_deref() == Some("first")))
    };
    eventually("the command to say what it does", said).await;
    let pod = scene.pod(id, "exists", |_| true).await;
    scene.api::<Pod>().evict(&pod.name_any(), &EvictParams::default()).await.expect("evicted");

    let ended = world.ended(id).await;
    assert_eq!((ended.state, ended.attempt.0), (TaskState::Succeeded, 2), "{:?}", ended.ended);
    let log = String::from_utf8_lossy(&world.log(id, 2).await).into_owned();
    assert_eq!(log, "went on at step-3\n[slipway: outputs: why.txt is not there]\n");
    let attempts = world.client().await.attempts(id).await.expect("attempts").items;
    let notes: Vec<_> = attempts.into_iter().map(|attempt| attempt.notes.expect("notes")).collect();
    assert_eq!(notes[0].resume.as_deref(), Some("step-3"));
    assert_eq!(json!(notes[1].results), json!({"attempt": 2, "uid": 4321}));
    for (attempt, path, text) in [(1, "why.txt", StoppedBy::Drain.as_str()), (2, "result.txt", "went on at step-3")] {
        let (code, out) = world.slipway(&["outputs", "get", &id.to_string(), path, "--attempt", &attempt.to_string(), "--to", "-"]);
        assert_eq!((code, out.trim()), (Some(0), text));
    }
}
