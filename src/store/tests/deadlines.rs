//! Limits on the wait for a start and on all the time that a task may take.

use super::harness::{FIRST, Rig, exit, spec};
use crate::{
    domain::{AttemptRef, AttemptResult, Clock, End, FailureClass, Reason, Retries, StoppedBy, TaskId, TaskSpec, TaskState, UnixMs},
    store::{Expire, Finish, Known, NewTask, Overdue, Patch, Refusal, Submit, Submitted, Wake},
};

fn limited(max_wait: Option<u64>, total: Option<u64>) -> TaskSpec {
    let retries = Retries { user: 9, ..Retries::default() };
    TaskSpec { max_wait_seconds: max_wait, total_timeout_seconds: total, retries, ..spec() }
}

async fn end(rig: &Rig, task: TaskId) -> (End, Option<String>) {
    let (outcome, _) = rig.store.task(task).await.unwrap().unwrap().ended.expect("it has ended");
    (outcome.end, outcome.result.message)
}

const NOT_STARTED: End = End::Failed(FailureClass::Timeout, Reason::NotStartedInTime);
const EXCEEDED: End = End::Failed(FailureClass::Timeout, Reason::DeadlineExceeded);

#[tokio::test]
async fn a_task_that_waits_too_long_for_its_start_fails() {
    let rig = Rig::new().await;
    let id = rig.submit(limited(Some(60), None)).await;
    rig.pass(59_000);
    assert_eq!(rig.due().await.overdue, []);
    assert!(!rig.store.run(Overdue(id)).await.unwrap(), "not before its time");
    // An outage, a restart, a step of the clock: none of it is time that was waited.
    let rig = rig.reopened().await;
    rig.step(86_400_000);
    assert_eq!(rig.due().await.overdue, []);
    rig.pass(60_000);
    assert_eq!(rig.due().await.overdue, [id]);
    assert!(rig.store.run(Overdue(id)).await.unwrap());
    assert_eq!(end(&rig, id).await, (NOT_STARTED, Some("it had not started 60 s after it was first queued".into())));
    assert_eq!(rig.due().await.overdue, []);
    assert!(rig.claim(1).await.is_empty());
}

#[tokio::test]
async fn a_claim_that_has_not_started_is_taken_back_with_it() {
    let rig = Rig::new().await;
    let id = rig.submit(limited(Some(60), None)).await;
    let claimed = rig.claim(1).await.remove(0);
    rig.pass(60_000);
    assert!(rig.store.run(Overdue(id)).await.unwrap());
    assert_eq!(end(&rig, id).await.0, NOT_STARTED);
    assert_eq!(rig.start(&claimed, "late").await.unwrap_err(), Refusal::Superseded);
    let known = rig.store.check(&[(id, FIRST, uuid::Uuid::nil())]).await.unwrap();
    assert_eq!(known, [Known::Ended], "its runner learns that it is over");

    // The agent that comes before the clockwork does is refused, too.
    let id = rig.submit(limited(Some(60), None)).await;
    let claimed = rig.claim(1).await.remove(0);
    rig.pass(60_000);
    assert_eq!(rig.start(&claimed, "late").await.unwrap_err(), Refusal::Superseded);
    assert_eq!(end(&rig, id).await.0, NOT_STARTED);
}

#[tokio::test]
async fn a_start_meets_the_limit_for_good() {
    let rig = Rig::new().await;
    let id = rig.submit(limited(Some(60), None)).await;
    let (attempt, token, _) = rig.running().await;
    rig.pass(3_600_000);
    assert_eq!(rig.due().await.overdue, []);
    rig.finish(attempt, token, 1, Some(true)).await.unwrap();
    rig.pass(rig.times.retry_backoff_ms);
    assert!(rig.store.run(Wake(id)).await.unwrap(), "a retry may wait as long as it takes");
    rig.pass(3_600_000);
    assert_eq!(rig.due().await.overdue, []);
}

#[tokio::test]
async fn an_attempt_that_goes_back_keeps_the_limits_that_count_from_the_first_time() {
    let rig = Rig::new().await;
    let id = rig.submit(limited(Some(100), Some(200))).await;
    rig.claim(1).await;
    rig.pass(rig.times.claim_lease_ms);
    assert!(rig.store.run(Expire(AttemptRef { task: id, attempt: FIRST })).await.unwrap());
    rig.pass(100_000 - rig.times.claim_lease_ms);
    assert_eq!(rig.due().await.overdue, [id]);
}

#[tokio::test]
async fn what_is_left_of_all_the_time_bounds_each_attempt() {
    let rig = Rig::new().await;
    let id = rig.submit(TaskSpec { timeout_seconds: Some(500), ..limited(None, Some(600)) }).await;
    let limit = async || rig.store.task(id).await.unwrap().unwrap().time_limit(rig.store.uptime().now());
    assert_eq!(limit().await, Some(500));
    rig.pass(200_000);
    let (attempt, token, _) = rig.running().await;
    assert_eq!(limit().await, Some(400));
    rig.pass(399_500);
    assert_eq!(limit().await, Some(1), "a repeated start gets what is left, never nothing");
    rig.pass(10_000);
    assert_eq!(rig.due().await.overdue, [], "while it runs its agent sees to the end");
    assert!(!rig.store.run(Overdue(id)).await.unwrap());
    let result = AttemptResult { stopped_by: Some(StoppedBy::Timeout), ..exit(143) };
    let finish = Finish { task: id, attempt: attempt.attempt, token_hash: token, result, log: (0, 0), notes: None, settled: Some(true) };
    assert_eq!(rig.store.run(finish).await.unwrap().unwrap().state, TaskState::Failed);
    assert_eq!(end(&rig, id).await.0, EXCEEDED);
}

#[tokio::test]
async fn no_attempt_follows_when_no_time_is_left() {
    let rig = Rig::new().await;
    let id = rig.submit(limited(None, Some(60))).await;
    let (attempt, token, _) = rig.running().await;
    rig.pass(60_000);
    rig.finish(attempt, token, 1, Some(true)).await.unwrap();
    assert_eq!(end(&rig, id).await.0, End::Failed(FailureClass::User, Reason::ExitNonZero), "it ended by itself first");
}

#[tokio::test]
async fn the_end_of_all_the_time_comes_in_a_pause_too() {
    let rig = Rig::new().await;
    let id = rig.submit(limited(None, Some(60))).await;
    let (attempt, token, _) = rig.running().await;
    rig.pass(59_900);
    rig.finish(attempt, token, 1, Some(true)).await.unwrap();
    assert_eq!(rig.state(id).await, TaskState::Waiting);
    let rig = rig.reopened().await;
    rig.pass(100);
    assert_eq!(rig.due().await.overdue, [id]);
    assert!(rig.store.run(Overdue(id)).await.unwrap());
    assert_eq!(end(&rig, id).await, (EXCEEDED, Some("it had not ended 60 s after it was first queued".into())));
    let attempts = rig.store.attempts(id).await.unwrap();
    let first = attempts[0].ended.as_ref().unwrap().0.end;
    assert_eq!((attempts.len(), first), (1, End::Failed(FailureClass::User, Reason::ExitNonZero)), "the attempt keeps its own end");
}

#[tokio::test]
async fn limits_count_from_the_first_time_in_the_queue_and_not_from_the_submit() {
    let rig = Rig::new().await;
    let not_before = Some(UnixMs(rig.clock.now().0 + 3_600_000));
    let task = NewTask { not_before, ..NewTask::new(limited(Some(60), None)) };
    let Submitted::New(ids, _) = rig.store.run(Submit { user: "ada".into(), tasks: vec![task], idempotency: None }).await.unwrap() else {
        panic!("stored")
    };
    rig.pass(3_600_000);
    rig.step(3_600_000);
    assert_eq!(rig.due().await.overdue, []);
    assert!(rig.store.run(Wake(ids[0])).await.unwrap());
    rig.pass(59_999);
    assert_eq!(rig.due().await.overdue, []);
    // Held back again, it goes on counting.
    let later = Some(Some(UnixMs(rig.clock.now().0 + 86_400_000)));
    let patch = Patch { task: ids[0], by: "ada".into(), name: None, labels: [].into(), priority: None, not_before: later };
    rig.store.run(patch).await.unwrap();
    assert_eq!(rig.state(ids[0]).await, TaskState::Waiting);
    rig.pass(1);
    assert_eq!(rig.due().await.overdue, ids);
    assert!(rig.store.run(Overdue(ids[0])).await.unwrap());
    assert_eq!(end(&rig, ids[0]).await.0, NOT_STARTED);
}
