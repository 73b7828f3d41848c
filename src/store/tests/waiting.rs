//! What holds a task back, and how that ends: a pause, a time of day.

use super::harness::{Rig, spec};
use crate::{
    domain::{Clock, TaskId, TaskState, UnixMs},
    store::{NewTask, Submit, Submitted, Wake},
};

async fn submitted(rig: &Rig, task: NewTask) -> TaskId {
    match rig.store.run(Submit { user: "ada".into(), tasks: vec![task], idempotency: None }).await.unwrap() {
        Submitted::New(ids) => ids[0],
        other => panic!("not stored: {other:?}"),
    }
}

/// A task that is not to be started for an hour.
async fn in_an_hour(rig: &Rig) -> TaskId {
    let not_before = Some(UnixMs(rig.clock.now().0 + 3_600_000));
    submitted(rig, NewTask { not_before, ..NewTask::new(spec()) }).await
}

#[tokio::test]
async fn a_task_with_a_time_waits_for_it_and_is_then_queued() {
    let rig = Rig::new().await;
    let ready = rig.store.changes().ready();
    let id = in_an_hour(&rig).await;
    assert_eq!(rig.state(id).await, TaskState::Waiting);
    assert!(rig.claim(1).await.is_empty(), "nobody gets it yet");
    assert!(!ready.has_changed().unwrap(), "nobody is woken for it");
    assert!(rig.due().await.waiting.is_empty());
    assert!(!rig.store.run(Wake(id)).await.unwrap(), "whoever comes early changes nothing");

    rig.step(3_600_000);
    assert_eq!(rig.due().await.waiting, [id]);
    assert!(rig.store.run(Wake(id)).await.unwrap());
    assert_eq!(rig.state(id).await, TaskState::Queued);
    assert!(ready.has_changed().unwrap());
    assert_eq!(rig.claim(1).await[0].task, id);
}

#[tokio::test]
async fn a_time_that_has_come_holds_nothing_back() {
    let rig = Rig::new().await;
    let not_before = Some(UnixMs(rig.clock.now().0 - 1));
    let id = submitted(&rig, NewTask { not_before, ..NewTask::new(spec()) }).await;
    assert_eq!(rig.state(id).await, TaskState::Queued);
}

#[tokio::test]
async fn a_time_of_day_is_the_wall_clocks_and_uptime_does_not_bring_it_nearer() {
    let rig = Rig::new().await;
    let id = in_an_hour(&rig).await;
    rig.pass(86_400_000);
    assert!(rig.due().await.waiting.is_empty());
    let rig = rig.reopened().await;
    assert!(rig.due().await.waiting.is_empty());

    // The clock is set right, back and forth: what counts is what it says when somebody looks.
    rig.step(7_200_000);
    rig.step(-7_000_000);
    assert!(rig.due().await.waiting.is_empty());
    assert!(!rig.store.run(Wake(id)).await.unwrap());
    rig.step(7_000_000);
    assert_eq!(rig.due().await.waiting, [id]);
    assert!(rig.store.run(Wake(id)).await.unwrap());
    // Once queued it is queued, whatever the clock says later.
    rig.step(-86_400_000);
    assert_eq!(rig.claim(1).await[0].task, id);
}
