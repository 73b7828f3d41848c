//! `kill -9` of glues, and two glues side by side.

use crate::{
    kit::{Recorder, Scene, World, audit, task, tests},
    support::Dice,
};
use k8s_openapi::api::batch::v1::Job;
use kube::{ResourceExt, api::ListParams};
use serde_json::{Value, json};
use slipway::{
    domain::pod::LABEL_RUNNER,
    wire::{AttemptNumber, TaskId, TaskState},
};
use std::{collections::BTreeMap, sync::Arc};

tests!(Shared: a_glue_killed_again_and_again_loses_nothing, two_glues_serve_one_queue, a_glue_writes_little);

/// Objects go as soon as their attempt has ended.
fn queue() -> Value {
    let container = json!({"name": "task", "image": "slipway.test/busybox:1"});
    json!({"podTemplate": {"spec": {"containers": [container]}}, "keepJobsSeconds": {"success": 0, "failure": 0}})
}

async fn a_glue_killed_again_and_again_loses_nothing(scene: Arc<Scene>) {
    let mut dice = Dice::roll("a_glue_killed_again_and_again");
    let mut world = World::with_glue(&scene).await;
    let recorder = Recorder::start().await;
    world.queue("q", queue()).await;
    let script = recorder.script("sleep 0.$((SLIPWAY_TASK_ID % 10))");
    let mut tasks = Vec::new();
    for _ in 0..10 {
        for _ in 0..dice.below(3) {
            tasks.push(world.submit(&task(json!({"queue": "q", "script": script}))).await);
        }
        dice.pause(30, 1_500).await;
        world.strike("k8s");
    }
    check(&world, &recorder, &tasks).await;
}

async fn two_glues_serve_one_queue(scene: Arc<Scene>) {
    let mut dice = Dice::roll("two_glues_serve_one_queue");
    let mut world = World::new(&scene).await;
    let names = ["east", "west"];
    for name in names {
        world.glue(name, json!({"maxPods": 3})).await;
    }
    let recorder = Recorder::start().await;
    world.queue("q", queue()).await;
    let script = recorder.script("sleep 0.$((SLIPWAY_TASK_ID % 10))");
    let mut tasks = Vec::new();
    for _ in 0..12 {
        tasks.push(world.submit(&task(json!({"queue": "q", "script": script}))).await);
    }
    let mut owners = BTreeMap::new();
    for _ in 0..4 {
        dice.pause(200, 1_200).await;
        world.strike(dice.pick(&names).expect("two names"));
        for job in scene.api::<Job>().list(&ListParams::default()).await.expect("the Jobs") {
            owners.insert(job.name_any(), job.labels().get(LABEL_RUNNER).cloned().unwrap_or_default());
        }
    }
    check(&world, &recorder, &tasks).await;
    assert!(names.iter().all(|name| owners.values().any(|owner| owner == name)), "both took part: {owners:?}");
    for name in names {
        let deleted = audit::of_glue(&scene, name).into_iter().filter(|request| request.verb == "delete");
        for object in deleted.map(|request| request.object_ref).filter(|object| object.resource == "jobs") {
            if let Some(owner) = owners.get(&object.name) {
                assert_eq!(owner, name, "{name} deleted {}", object.name);
            }
        }
    }
}

async fn a_glue_writes_little(scene: Arc<Scene>) {
    let world = World::with_glue(&scene).await;
    world.queue("q", queue()).await;
    let mut tasks = Vec::new();
    for _ in 0..10 {
        tasks.push(world.submit(&task(json!({"queue": "q", "command": ["true"]}))).await);
    }
    for id in &tasks {
        assert_eq!(world.ended(*id).await.state, TaskState::Succeeded);
        scene.cleared(*id).await;
    }
    let requests = audit::of_glue(&scene, "k8s");
    let writes: Vec<_> = requests.iter().filter(|request| request.writes()).map(|r| format!("{} {}", r.verb, r.resource())).collect();
    eprintln!("{} writes to the API server for {} tasks, of {} requests", writes.len(), tasks.len(), requests.len());
    assert!(writes.len() <= 4 * tasks.len(), "{writes:?}");
}

/// Every task ran once and succeeded in its first attempt, and nothing of them is left.
async fn check(world: &World, recorder: &Recorder, tasks: &[TaskId]) {
    for id in tasks {
        let ended = world.ended(*id).await;
        assert_eq!(ended.state, TaskState::Succeeded, "task {id}: {:?}", ended.ended);
        assert_eq!(ended.attempt, AttemptNumber(1), "a killed glue costs no attempt of task {id}");
    }
    recorder.check(tasks);
    world.nothing_left().await;
}
