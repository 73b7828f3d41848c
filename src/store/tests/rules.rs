//! Budgets and the queues that name them; who may come into a queue.

use super::harness::{Rig, spec};
use crate::{
    domain::{
        BudgetName, DependencyKind, Priority, QueueName, Resources, Retries, TaskId, TaskSpec, TaskState,
        order::{Amount, Cost},
    },
    store::{
        ApplyBudget, ApplyQueue, BudgetFault, BudgetRefusal, Cancel, DeleteBudget, DrainQueue, Idempotency, Keeper, NewTask, On,
        PauseQueue, QueueRefusal, Submit, Submitted,
    },
};

impl Rig {
    async fn applied(&self, name: &str, doc: &str) -> Result<bool, QueueRefusal> {
        let (name, doc) = (name.parse().unwrap(), doc.into());
        self.store
            .run(ApplyQueue { name, doc, cost: Cost::default(), by: "root".into(), if_revision: None, kept_by: Keeper::Any })
            .await
            .unwrap()
    }

    async fn budgeted(&self, name: &str, doc: &str) -> Result<bool, BudgetRefusal> {
        let (name, doc) = (name.parse().unwrap(), doc.into());
        self.store.run(ApplyBudget { name, doc, by: "root".into(), if_revision: None }).await.unwrap()
    }

    async fn unbudgeted(&self, name: &str, if_revision: Option<i64>) -> Result<(), BudgetRefusal> {
        self.store.run(DeleteBudget { name: name.parse().unwrap(), by: "root".into(), if_revision }).await.unwrap()
    }

    /// Of each queue of the budget: its name, what it is guaranteed, what it uses.
    async fn uses(&self, budget: &str) -> Vec<(String, Amount, Amount)> {
        let record = self.store.budget(&budget.parse().unwrap()).await.unwrap().expect("the budget exists");
        record.queues.into_iter().map(|q| (q.queue.to_string(), q.guaranteed, q.used)).collect()
    }
}

#[tokio::test]
async fn a_budget_is_applied_and_deleted_under_its_revision() {
    let rig = Rig::new().await;
    let pool: BudgetName = "pool".parse().unwrap();
    let apply = |doc: &str, if_revision| ApplyBudget { name: pool.clone(), doc: doc.into(), by: "root".into(), if_revision };
    assert_eq!(rig.store.run(apply(r#"{"max":8}"#, Some(0))).await.unwrap(), Ok(true));
    assert_eq!(rig.store.run(apply(r#"{"max":9}"#, Some(0))).await.unwrap(), Err(BudgetRefusal::Revision(1)));
    assert_eq!(rig.store.run(apply(r#"{"max":8}"#, None)).await.unwrap(), Ok(false));
    assert_eq!(rig.store.budget(&pool).await.unwrap().unwrap().revision, 1, "the same document changes nothing");
    assert_eq!(rig.store.run(apply(r#"{"max":0.5,"resource":"weight"}"#, Some(1))).await.unwrap(), Ok(false));
    let rig = rig.reopened().await;
    let record = rig.store.budget(&pool).await.unwrap().unwrap();
    assert_eq!((record.revision, record.rules.max), (2, Amount(500)));
    assert_eq!(rig.unbudgeted("pool", Some(1)).await, Err(BudgetRefusal::Revision(2)));
    assert_eq!(rig.unbudgeted("pool", Some(2)).await, Ok(()));
    assert_eq!(rig.unbudgeted("pool", None).await, Err(BudgetRefusal::NotFound));
    assert!(rig.store.budgets().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_queue_names_budgets_that_exist_and_hold_what_they_guarantee() {
    let rig = Rig::new().await;
    let fault = |budget: &str, over| Err(QueueRefusal::Budgets(vec![BudgetFault { budget: budget.parse().unwrap(), over }]));
    let whole = Amount::whole;
    assert_eq!(rig.applied("a", r#"{"budgets":{"pool":{"guaranteed":3}}}"#).await, fault("pool", None));
    assert!(rig.store.queue(&"a".parse().unwrap()).await.unwrap().is_none(), "nothing was stored");
    rig.budgeted("pool", r#"{"max":4}"#).await.unwrap();
    rig.applied("a", r#"{"budgets":{"pool":{"guaranteed":3}}}"#).await.unwrap();
    assert_eq!(rig.applied("b", r#"{"budgets":{"pool":{"guaranteed":1.5}}}"#).await, fault("pool", Some((Amount(4_500), whole(4)))));
    rig.applied("b", r#"{"budgets":{"pool":{"guaranteed":1}}}"#).await.unwrap();
    // A queue's own share of before does not count beside its new one.
    rig.applied("a", r#"{"budgets":{"pool":{"guaranteed":2}}}"#).await.unwrap();
    assert_eq!(rig.uses("pool").await, [("a".into(), whole(2), whole(0)), ("b".into(), whole(1), whole(0))]);

    assert_eq!(rig.budgeted("pool", r#"{"max":2}"#).await, Err(BudgetRefusal::Guaranteed(whole(3))));
    rig.budgeted("pool", r#"{"max":3}"#).await.unwrap();
    let named: Vec<QueueName> = ["a", "b"].map(|name| name.parse().unwrap()).into();
    assert_eq!(rig.unbudgeted("pool", None).await, Err(BudgetRefusal::Named(named)));
    rig.applied("a", "{}").await.unwrap();
    rig.applied("b", "{}").await.unwrap();
    assert_eq!(rig.unbudgeted("pool", None).await, Ok(()));
}

#[tokio::test]
async fn what_live_attempts_use_of_a_budget_is_shown_by_queue() {
    let rig = Rig::new().await;
    rig.budgeted("pool", r#"{"max":8}"#).await.unwrap();
    rig.applied("default", r#"{"budgets":{"pool":{}}}"#).await.unwrap();
    let doc = r#"{"budgets":{"pool":{}}}"#.to_owned();
    let cost = Cost { gpus: Amount::whole(2), weight: Amount(250) };
    let templated = ApplyQueue { name: "mig".parse().unwrap(), doc, cost, by: "root".into(), if_revision: None, kept_by: Keeper::Any };
    rig.store.run(templated).await.unwrap().unwrap();
    rig.submit(TaskSpec { resources: Resources::of_gpus(3), ..spec() }).await;
    let (running, token, _) = rig.running().await;
    let second = rig.submit(TaskSpec { queue: "mig".parse().unwrap(), ..spec() }).await;
    rig.claim(1).await;
    let whole = Amount::whole;
    let none = whole(0);
    assert_eq!(rig.uses("pool").await, [("default".into(), none, whole(3)), ("mig".into(), none, whole(2))]);
    // A stored result frees its part, although the log is still on its way.
    rig.finish(running, token, 0, None).await.unwrap();
    assert_eq!(rig.uses("pool").await, [("default".into(), none, none), ("mig".into(), none, whole(2))]);
    rig.store.run(Cancel { task: second, by: "ada".into(), silent: false }).await.unwrap();
    assert_eq!(rig.uses("pool").await, [("default".into(), none, none), ("mig".into(), none, none)]);
}

fn batch(queues: &[&str], key: Option<&str>) -> Submit {
    let task = |queue: &&str| NewTask::new(TaskSpec { queue: queue.parse().unwrap(), ..spec() });
    let idempotency = key.map(|key| Idempotency { route: "submit", key: key.into(), digest: [1; 32] });
    Submit { user: "ada".into(), tasks: queues.iter().map(task).collect(), idempotency }
}

#[tokio::test]
async fn a_draining_queue_takes_nothing_and_serves_what_it_has() {
    let rig = Rig::new().await;
    rig.queue("other").await;
    let before = rig.store.run(batch(&["default"], Some("before"))).await.unwrap();
    let Submitted::New(ids, _) = before else { panic!("{before:?}") };
    let drain = |reason: &str| DrainQueue { name: QueueName::default(), by: "olga".into(), reason: Some(reason.into()) };
    rig.store.run(drain("moving")).await.unwrap().unwrap();
    rig.store.run(drain("gone by Friday")).await.unwrap().unwrap();
    let unknown = DrainQueue { name: "nope".parse().unwrap(), by: "olga".into(), reason: None };
    assert_eq!(rig.store.run(unknown).await.unwrap(), Err(QueueRefusal::NotFound));
    let Submitted::Draining { queue, halt: (by, reason, _) } = rig.store.run(batch(&["other", "default"], None)).await.unwrap() else {
        panic!("it is refused")
    };
    assert_eq!((queue.as_str(), by.as_str(), reason.as_deref()), ("default", "olga", Some("gone by Friday")));
    assert_eq!(rig.store.run(batch(&["default"], Some("before"))).await.unwrap(), Submitted::Repeated(ids.clone()));
    let claimed = rig.claim(10).await;
    assert_eq!(claimed.iter().map(|c| c.task).collect::<Vec<_>>(), ids, "nothing of the refused batch was stored");

    let resume = PauseQueue { name: QueueName::default(), by: "olga".into(), pause: None };
    rig.store.run(resume).await.unwrap().unwrap();
    assert_eq!(rig.store.queue(&QueueName::default()).await.unwrap().unwrap().draining, None);
    assert!(matches!(rig.store.run(batch(&["default"], None)).await.unwrap(), Submitted::New(..)));
}

#[tokio::test]
async fn a_full_queue_takes_all_of_a_submit_or_nothing() {
    let rig = Rig::new().await;
    rig.queue("other").await;
    rig.applied("default", r#"{"limits":{"maxPending":3}}"#).await.unwrap();
    let full = |pending, refused| Submitted::Full { queue: QueueName::default(), pending, max: 3, refused };
    let is_new = |answer: &Submitted| matches!(answer, Submitted::New(..));
    assert!(is_new(&rig.store.run(batch(&["default"; 2], Some("k"))).await.unwrap()));
    assert_eq!(rig.store.run(batch(&["default", "other", "default"], None)).await.unwrap(), full(2, 2));
    assert!(is_new(&rig.store.run(batch(&["default", "other"], None)).await.unwrap()));
    assert_eq!(rig.store.run(batch(&["default"], None)).await.unwrap(), full(3, 1));
    assert!(matches!(rig.store.run(batch(&["default"; 2], Some("k"))).await.unwrap(), Submitted::Repeated(_)));
    // What runs is not pending; what waits for its next attempt is.
    let (running, token, _) = rig.running().await;
    assert!(is_new(&rig.store.run(batch(&["default"], None)).await.unwrap()));
    rig.finish(running, token, 1, Some(true)).await.unwrap();
    rig.applied("default", r#"{"limits":{"maxPending":4},"defaults":{}}"#).await.unwrap();
    let retried = TaskSpec { retries: Retries { user: 1, ..Retries::default() }, priority: Priority::Critical, ..spec() };
    rig.submit(retried).await;
    let (running, token, _) = rig.running().await;
    rig.finish(running, token, 1, Some(true)).await.unwrap();
    assert_eq!(rig.state(running.task).await, TaskState::Waiting);
    let full = Submitted::Full { queue: QueueName::default(), pending: 4, max: 4, refused: 1 };
    assert_eq!(rig.store.run(batch(&["default"], None)).await.unwrap(), full);
}

#[tokio::test]
async fn submits_that_arrive_together_fill_a_queue_exactly() {
    let rig = Rig::new().await;
    rig.applied("default", r#"{"limits":{"maxPending":10}}"#).await.unwrap();
    let answers = futures::future::join_all((0..40).map(|_| rig.store.run(batch(&["default"], None)))).await;
    let taken = answers.into_iter().filter(|answer| matches!(answer, Ok(Submitted::New(..)))).count();
    assert_eq!(taken, 10);
    // A limit that was lowered says no more than that there are too many.
    rig.applied("default", r#"{"limits":{"maxPending":4}}"#).await.unwrap();
    let full = Submitted::Full { queue: QueueName::default(), pending: 5, max: 4, refused: 1 };
    assert_eq!(rig.store.run(batch(&["default"], None)).await.unwrap(), full);
}

#[tokio::test]
async fn a_submit_that_is_refused_takes_no_room() {
    let rig = Rig::new().await;
    rig.applied("default", r#"{"limits":{"maxPending":1}}"#).await.unwrap();
    let mut stray = batch(&["default"], None);
    stray.tasks[0].after.on = [On::Task(TaskId(4711))].map(|on| (on, DependencyKind::Any)).into();
    // Both are in one batch of the writer.
    let (refused, taken) = tokio::join!(rig.store.run(stray), rig.store.run(batch(&["default"], None)));
    assert_eq!(refused.unwrap(), Submitted::NoTask(TaskId(4711)));
    assert!(matches!(taken.unwrap(), Submitted::New(..)));
}
