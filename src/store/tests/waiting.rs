//! What holds a task back, and how that ends: a pause, a time of day.

use super::harness::{Rig, spec};
use crate::{
    domain::{Clock, Retries, TaskId, TaskSpec, TaskState, UnixMs},
    store::{NewTask, Patch, Patched, Submit, Submitted, Wake},
};

async fn submitted(rig: &Rig, task: NewTask) -> TaskId {
    match rig.store.run(Submit { user: "ada".into(), tasks: vec![task], idempotency: None }).await.unwrap() {
        Submitted::New(ids, _) => ids[0],
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
    let parked = rig.parked(1).await;
    let id = in_an_hour(&rig).await;
    assert_eq!(rig.state(id).await, TaskState::Waiting);
    assert!(rig.claim(1).await.is_empty(), "nobody gets it yet");
    assert!(!parked.is_finished(), "whoever waits is not given it");
    assert!(rig.due().await.waiting.is_empty());
    assert!(!rig.store.run(Wake(id)).await.unwrap(), "whoever comes early changes nothing");

    rig.step(3_600_000);
    assert_eq!(rig.due().await.waiting, [id]);
    assert!(rig.store.run(Wake(id)).await.unwrap());
    assert_eq!(parked.await.unwrap()[0].task, id, "the commit that queues it gives it away");
    assert_eq!(rig.state(id).await, TaskState::Active);
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

fn at(task: TaskId, not_before: Option<UnixMs>) -> Patch {
    Patch { task, by: "ada".into(), name: None, labels: [].into(), priority: None, not_before: Some(not_before) }
}

#[tokio::test]
async fn a_time_can_be_set_moved_and_removed_until_an_attempt_begins() {
    let rig = Rig::new().await;
    let id = rig.submit(spec()).await;
    let later = UnixMs(rig.clock.now().0 + 3_600_000);
    assert_eq!(rig.store.run(at(id, Some(later))).await.unwrap(), Patched::Changed);
    assert_eq!(rig.state(id).await, TaskState::Waiting);
    assert!(rig.claim(1).await.is_empty());
    assert_eq!(rig.store.task(id).await.unwrap().unwrap().not_before, Some(later));

    assert_eq!(rig.store.run(at(id, Some(UnixMs(later.0 + 1_000_000)))).await.unwrap(), Patched::Changed);
    rig.step(3_600_000);
    assert!(rig.due().await.waiting.is_empty(), "the later time counts");
    assert_eq!(rig.store.run(at(id, None)).await.unwrap(), Patched::Changed);
    assert_eq!(rig.state(id).await, TaskState::Queued);
    assert_eq!(rig.claim(1).await[0].task, id);
    assert_eq!(rig.store.run(at(id, Some(later))).await.unwrap(), Patched::Refused(TaskState::Active));
}

#[tokio::test]
async fn every_hold_must_end_before_a_task_is_queued() {
    let rig = Rig::new().await;
    let retries = Retries { user: 1, ..Retries::default() };
    let id = rig.submit(TaskSpec { retries, ..spec() }).await;
    let (attempt, token, _) = rig.running().await;
    rig.finish(attempt, token, 1, Some(true)).await.unwrap();
    rig.store.run(at(id, Some(UnixMs(rig.clock.now().0 + 60_000)))).await.unwrap();
    rig.step(60_000);
    assert!(rig.due().await.waiting.is_empty(), "it pauses still");
    rig.step(-60_000);
    rig.pass(rig.times.retry_backoff_ms);
    assert_eq!(rig.due().await.waiting, [id]);
    assert!(!rig.store.run(Wake(id)).await.unwrap(), "its pause is over, its time has not come");
    assert!(rig.due().await.waiting.is_empty(), "nobody looks for what is over");
    rig.step(60_000);
    assert_eq!(rig.due().await.waiting, [id]);
    assert!(rig.store.run(Wake(id)).await.unwrap());
    assert_eq!(rig.claim(1).await[0].attempt.0, 2);
}
