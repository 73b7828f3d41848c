//! The stories of the order of service (`scenarios.rs`), played on the real store.

use super::{
    harness::{Rig, claim, fresh_uuid, spec, start},
    scenarios::{self, Desk},
};
use crate::{
    domain::{AttemptRef, QueueName, Resources, TaskId, TaskSpec, fingerprint},
    store::{ApplyBudget, ApplyQueue, Claim, ClaimedAttempt, Keeper, NewTask, QueueShare, Submit, Submitted},
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::collections::HashMap;
use uuid::Uuid;

struct Real {
    rig: Option<Rig>,
    claimed: HashMap<TaskId, ClaimedAttempt>,
}

impl Real {
    async fn new() -> Self {
        let rig = Rig::open(tempfile::tempdir().unwrap()).await;
        Self { rig: Some(rig), claimed: HashMap::new() }
    }

    fn rig(&self) -> &Rig {
        self.rig.as_ref().unwrap()
    }
}

impl Desk for Real {
    async fn queue(&mut self, name: &str, rules: Value) {
        let apply = ApplyQueue {
            name: name.parse().unwrap(),
            doc: rules.to_string(),
            cost: crate::domain::order::Cost::default(),
            by: "ada".into(),
            if_revision: None,
            kept_by: Keeper::Any,
        };
        self.rig().store.run(apply).await.unwrap().expect("apply the queue");
    }

    async fn budget(&mut self, name: &str, gpus: u32) {
        let doc = json!({ "max": gpus }).to_string();
        let apply = ApplyBudget { name: name.parse().unwrap(), doc, by: "ada".into(), if_revision: None };
        self.rig().store.run(apply).await.unwrap().expect("apply the budget");
    }

    async fn submit(&mut self, user: &str, queue: &str, gpus: u32) -> TaskId {
        let queue: QueueName = queue.parse().unwrap();
        let spec = TaskSpec { queue, resources: Resources::of_gpus(gpus), ..spec() };
        let submit = Submit { user: user.into(), tasks: vec![NewTask::new(spec)], idempotency: None };
        match self.rig().store.run(submit).await.unwrap() {
            Submitted::New(ids, _) => ids[0],
            other => panic!("not stored: {other:?}"),
        }
    }

    async fn claim(&mut self, runner: &str, max: u32, gpus: u32) -> Vec<TaskId> {
        let queues = vec![QueueShare { queue: None, max }];
        let claim = Claim { runner: runner.parse().unwrap(), claim: fresh_uuid(), gpus, all_gpus: gpus.max(8), queues, ..claim(max) };
        let got = self.rig().store.run(claim).await.unwrap();
        let tasks = got.iter().map(|c| c.task).collect();
        self.claimed.extend(got.into_iter().map(|c| (c.task, c)));
        tasks
    }

    async fn end(&mut self, task: TaskId) {
        let claimed = self.claimed.remove(&task).expect("it was claimed");
        let token = self.rig().store.run(start(&claimed, "pod-1", Uuid::nil())).await.unwrap().expect("start");
        let attempt = AttemptRef { task, attempt: claimed.attempt };
        self.rig().finish(attempt, fingerprint(token.expose_secret()), 0, Some(true)).await.expect("finish");
    }

    async fn pass(&mut self, ms: u64) {
        self.rig().pass(ms);
        self.rig().age().await;
    }

    async fn restart(&mut self) {
        let rig = self.rig.take().unwrap();
        self.rig = Some(rig.reopened().await);
    }
}

scenarios::stories!(Real::new(), 500);

/// Rows that a claim reads ahead are told to the board for the next one: each lane once, or tasks are passed over until the
/// server starts anew.
#[tokio::test]
async fn claims_that_follow_each_other_pass_over_nobody() {
    let rig = Rig::audited().await;
    let mut submitted = Vec::new();
    for n in 0..24 {
        let spec = TaskSpec { resources: Resources::of_gpus(n % 3), ..spec() };
        submitted.push(rig.submit(spec).await);
    }
    let mut served = Vec::new();
    while served.len() < submitted.len() {
        let claimed = rig.claim(5).await;
        assert!(!claimed.is_empty(), "{served:?} of {submitted:?}");
        served.extend(claimed.iter().map(|one| one.task));
    }
    assert_eq!(served, submitted);
}
