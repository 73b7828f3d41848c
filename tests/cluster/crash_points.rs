//! A glue that dies at every named point of its code, one after the other, and is started again.

use crate::{
    kit::{Recorder, Scene, World, plain_queue, task, tests},
    support::{crash_points, eventually},
};
use serde_json::json;
use slipway::{
    app::ambient::SystemRng,
    domain::Rng,
    wire::{AttemptNumber, TaskState},
};
use std::{collections::BTreeSet, path::Path, sync::Arc};

tests!(Shared: a_glue_that_dies_anywhere_loses_and_repeats_nothing, every_point_is_died_at);

/// What it takes for a point to be passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Also {
    /// A task.
    Nothing,
    /// A pod in trouble.
    Trouble,
    /// A death at another point before.
    DeathAt(&'static str),
}
use Also::{DeathAt, Nothing, Trouble};

const POINTS: &[(&str, Also)] = &[
    ("glue.held", Nothing),
    ("glue.claimed", Nothing),
    ("glue.create", Nothing),
    ("glue.secret", Nothing),
    ("glue.job", Nothing),
    ("glue.owned", Nothing),
    ("glue.adopt", DeathAt("glue.job")),
    ("glue.look", Trouble),
    ("glue.delete", Nothing),
    ("glue.deleted", Nothing),
];

async fn a_glue_that_dies_anywhere_loses_and_repeats_nothing(scene: Arc<Scene>) {
    let mut world = World::with_glue(&scene).await;
    let recorder = Recorder::start().await;
    let mut queue = plain_queue();
    queue["keepJobsSeconds"] = json!({"success": 0, "failure": 0});
    world.queue("q", queue).await;
    let proofs = tempfile::tempdir().expect("a directory");
    let mut tasks = Vec::new();
    for (point, also) in POINTS {
        let proof = proofs.path().join(point);
        // Only the one that makes the file dies.
        let armed = |point: &str, proof: &Path| Some(format!("{point}@{}", proof.display()));
        let new = task(json!({"queue": "q", "script": recorder.script("note alive")}));
        let id = if let DeathAt(first) = also {
            let before = proofs.path().join(format!("{first}-before"));
            world.crash = armed(first, &before);
            world.strike("k8s");
            let id = world.submit(&new).await;
            eventually(&format!("a death at {first}"), async || before.exists().then_some(())).await;
            world.crash = armed(point, &proof);
            id
        } else {
            world.crash = armed(point, &proof);
            world.strike("k8s");
            world.submit(&new).await
        };
        if *also == Trouble {
            trouble(&mut world, &proof).await;
        }
        eventually(&format!("a death at {point}, and the end of task {id}"), async || {
            world.attend("k8s");
            let over = world.client().await.task(id).await.is_ok_and(|task| task.state.is_terminal());
            (over && proof.exists()).then_some(())
        })
        .await;
        tasks.push(id);
    }
    for id in &tasks {
        let ended = world.ended(*id).await;
        assert_eq!((ended.state, ended.attempt), (TaskState::Succeeded, AttemptNumber(1)), "task {id}: {:?}", ended.ended);
    }
    recorder.check(&tasks);
    world.attend("k8s");
    world.nothing_left().await;
}

/// A task whose pod finds no place, which the glue looks into; cancelled once the point was passed.
async fn trouble(world: &mut World, proof: &Path) {
    let spec = json!({"nodeSelector": {"no": "node"}, "containers": [{"name": "task", "image": "slipway.test/busybox:1"}]});
    world.queue("stuck", json!({"podTemplate": {"spec": spec}})).await;
    let id = world.submit(&task(json!({"queue": "stuck", "command": ["true"]}))).await;
    eventually(&format!("a death: {}", proof.display()), async || {
        world.attend("k8s");
        proof.exists().then_some(())
    })
    .await;
    world.client().await.cancel_task(id, SystemRng.uuid()).await.expect("taken");
}

async fn every_point_is_died_at(_: Arc<Scene>) {
    let named: BTreeSet<_> = crash_points().into_iter().filter(|name| name.starts_with("glue.")).collect();
    let of_objects = crate::objects::POINTS.into_iter();
    let tested: BTreeSet<_> = POINTS.iter().map(|(point, _)| *point).chain(of_objects).map(str::to_owned).collect();
    assert_eq!(tested, named);
}
