//! Tasks that wait for others: what ends, what starts, and what ends in its turn.

use super::harness::{Rig, spec};
use crate::{
    domain::{DependencyKind, End, FailureClass, OnFailure, Reason, TaskId, TaskState},
    store::{After, Cancel, Chore, ForgetAwaited, Kept, NewTask, On, Prune, Submit, Submitted, Unblock, Wake},
};

const SUCCESS: DependencyKind = DependencyKind::Success;
const ANY: DependencyKind = DependencyKind::Any;

fn after(on: &[(On, DependencyKind)], on_failure: OnFailure) -> NewTask {
    NewTask { after: After { on: on.iter().copied().collect(), on_failure }, ..NewTask::new(spec()) }
}

/// A task that starts when all of these have succeeded, and is cancelled where one has not.
fn once(on: &[TaskId]) -> NewTask {
    after(&on.iter().map(|id| (On::Task(*id), SUCCESS)).collect::<Vec<_>>(), OnFailure::Cancel)
}

async fn submit(rig: &Rig, tasks: Vec<NewTask>) -> Submitted {
    rig.store.run(Submit { user: "ada".into(), tasks, idempotency: None }).await.unwrap()
}

async fn one(rig: &Rig, task: NewTask) -> TaskId {
    let Submitted::New(ids, _) = submit(rig, vec![task]).await else { panic!("not stored") };
    ids[0]
}

/// The clockwork until nothing is due.
async fn settle(rig: &Rig) {
    for _ in 0..100 {
        let due = rig.due().await;
        if due.unblocked.is_empty() && due.waiting.is_empty() && !due.chores.contains(&Chore::ForgetAwaited) {
            return;
        }
        for task in due.unblocked {
            assert!(rig.store.run(Unblock(task)).await.unwrap());
        }
        for task in due.waiting {
            assert!(rig.store.run(Wake(task)).await.unwrap());
        }
        rig.store.run(ForgetAwaited).await.unwrap();
    }
    panic!("something stays due for ever: {:?}", rig.due().await);
}

/// Runs the task that is served next; it ends with `code`.
async fn run(rig: &Rig, expected: TaskId, code: i32) {
    let (attempt, token, _) = rig.running().await;
    assert_eq!(attempt.task, expected, "another task was served");
    rig.finish(attempt, token, code, Some(true)).await.unwrap();
}

async fn end(rig: &Rig, task: TaskId) -> (End, Option<String>) {
    let (outcome, _) = rig.store.task(task).await.unwrap().unwrap().ended.expect("it has ended");
    (outcome.end, outcome.result.message)
}

#[tokio::test]
async fn a_chain_runs_in_its_order_and_wakes_the_clockwork() {
    let rig = Rig::new().await;
    let first = rig.submit(spec()).await;
    let second = one(&rig, once(&[first])).await;
    let third = one(&rig, once(&[second])).await;
    assert_eq!((rig.state(second).await, rig.state(third).await), (TaskState::Waiting, TaskState::Waiting));
    assert_eq!(rig.due().await.unblocked, []);
    assert!(!rig.store.run(Unblock(second)).await.unwrap(), "nothing has ended");

    for (task, next) in [(first, Some(second)), (second, Some(third)), (third, None)] {
        let due = rig.store.changes().due();
        run(&rig, task, 0).await;
        assert_eq!(due.has_changed().unwrap(), next.is_some(), "the clockwork is woken where somebody waited");
        assert_eq!(rig.due().await.unblocked, next.into_iter().collect::<Vec<_>>());
        assert!(rig.claim(1).await.is_empty(), "it counts when it is counted");
        settle(&rig).await;
    }
    assert_eq!(rig.state(third).await, TaskState::Succeeded);
    let told: Vec<_> = rig.store.dependencies(third).await.unwrap().iter().map(|d| (d.on, d.ended)).collect();
    assert_eq!(told, [(second, Some(TaskState::Succeeded))]);
}

#[tokio::test]
async fn a_diamond_starts_its_last_task_when_both_sides_have_ended() {
    let rig = Rig::new().await;
    let root = rig.submit(spec()).await;
    let (left, right) = (one(&rig, once(&[root])).await, one(&rig, once(&[root])).await);
    let last = one(&rig, once(&[left, right])).await;
    run(&rig, root, 0).await;
    settle(&rig).await;
    run(&rig, left, 0).await;
    settle(&rig).await;
    assert_eq!(rig.state(last).await, TaskState::Waiting);
    assert_eq!(rig.store.waits(last).await.unwrap().unwrap().blockers, 1);
    run(&rig, right, 0).await;
    settle(&rig).await;
    run(&rig, last, 0).await;
}

#[tokio::test]
async fn two_that_end_at_once_are_counted_once_each() {
    let rig = Rig::new().await;
    let (a, b) = (rig.submit(spec()).await, rig.submit(spec()).await);
    let last = one(&rig, once(&[a, b])).await;
    run(&rig, a, 0).await;
    run(&rig, b, 0).await;
    assert_eq!(rig.due().await.unblocked, [last]);
    let (first, second) = tokio::join!(rig.store.run(Unblock(last)), rig.store.run(Unblock(last)));
    assert!(first.unwrap() && !second.unwrap());
    assert_eq!(rig.state(last).await, TaskState::Queued);
}

#[tokio::test]
async fn a_failure_ends_what_needed_a_success_and_that_in_its_turn() {
    let rig = Rig::new().await;
    let first = rig.submit(spec()).await;
    let cancelled = one(&rig, once(&[first])).await;
    let failed = one(&rig, after(&[(On::Task(cancelled), SUCCESS)], OnFailure::Fail)).await;
    let whatever = one(&rig, after(&[(On::Task(failed), ANY)], OnFailure::Fail)).await;
    let never = one(&rig, once(&[failed])).await;
    run(&rig, first, 3).await;
    settle(&rig).await;
    let message = |of: TaskId, how: &str| Some(format!("task {of}, which had to succeed first, {how}"));
    assert_eq!(end(&rig, cancelled).await, (End::Cancelled, message(first, "failed")));
    let policy = End::Failed(FailureClass::Policy, Reason::DependencyFailed);
    assert_eq!(end(&rig, failed).await, (policy, message(cancelled, "was cancelled")));
    assert_eq!(end(&rig, never).await, (End::Cancelled, message(failed, "failed")));
    run(&rig, whatever, 0).await;
}

#[tokio::test]
async fn a_retry_is_no_end() {
    let rig = Rig::new().await;
    let retries = crate::domain::Retries { user: 1, ..crate::domain::Retries::default() };
    let first = rig.submit(crate::domain::TaskSpec { retries, ..spec() }).await;
    let second = one(&rig, once(&[first])).await;
    run(&rig, first, 1).await;
    assert_eq!(rig.due().await.unblocked, []);
    rig.pass(rig.times.retry_backoff_ms);
    settle(&rig).await;
    run(&rig, first, 0).await;
    settle(&rig).await;
    assert_eq!(rig.state(second).await, TaskState::Queued);
}

#[tokio::test]
async fn one_that_has_ended_counts_at_once() {
    let rig = Rig::new().await;
    let (good, bad) = (rig.submit(spec()).await, rig.submit(spec()).await);
    run(&rig, good, 0).await;
    run(&rig, bad, 1).await;
    let at_once = one(&rig, after(&[(On::Task(good), SUCCESS), (On::Task(bad), ANY)], OnFailure::Cancel)).await;
    assert_eq!(rig.state(at_once).await, TaskState::Queued);
    run(&rig, at_once, 0).await;

    let due = rig.store.changes().due();
    let too_late = one(&rig, after(&[(On::Task(good), SUCCESS), (On::Task(bad), SUCCESS)], OnFailure::Fail)).await;
    assert!(due.has_changed().unwrap());
    settle(&rig).await;
    assert_eq!(rig.state(too_late).await, TaskState::Failed);
    // The row that told of it is gone, and comes again for the next.
    let again = one(&rig, once(&[bad])).await;
    settle(&rig).await;
    assert_eq!(rig.state(again).await, TaskState::Cancelled);
}

#[tokio::test]
async fn nothing_is_lost_between_an_end_and_its_count() {
    let mut rig = Rig::new().await;
    let first = rig.submit(spec()).await;
    let second = one(&rig, once(&[first])).await;
    let third = one(&rig, once(&[second])).await;
    run(&rig, first, 1).await;
    rig = rig.reopened().await;
    assert_eq!(rig.due().await.unblocked, [second]);
    assert!(rig.store.run(Unblock(second)).await.unwrap());
    rig = rig.reopened().await;
    assert_eq!(rig.due().await.unblocked, [third], "what the count ended is told, too");
    assert!(rig.store.run(Unblock(third)).await.unwrap());
    rig = rig.reopened().await;
    settle(&rig).await;
    assert_eq!(rig.state(third).await, TaskState::Cancelled);
}

#[tokio::test]
async fn a_task_that_has_ended_before_hears_of_nothing() {
    let rig = Rig::new().await;
    let first = rig.submit(spec()).await;
    let second = one(&rig, once(&[first])).await;
    rig.store.run(Cancel { task: second, by: "ada".into(), silent: false }).await.unwrap();
    settle(&rig).await;
    run(&rig, first, 0).await;
    settle(&rig).await;
    assert!(!rig.store.run(Unblock(second)).await.unwrap());
    assert_eq!(rig.state(second).await, TaskState::Cancelled);
}

#[tokio::test]
async fn a_batch_names_its_own_tasks_and_is_stored_whole_or_not_at_all() {
    let rig = Rig::new().await;
    let stranger = TaskId(4_711);
    let refused = submit(&rig, vec![NewTask::new(spec()), once(&[stranger])]).await;
    assert_eq!(refused, Submitted::NoTask(stranger));
    assert_eq!(rig.store.tasks(&crate::store::TaskFilter { limit: 10, ..Default::default() }).await.unwrap().0.len(), 0);

    // The last one of the batch goes first.
    let batch = vec![after(&[(On::Nth(2), SUCCESS), (On::Nth(1), ANY)], OnFailure::Cancel), after(&[(On::Nth(2), ANY)], OnFailure::Fail)];
    let Submitted::New(ids, _) = submit(&rig, [batch, vec![NewTask::new(spec())]].concat()).await else { panic!("stored") };
    let on: Vec<_> = rig.store.task(ids[0]).await.unwrap().unwrap().dependencies.iter().map(|d| (d.on, d.kind)).collect();
    assert_eq!(on, [(ids[1], ANY), (ids[2], SUCCESS)]);
    for id in [ids[2], ids[1], ids[0]] {
        run(&rig, id, 0).await;
        settle(&rig).await;
    }
}

#[tokio::test]
async fn a_fan_of_many_is_told_in_steps() {
    let rig = Rig::new().await;
    let root = rig.submit(spec()).await;
    for _ in 0..3 {
        submit(&rig, (0..400).map(|_| once(&[root])).collect()).await;
    }
    run(&rig, root, 0).await;
    let due = rig.due().await;
    assert_eq!((due.unblocked.len(), due.more), (500, true));
    settle(&rig).await;
    assert_eq!(rig.store.queue(&"default".parse().unwrap()).await.unwrap().unwrap().queued, 1_200);
}

#[tokio::test]
async fn a_task_stays_until_those_that_depend_on_it_have_heard_of_its_end() {
    let rig = Rig::new().await;
    let first = rig.submit(spec()).await;
    let second = one(&rig, once(&[first])).await;
    run(&rig, first, 1).await;
    let prune = |tasks: Vec<TaskId>| rig.store.run(Prune { what: Kept::Task, tasks });
    prune(vec![first]).await.unwrap();
    assert_eq!(rig.state(first).await, TaskState::Failed, "nobody has told the second yet");
    settle(&rig).await;
    assert_eq!(rig.state(second).await, TaskState::Cancelled);
    prune(vec![first, second]).await.unwrap();
    assert_eq!((rig.store.task(first).await.unwrap(), rig.store.task(second).await.unwrap()), (None, None));
    assert_eq!(rig.store.dependencies(second).await.unwrap(), []);
}
