//! Submitting, idempotency, order, lists.

use super::harness::{Rig, claim, spec};
use crate::{
    domain::{LabelSelector, Priority, QueueName, Resources, TaskSpec, TaskState},
    store::{Claim, Idempotency, NewTask, Patch, Patched, QueueShare, Submit, Submitted, TaskFilter},
};

fn keyed(key: &str, digest: u8) -> Submit {
    Submit {
        user: "ada".into(),
        tasks: vec![NewTask::new(spec())],
        idempotency: Some(Idempotency { route: "submit", key: key.into(), digest: [digest; 32] }),
    }
}

#[tokio::test]
async fn a_key_makes_a_repeat_answer_as_the_first() {
    let rig = Rig::new().await;
    let Submitted::New(ids, _) = rig.store.run(keyed("k", 1)).await.unwrap() else { panic!("the first is stored") };
    assert_eq!(rig.store.run(keyed("k", 1)).await.unwrap(), Submitted::Repeated(ids));
    assert_eq!(rig.store.run(keyed("k", 2)).await.unwrap(), Submitted::Mismatch);
    let other_user = Submit { user: "bob".into(), ..keyed("k", 2) };
    assert!(matches!(rig.store.run(other_user).await.unwrap(), Submitted::New(..)), "keys belong to their user");

    let (tasks, _) = rig.store.tasks(&TaskFilter { limit: 10, ..TaskFilter::default() }).await.unwrap();
    assert_eq!(tasks.len(), 2);
}

#[tokio::test]
async fn repeats_that_arrive_together_store_one_task() {
    let rig = Rig::new().await;
    let answers = futures::future::join_all((0..50).map(|i| rig.store.run(keyed("same", u8::from(i == 49))))).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|a| matches!(a, Submitted::New(..))).count(), 1);
    assert_eq!(answers.iter().filter(|a| matches!(a, Submitted::Mismatch)).count(), 1);
    let (tasks, _) = rig.store.tasks(&TaskFilter { limit: 100, ..TaskFilter::default() }).await.unwrap();
    assert_eq!(tasks.len(), 1);
}

#[tokio::test]
async fn an_unknown_queue_stores_nothing_of_a_batch() {
    let rig = Rig::new().await;
    let stranger: QueueName = "nowhere".parse().unwrap();
    let tasks = vec![NewTask::new(spec()), NewTask::new(TaskSpec { queue: stranger.clone(), ..spec() })];
    let answer = rig.store.run(Submit { user: "ada".into(), tasks, idempotency: None }).await.unwrap();
    assert_eq!(answer, Submitted::NoQueue(stranger));
    assert!(rig.claim(10).await.is_empty());
}

#[tokio::test]
async fn claims_go_by_priority_then_age_and_pass_over_what_does_not_fit() {
    let rig = Rig::new().await;
    rig.queue("gpu").await;
    let with =
        |priority, gpus, queue: &str| TaskSpec { priority, resources: Resources::of_gpus(gpus), queue: queue.parse().unwrap(), ..spec() };
    let low = rig.submit(with(Priority::Low, 0, "default")).await;
    let normal = rig.submit(with(Priority::Normal, 0, "default")).await;
    let large = rig.submit(with(Priority::Critical, 8, "gpu")).await;
    let high = rig.submit(with(Priority::High, 2, "gpu")).await;

    let got = rig.store.run(Claim { gpus: 3, ..claim(2) }).await.unwrap();
    assert_eq!(got.iter().map(|c| c.task).collect::<Vec<_>>(), [high, normal]);
    let none = rig
        .store
        .run(Claim { gpus: 0, queues: vec![QueueShare { queue: Some("gpu".parse().unwrap()), max: 5 }], ..claim(5) })
        .await
        .unwrap();
    assert!(none.is_empty());
    let except = ["default".parse().unwrap()].into();
    let named = vec![QueueShare { queue: Some("default".parse().unwrap()), max: 5 }];
    assert!(rig.store.run(Claim { queues: named, except, ..claim(5) }).await.unwrap().is_empty(), "an exception goes over a name");
    let rest = rig.claim(5).await;
    assert_eq!(rest.iter().map(|c| c.task).collect::<Vec<_>>(), [large, low]);
}

#[tokio::test]
async fn a_list_filters_and_pages() {
    let rig = Rig::new().await;
    rig.queue("gpu").await;
    for i in 0..25 {
        let labels = [("parity".to_owned(), if i % 2 == 0 { "even" } else { "odd" }.to_owned())].into();
        let queue = if i < 5 { "gpu" } else { "default" }.parse().unwrap();
        rig.submit(TaskSpec { labels, queue, name: Some(format!("t{i}")), ..spec() }).await;
    }
    rig.claim(3).await;
    let page = |after, limit| TaskFilter { after, limit, ..TaskFilter::default() };
    let (first, more) = rig.store.tasks(&page(None, 20)).await.unwrap();
    assert!(more && first.len() == 20 && first.windows(2).all(|w| w[0].id > w[1].id));
    let (second, more) = rig.store.tasks(&page(first.last().map(|t| t.id), 20)).await.unwrap();
    assert!(!more && second.len() == 5);

    let count = |filter: TaskFilter| {
        let store = rig.store.clone();
        async move { store.tasks(&TaskFilter { limit: 100, ..filter }).await.unwrap().0.len() }
    };
    let all = TaskFilter::default;
    assert_eq!(count(TaskFilter { states: vec![TaskState::Active], ..all() }).await, 3);
    assert_eq!(count(TaskFilter { states: vec![TaskState::Queued, TaskState::Active], ..all() }).await, 25);
    assert_eq!(count(TaskFilter { states: vec![TaskState::Succeeded], ..all() }).await, 0);
    assert_eq!(count(TaskFilter { queues: vec!["gpu".parse().unwrap()], ..all() }).await, 5);
    assert_eq!(count(TaskFilter { labels: LabelSelector::parse("parity=odd").unwrap(), ..all() }).await, 12);
    assert_eq!(count(TaskFilter { name: Some("t7".into()), ..all() }).await, 1);
    assert_eq!(count(TaskFilter { users: vec!["nobody".into()], ..all() }).await, 0);
}

#[tokio::test]
async fn a_change_of_priority_moves_a_queued_task_and_an_active_one_takes_none() {
    let rig = Rig::new().await;
    let first = rig.submit(spec()).await;
    let second = rig.submit(spec()).await;
    let patch = |task, priority| Patch {
        task,
        by: "ada".into(),
        name: Some(Some("new".into())),
        labels: [].into(),
        priority: Some(priority),
        not_before: None,
    };
    assert_eq!(rig.store.run(patch(second, Priority::High)).await.unwrap(), Patched::Changed);
    assert_eq!(rig.claim(1).await[0].task, second);
    assert_eq!(rig.store.run(patch(second, Priority::Low)).await.unwrap(), Patched::Refused(TaskState::Active));
    assert_eq!(rig.claim(1).await[0].task, first);
    assert_eq!(rig.store.task(second).await.unwrap().unwrap().spec.name.as_deref(), Some("new"));
}
