//! Moving tasks among a user's own, and boosting one before all others.

use super::harness::{Rig, claim, spec};
use crate::{
    domain::{Priority, Resources, Retries, TaskId, TaskSpec, TaskState},
    store::{Boost, Boosted, EventFilter, Move, MoveTo, Moved, NewTask, Patch, Submit, Submitted},
};

impl Rig {
    async fn of(&self, user: &str, spec: TaskSpec) -> TaskId {
        let tasks = vec![NewTask::new(spec)];
        match self.store.run(Submit { user: user.into(), tasks, idempotency: None }).await.unwrap() {
            Submitted::New(ids, _) => ids[0],
            other => panic!("not stored: {other:?}"),
        }
    }

    async fn tasks<const N: usize>(&self) -> [TaskId; N] {
        let mut ids = [TaskId(0); N];
        for id in &mut ids {
            *id = self.submit(spec()).await;
        }
        ids
    }

    async fn move_to(&self, task: TaskId, to: MoveTo) -> Moved {
        self.store.run(Move { task, by: "ada".into(), to }).await.unwrap()
    }

    async fn boost(&self, task: TaskId, boost: bool) -> Boosted {
        self.store.run(Boost { task, by: "olga".into(), boost }).await.unwrap()
    }

    /// Everything ready, in the order in which it is claimed one by one.
    async fn served(&self) -> Vec<TaskId> {
        let mut served = Vec::new();
        while let [claimed] = self.store.run(claim(1)).await.unwrap().as_slice() {
            served.push(claimed.task);
        }
        served
    }
}

#[tokio::test]
async fn a_task_goes_to_either_end_and_beside_another() {
    let rig = Rig::new().await;
    let [one, two, three, four, five] = rig.tasks().await;
    let moves =
        [(four, MoveTo::Front), (one, MoveTo::Back), (five, MoveTo::Before(three)), (two, MoveTo::After(three)), (four, MoveTo::Front)];
    for (task, to) in moves {
        assert_eq!(rig.move_to(task, to).await, Moved::Done);
    }
    let rig = rig.reopened().await;
    let later = rig.submit(spec()).await;
    assert_eq!(rig.served().await, [four, five, three, two, one, later], "what comes later stands behind what went to the back");
}

#[tokio::test]
async fn sizes_and_tiers_do_not_stand_between_a_users_tasks() {
    let rig = Rig::new().await;
    let with = |gpus, priority| TaskSpec { resources: Resources::of_gpus(gpus), priority, ..spec() };
    let small = rig.submit(with(0, Priority::Normal)).await;
    let large = rig.submit(with(4, Priority::Normal)).await;
    let odd = rig.submit(with(1, Priority::Normal)).await;
    let high = rig.submit(with(0, Priority::High)).await;
    let low = rig.submit(with(2, Priority::Low)).await;
    assert_eq!(rig.move_to(odd, MoveTo::Before(large)).await, Moved::Done);
    assert_eq!(rig.move_to(low, MoveTo::Front).await, Moved::Done);
    assert_eq!(rig.move_to(odd, MoveTo::Before(high)).await, Moved::OtherTier(high));
    assert_eq!(rig.served().await, [high, small, odd, large, low]);
}

#[tokio::test]
async fn nobody_else_is_served_sooner_or_later() {
    let rig = Rig::new().await;
    let mine = [rig.of("ada", spec()).await, rig.of("ada", spec()).await];
    let theirs = [rig.of("sue", spec()).await, rig.of("sue", spec()).await];
    assert_eq!(rig.move_to(mine[1], MoveTo::Front).await, Moved::Done);
    assert_eq!(rig.move_to(mine[0], MoveTo::Before(theirs[0])).await, Moved::Stranger(theirs[0]));
    rig.queue("other").await;
    let elsewhere = rig.of("ada", TaskSpec { queue: "other".parse().unwrap(), ..spec() }).await;
    assert_eq!(rig.move_to(mine[0], MoveTo::After(elsewhere)).await, Moved::Stranger(elsewhere));
    let served = rig.served().await;
    let of = |tasks: &[TaskId]| served.iter().copied().filter(|task| tasks.contains(task)).collect::<Vec<_>>();
    assert_eq!((of(&mine), of(&theirs)), (vec![mine[1], mine[0]], theirs.to_vec()));
    assert!(served.iter().position(|t| *t == theirs[0]) < served.iter().position(|t| *t == mine[0]), "turns go on as before: {served:?}");
}

#[tokio::test]
async fn a_task_that_waits_keeps_the_place_it_was_moved_to() {
    let rig = Rig::new().await;
    let retried = rig.submit(TaskSpec { retries: Retries { user: 1, ..Retries::default() }, ..spec() }).await;
    let (attempt, token, _) = rig.running().await;
    rig.finish(attempt, token, 1, Some(true)).await.unwrap();
    assert_eq!(rig.state(retried).await, TaskState::Waiting);
    let [first, second] = rig.tasks().await;
    assert_eq!(rig.move_to(retried, MoveTo::After(first)).await, Moved::Done);
    // The front is before those that wait, too.
    assert_eq!(rig.move_to(second, MoveTo::Front).await, Moved::Done);
    assert_eq!(rig.move_to(first, MoveTo::Before(retried)).await, Moved::Done);
    rig.pass(60_000);
    assert!(rig.store.run(crate::store::Wake(retried)).await.unwrap());
    assert_eq!(rig.served().await, [second, first, retried]);
}

#[tokio::test]
async fn what_has_no_place_in_the_order_is_not_moved() {
    let rig = Rig::new().await;
    let [running, a] = rig.tasks().await;
    rig.claim(1).await;
    assert_eq!(rig.move_to(running, MoveTo::Front).await, Moved::Refused(TaskState::Active));
    assert_eq!(rig.move_to(a, MoveTo::After(running)).await, Moved::AnchorRefused(running, TaskState::Active));
    assert_eq!(rig.move_to(a, MoveTo::After(TaskId(99))).await, Moved::NoAnchor(TaskId(99)));
    assert_eq!(rig.move_to(TaskId(99), MoveTo::Back).await, Moved::NotFound);
    assert_eq!(rig.boost(running, true).await, Boosted::Refused(TaskState::Active));
    assert_eq!(rig.boost(TaskId(99), true).await, Boosted::NotFound);
}

#[tokio::test]
async fn room_between_two_tasks_ends_and_comes_back() {
    let rig = Rig::new().await;
    let [first, second, a, b] = rig.tasks().await;
    let mut last = Moved::Done;
    let mut moves = 0;
    while last == Moved::Done && moves < 100 {
        let (task, other) = if moves % 2 == 0 { (a, b) } else { (b, a) };
        last = rig.move_to(task, if moves == 0 { MoveTo::Before(second) } else { MoveTo::Before(other) }).await;
        moves += 1;
    }
    assert!((20..40).contains(&moves), "halves of 2^24 and more: {moves}");
    let Moved::NoRoom(before, behind) = last else { panic!("{last:?}") };
    assert_eq!(before, first);
    assert_eq!(rig.move_to(behind, MoveTo::Back).await, Moved::Done);
    assert_eq!(rig.move_to(behind, MoveTo::Before(second)).await, Moved::Done);
    let (served, other) = (rig.served().await, if behind == a { b } else { a });
    assert_eq!(served, [first, other, behind, second]);
}

#[tokio::test]
async fn a_boosted_task_goes_before_every_priority() {
    let rig = Rig::new().await;
    let critical = rig.submit(TaskSpec { priority: Priority::Critical, ..spec() }).await;
    let low = rig.submit(TaskSpec { priority: Priority::Low, ..spec() }).await;
    let [normal] = rig.tasks().await;
    for (task, boost) in [(low, true), (low, true), (normal, true), (normal, false)] {
        assert_eq!(rig.boost(task, boost).await, Boosted::Done);
    }
    let rig = rig.reopened().await;
    let boosted = |task| {
        let store = rig.store.clone();
        async move { store.task(task).await.unwrap().unwrap().boosted }
    };
    assert!(boosted(low).await && !boosted(normal).await);
    let events = rig.store.events_after(crate::domain::EventId(0), &EventFilter::default(), 100).await.unwrap();
    let told: Vec<_> = events.iter().filter(|e| e.kind == "task.boosted").map(|e| (e.task, e.data["boosted"].clone())).collect();
    assert_eq!(told, [(Some(low), true.into()), (Some(normal), true.into()), (Some(normal), false.into())], "a repeat is no event");
    assert_eq!(rig.served().await, [low, critical, normal]);
}

#[tokio::test]
async fn a_change_of_priority_keeps_place_and_boost() {
    let rig = Rig::new().await;
    let [a, b, c] = rig.tasks().await;
    rig.move_to(c, MoveTo::Front).await;
    rig.boost(b, true).await;
    for task in [a, b, c] {
        let patch = Patch { task, by: "ada".into(), name: None, labels: [].into(), priority: Some(Priority::High), not_before: None };
        rig.store.run(patch).await.unwrap();
    }
    assert_eq!(rig.served().await, [b, c, a]);
}
