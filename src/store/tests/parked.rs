//! Claims that wait with the writer.

use super::harness::{Rig, claim, spec};
use crate::{
    domain::TaskState,
    store::{Claim, ClaimedAttempt, Fault, Faults, PauseQueue, StoreError},
};
use std::sync::{Arc, Mutex};
use tokio::task::JoinHandle;

impl Rig {
    /// A claim that waits; the writer has it when this returns.
    pub(super) async fn parked(&self, max: u32) -> JoinHandle<Vec<ClaimedAttempt>> {
        let parked = self.parked_as(Claim { wait: true, ..claim(max) }).await;
        tokio::spawn(async { parked.await.unwrap().unwrap() })
    }

    async fn parked_as(&self, claim: Claim) -> JoinHandle<Result<Vec<ClaimedAttempt>, StoreError>> {
        let store = self.store.clone();
        let parked = tokio::spawn(async move { store.run(claim).await });
        // On one thread it has sent its operation before this one is sent, and the writer takes them in their order.
        tokio::task::yield_now().await;
        self.claim(0).await;
        parked
    }
}

#[tokio::test]
async fn the_commit_that_brings_a_task_gives_it_to_whoever_waits() {
    let seen: Arc<Mutex<Vec<Vec<&'static str>>>> = Arc::default();
    let noted = seen.clone();
    let faults: Faults = Arc::new(move |kinds| {
        noted.lock().unwrap().push(kinds.to_vec());
        Fault::None
    });
    let rig = Rig::with_faults(tempfile::tempdir().unwrap(), Some(faults)).await;
    rig.queue("default").await;
    let (first, second) = (rig.parked(1).await, rig.parked(8).await);
    seen.lock().unwrap().clear();
    let task = rig.submit(spec()).await;
    assert_eq!(first.await.unwrap()[0].task, task);
    assert!(!second.is_finished(), "there was one, and the other came first");
    let next = rig.submit(spec()).await;
    assert_eq!(second.await.unwrap()[0].task, next);
    assert_eq!(*seen.lock().unwrap(), [["Submit"], ["Submit"]], "two commits, none of a claim");
    assert_eq!((rig.state(task).await, rig.state(next).await), (TaskState::Active, TaskState::Active));
}

#[tokio::test]
async fn whoever_waits_no_longer_is_given_nothing_and_may_ask_for_what_it_missed() {
    let rig = Rig::new().await;
    let gone = rig.parked(1).await;
    let task = rig.submit(spec()).await;
    assert_eq!(gone.await.unwrap()[0].task, task);
    let mine = Claim { wait: true, ..claim(1) };
    let parked = rig.parked_as(mine.clone()).await;
    parked.abort();
    assert!(parked.await.is_err());
    let kept = rig.submit(spec()).await;
    assert_eq!(rig.state(kept).await, TaskState::Queued, "nobody took it");

    // An answer that came when nobody listened is there for the same claim once more.
    let taken = rig.store.run(mine.clone()).await.unwrap();
    let again = rig.store.run(Claim { wait: false, ..mine }).await.unwrap();
    assert_eq!((taken[0].task, again[0].task, &again[0].start_token), (kept, kept, &taken[0].start_token));
}

#[tokio::test]
async fn what_changes_the_rules_sends_all_that_wait_to_ask_anew() {
    let rig = Rig::new().await;
    let parked = rig.parked(1).await;
    rig.queue("other").await;
    assert_eq!(parked.await.unwrap(), [], "a queue was applied");
    let parked = rig.parked(1).await;
    let name = "default".parse().unwrap();
    rig.store.run(PauseQueue { name, by: "olga".into(), pause: Some(None) }).await.unwrap().unwrap();
    assert_eq!(parked.await.unwrap(), [], "and one was paused");
}

#[tokio::test]
async fn a_commit_that_fails_takes_nothing_and_whoever_waits_goes_on_waiting() {
    let fails = Arc::new(Mutex::new(false));
    let when = fails.clone();
    let faults: Faults = Arc::new(move |kinds| if *when.lock().unwrap() && kinds.contains(&"Submit") { Fault::After } else { Fault::None });
    let rig = Rig::with_faults(tempfile::tempdir().unwrap(), Some(faults)).await;
    rig.queue("default").await;
    let parked = rig.parked(1).await;
    *fails.lock().unwrap() = true;
    let submit = crate::store::Submit { user: "ada".into(), tasks: vec![crate::store::NewTask::new(spec())], idempotency: None };
    assert!(rig.store.run(submit).await.is_err());
    assert!(!parked.is_finished());
    *fails.lock().unwrap() = false;
    let task = rig.submit(spec()).await;
    assert_eq!(parked.await.unwrap()[0].task, task);
}
