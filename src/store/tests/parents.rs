//! Parents and children: who takes children, and what a cancel does to them.

use super::harness::{Rig, spec};
use crate::{
    domain::{ArraySpec, DependencyKind, ElementCounts, Indices, OnFailure, TaskId, TaskState, UnixMs},
    store::{
        After, CancelElements, Cascade, Cut, Kept, NewTask, NoParent, On, Parent, Patch, Patched, Place, Prune, Submitted, TaskFilter, sql,
    },
};

impl Rig {
    async fn child(&self, parent: TaskId) -> Submitted {
        self.submit_new(NewTask { parent: Some(Parent { id: parent, of: Some("ada".into()) }), ..NewTask::new(spec()) }).await
    }
}

/// Cancels are worked off in steps, and a death between two of them loses none.
#[tokio::test]
async fn a_cascade_goes_on_after_a_restart_in_the_middle_of_it() {
    let rig = Rig::new().await;
    let array = rig.array("0-1199", Some(3), spec()).await;
    let (running, hash, _) = rig.running().await;
    assert_eq!(rig.cancel(array).await, TaskState::Active);
    assert_eq!(rig.store.run(Cascade).await.unwrap().asked, [running]);
    let counts = rig.counts(array).await;
    assert_eq!(counts.cancelled, 499, "one step, and no more");
    let rig = rig.reopened().await;
    rig.store.run(Cascade).await.unwrap();
    let rig = rig.reopened().await;
    rig.settle().await;
    assert_eq!(rig.checked(array).await, ElementCounts { active: 1, cancelled: 1199, ..ElementCounts::default() });
    assert_eq!(rig.state(array).await, TaskState::Active);
    rig.finish(running, hash, 0, Some(true)).await.unwrap();
    assert_eq!(rig.state(array).await, TaskState::Cancelled);
    assert_eq!(rig.told(array).await, ["task.submitted", "task.cancelRequested", "task.ended"]);
    assert_eq!(rig.store.due(UnixMs(0)).await.unwrap().chores, []);
}

#[tokio::test]
async fn a_part_of_an_array_is_cancelled_by_its_indices() {
    let rig = Rig::new().await;
    let array = rig.array("0-9,20", Some(2), spec()).await;
    let cancel = CancelElements { array, by: "ada".into(), indices: "8-30,1".parse().unwrap() };
    assert_eq!(rig.store.run(cancel).await.unwrap().unwrap().state, TaskState::Queued);
    rig.settle().await;
    assert_eq!(rig.checked(array).await, ElementCounts { waiting: 5, queued: 2, cancelled: 4, ..ElementCounts::default() });
    for index in [1, 8, 9, 20] {
        let element = rig.store.element(array, index).await.unwrap().unwrap();
        assert_eq!(rig.state(element).await, TaskState::Cancelled);
    }
    assert!(rig.record(array).await.place.is_some_and(|place| matches!(place, Place::Array(of) if of.cancel_at.is_none())));
}

#[tokio::test]
async fn a_cancelled_task_takes_its_open_children_with_it_and_theirs() {
    let rig = Rig::new().await;
    let parent = rig.submit(spec()).await;
    let (running, hash, _) = rig.running().await;
    assert_eq!(running.task, parent);
    let Submitted::New(ids, _) = rig.child(parent).await else { panic!("not stored") };
    let done = rig.run_next(0).await;
    assert_eq!(ids, [done]);
    let mut line = vec![parent];
    for _ in 0..3 {
        let Submitted::New(ids, _) = rig.child(*line.last().unwrap()).await else { panic!("not stored") };
        line.extend(ids);
    }
    assert_eq!(rig.cancel(parent).await, TaskState::Active);
    assert_eq!(rig.child(parent).await, Submitted::NoParent(parent, NoParent::Cancelled));
    rig.settle().await;
    for child in &line[1..] {
        assert_eq!(rig.state(*child).await, TaskState::Cancelled);
        assert_eq!(rig.child(*child).await, Submitted::NoParent(*child, NoParent::Ended(TaskState::Cancelled)));
    }
    assert_eq!(rig.state(done).await, TaskState::Succeeded);
    rig.finish(running, hash, 0, Some(true)).await.unwrap();
    assert_eq!(rig.child(parent).await, Submitted::NoParent(parent, NoParent::Ended(TaskState::Succeeded)));
    assert_eq!(rig.child(TaskId(4711)).await, Submitted::NoParent(TaskId(4711), NoParent::Absent));
    let theirs = NewTask { parent: Some(Parent { id: parent, of: Some("bob".into()) }), ..NewTask::new(spec()) };
    assert_eq!(rig.submit_new(theirs).await, Submitted::NoParent(parent, NoParent::Foreign("ada".into())));
}

#[tokio::test]
async fn a_parent_that_ends_by_itself_leaves_its_children_alone() {
    let rig = Rig::new().await;
    let parent = rig.submit(spec()).await;
    let (running, hash, _) = rig.running().await;
    let Submitted::New(ids, _) = rig.child(parent).await else { panic!("not stored") };
    rig.finish(running, hash, 1, Some(true)).await.unwrap();
    rig.settle().await;
    assert_eq!((rig.state(parent).await, rig.state(ids[0]).await), (TaskState::Failed, TaskState::Queued));
}

/// An array counts as one task, and its elements go with it: none of them before it is over its time, and its row after theirs.
#[tokio::test]
async fn an_array_is_forgotten_with_its_elements() {
    let rig = Rig::new().await;
    let array = rig.array("0-99", Some(1), spec()).await;
    let queue = "default".parse().unwrap();
    let all = Cut { at: UnixMs(i64::MAX), task: TaskId(0) };
    rig.run_next(0).await;
    assert_eq!(rig.store.overdue(Kept::Task, &queue, all).await.unwrap(), [], "the first element has ended, and the array has not");
    rig.cancel(array).await;
    rig.settle().await;
    assert_eq!(rig.store.cut_after(&queue, 2).await.unwrap(), None, "it is one task");
    let mut steps = 0;
    loop {
        let due = rig.store.overdue(Kept::Task, &queue, all).await.unwrap();
        if due.is_empty() {
            break;
        }
        assert_eq!(due, [array]);
        rig.store.run(Prune { what: Kept::Task, tasks: due }).await.unwrap();
        steps += 1;
        // What is left can still be read.
        let filter = TaskFilter { elements: true, limit: 200, ..TaskFilter::default() };
        rig.store.tasks(&filter).await.unwrap();
    }
    assert_eq!(steps, 3);
    let left: i64 = sql::query_scalar(
        "select (select count(*) from task) + (select count(*) from task_array) + (select count(*) from event where task is not null)",
    )
    .fetch_one(&rig.store.readers)
    .await
    .unwrap();
    assert_eq!(left, 0);
}

fn after(on: TaskId, task: NewTask) -> NewTask {
    let on = [(On::Task(on), DependencyKind::Success)].into();
    NewTask { after: After { on, on_failure: OnFailure::Fail }, ..task }
}

fn many(indices: &str, max_parallel: Option<u32>) -> NewTask {
    let indices: Indices = indices.parse().unwrap();
    let array = ArraySpec { size: indices.count(), indices, max_parallel };
    NewTask { array: Some(array), ..NewTask::new(spec()) }
}

#[tokio::test]
async fn what_waits_for_an_array_goes_on_with_its_last_element() {
    for (code, state) in [(0, TaskState::Queued), (1, TaskState::Failed)] {
        let rig = Rig::new().await;
        let array = rig.array("0-2", None, spec()).await;
        let Submitted::New(ids, _) = rig.submit_new(after(array, NewTask::new(spec()))).await else { panic!("not stored") };
        for code in [0, code] {
            rig.run_next(code).await;
            rig.settle().await;
            assert_eq!(rig.state(ids[0]).await, TaskState::Waiting);
        }
        rig.run_next(0).await;
        rig.settle().await;
        assert_eq!(rig.state(ids[0]).await, state);
    }
}

#[tokio::test]
async fn an_array_that_waits_lets_its_elements_out_when_that_is_over() {
    let rig = Rig::new().await;
    let first = rig.submit(spec()).await;
    let Submitted::New(ids, _) = rig.submit_new(after(first, many("0-9", Some(2)))).await else { panic!("not stored") };
    let array = ids[0];
    rig.settle().await;
    assert_eq!(rig.checked(array).await, ElementCounts { waiting: 10, ..ElementCounts::default() });
    let rig = rig.reopened().await;
    assert_eq!(rig.run_next(0).await, first, "none of its elements is ready");
    rig.settle().await;
    assert_eq!(rig.checked(array).await, ElementCounts { waiting: 8, queued: 2, ..ElementCounts::default() });

    // So does one that waits for a time of day, a step at a time where all may go at once.
    let at = UnixMs(2_000_000_000_000);
    let late = NewTask { not_before: Some(at), ..many("0-1199", None) };
    let Submitted::New(ids, _) = rig.submit_new(late).await else { panic!("not stored") };
    rig.settle().await;
    assert_eq!(rig.counts(ids[0]).await.queued, 0);
    let patch = Patch { task: ids[0], by: "ada".into(), name: None, labels: [].into(), priority: None, not_before: Some(None) };
    assert_eq!(rig.store.run(patch).await.unwrap(), Patched::Changed);
    rig.settle().await;
    assert_eq!(rig.checked(ids[0]).await, ElementCounts { queued: 1_200, ..ElementCounts::default() });
}

#[tokio::test]
async fn an_array_whose_turn_cannot_come_ends_with_all_its_elements() {
    let rig = Rig::new().await;
    let first = rig.submit(spec()).await;
    let Submitted::New(ids, _) = rig.submit_new(after(first, many("0-9", None))).await else { panic!("not stored") };
    rig.run_next(1).await;
    rig.settle().await;
    let array = rig.record(ids[0]).await;
    let (outcome, _) = array.ended.unwrap();
    assert_eq!(
        (array.state, outcome.result.message),
        (TaskState::Failed, Some(format!("task {first}, which had to succeed first, failed")))
    );
    assert_eq!(rig.counts(ids[0]).await, ElementCounts { cancelled: 10, ..ElementCounts::default() });
    assert_eq!(rig.told(ids[0]).await, ["task.submitted", "task.ended"]);
    assert!(rig.claim(5).await.is_empty());
}
