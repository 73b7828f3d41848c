//! What is looked at to see whether everything gets on.

use super::harness::{Rig, spec};
use crate::{
    domain::{Phase, TaskSpec},
    store::LiveAttempt,
};

#[tokio::test]
async fn live_attempts_are_read_with_the_times_that_they_have() {
    let rig = Rig::new().await;
    let bounded = rig.submit(TaskSpec { timeout_seconds: Some(60), grace_seconds: 7, ..spec() }).await;
    let (first, hash, _) = rig.running().await;
    rig.beat(first, hash, Phase::Running).await.unwrap();
    rig.submit(TaskSpec { grace_seconds: 9, ..spec() }).await;
    let second = rig.claim(1).await.remove(0);
    let live = rig.store.live().await.unwrap();
    let of = |live: &LiveAttempt| (live.attempt.task, live.phase, live.started, live.finished, live.timeout_seconds, live.grace_seconds);
    assert_eq!(of(&live[0]), (bounded, Some(Phase::Running), true, false, Some(60), 7));
    assert_eq!((of(&live[1]), live.len()), ((second.task, None, false, false, None, 9), 2));
    let array = rig.array("0-1", None, TaskSpec { timeout_seconds: Some(5), ..spec() }).await;
    assert_eq!(rig.claim(1).await[0].task.0, array.0 + 1);
    assert_eq!(rig.store.live().await.unwrap()[2].timeout_seconds, Some(5), "elements have the times of their array");
    rig.finish(first, hash, 0, None).await.unwrap();
    assert!(rig.store.live().await.unwrap()[0].finished, "its result is stored, its log is not");
}

#[tokio::test]
async fn what_is_due_is_what_a_claim_would_get() {
    let rig = Rig::new().await;
    let (queue, runner) = ("default".parse().unwrap(), "r1".parse().unwrap());
    let due = async |gpus| rig.store.due_for(&queue, &runner, gpus).await.unwrap();
    assert_eq!(due(8).await, None);
    let large = rig.submit(TaskSpec { resources: crate::domain::Resources::of_gpus(4), ..spec() }).await;
    let small = rig.submit(spec()).await;
    assert_eq!(due(8).await, Some(large));
    assert_eq!(due(0).await, Some(small), "others that fit go first");
    assert_eq!(rig.claim(1).await[0].task, large, "a claim of eight agrees");
    assert_eq!(due(8).await, Some(small));
}
