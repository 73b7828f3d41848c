//! What shares a transaction: faults stay with the operation at fault, and order inside a batch is that of the writer.

use super::harness::{FIRST, Rig, claim, exit, lost, spec};
use crate::{
    domain::{EventId, Resources, Role, TaskId, TaskSpec, TaskState},
    store::{
        Cancel, Claim, CreateToken, DeleteQueue, EventFilter, Fault, Idempotency, NewTask, Report, Settle, StoreError, Submit, Submitted,
        Wake,
    },
};
use std::sync::Arc;

fn cancel(task: TaskId) -> Cancel {
    Cancel { task, by: "ada".into(), silent: false }
}

fn submit() -> Submit {
    Submit { user: "ada".into(), tasks: vec![NewTask::new(spec())], idempotency: None }
}

fn token(hash: u8) -> CreateToken {
    CreateToken {
        hash: [hash; 32],
        user: "ada".into(),
        role: Role::Viewer,
        tail: "abcd".into(),
        by: "root".into(),
        expires_at: None,
        queues: None,
        replaces: None,
    }
}

async fn faulty(fault: Fault) -> Rig {
    let faults = move |kinds: &[&str]| if kinds.contains(&"Cancel") { fault } else { Fault::None };
    let rig = Rig::with_faults(tempfile::tempdir().unwrap(), Some(Arc::new(faults))).await;
    rig.queue("default").await;
    rig
}

#[tokio::test]
async fn what_the_database_refuses_fails_alone() {
    let rig = Rig::new().await;
    let first = rig.submit(spec()).await;
    rig.store.run(token(1)).await.unwrap();
    let s = &rig.store;
    let (twice, other, new, cancelled, claimed) =
        tokio::join!(s.run(token(1)), s.run(token(2)), s.run(submit()), s.run(cancel(first)), s.run(claim(5)));
    assert!(matches!(twice, Err(StoreError::Database(_))), "a hash stands once: {twice:?}");
    other.unwrap();
    let Submitted::New(ids, _) = new.unwrap() else { panic!("not stored") };
    assert_eq!(cancelled.unwrap().unwrap().state, TaskState::Cancelled);
    assert_eq!(claimed.unwrap().iter().map(|c| c.task).collect::<Vec<_>>(), ids);
    assert_eq!(s.tokens().await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_operation_that_fails_leaves_nothing_and_its_neighbours_all() {
    for fault in [Fault::Before, Fault::After] {
        let rig = faulty(fault).await;
        let task = rig.submit(spec()).await;
        let s = &rig.store;
        let (new, cancelled, claimed) = tokio::join!(s.run(submit()), s.run(cancel(task)), s.run(claim(5)));
        assert!(matches!(cancelled, Err(StoreError::Database(_))));
        assert!(matches!(new.unwrap(), Submitted::New(..)));
        assert_eq!(claimed.unwrap().len(), 2, "neither the submit nor the claim is lost or done twice");
        let events = s.events_after(EventId(0), &EventFilter { task: Some(task) }, 10).await.unwrap();
        assert_eq!(events.iter().map(|e| e.kind.as_str()).collect::<Vec<_>>(), ["task.submitted", "attempt.claimed"]);
    }
}

#[tokio::test]
async fn a_lost_answer_to_a_commit_is_never_tried_again() {
    let rig = faulty(Fault::Answer).await;
    let task = rig.submit(spec()).await;
    let s = &rig.store;
    let (new, cancelled) = tokio::join!(s.run(submit()), s.run(cancel(task)));
    assert!(matches!((new, cancelled), (Err(StoreError::Unsure(_)), Err(StoreError::Unsure(_)))));
    assert_eq!(rig.state(task).await, TaskState::Cancelled);
    assert_eq!(rig.claim(5).await.len(), 1, "the submit is stored once");
}

#[tokio::test]
async fn a_delay_loses_nothing() {
    let rig = faulty(Fault::Delay(std::time::Duration::from_millis(1))).await;
    let task = rig.submit(spec()).await;
    assert_eq!(rig.store.run(cancel(task)).await.unwrap().unwrap().state, TaskState::Cancelled);
}

#[tokio::test]
async fn a_claim_repeated_in_its_own_batch_takes_once() {
    let rig = Rig::new().await;
    for _ in 0..5 {
        rig.submit(spec()).await;
    }
    let op = claim(2);
    let (first, again) = tokio::join!(rig.store.run(op.clone()), rig.store.run(op.clone()));
    let first = first.unwrap();
    assert!(first.len() == 2 && first == again.unwrap());
    let (third, fourth) = tokio::join!(rig.store.run(op.clone()), rig.store.run(op));
    assert!(first == third.unwrap() && first == fourth.unwrap());
    assert_eq!(rig.claim(9).await.len(), 3);
}

#[tokio::test]
async fn a_claim_whose_attempts_all_run_takes_no_others_when_repeated() {
    let rig = Rig::new().await;
    rig.submit(spec()).await;
    let op = claim(1);
    let claimed = rig.store.run(op.clone()).await.unwrap().remove(0);
    let secret = rig.start(&claimed, "pod").await.unwrap();
    let at = crate::domain::AttemptRef { task: claimed.task, attempt: FIRST };
    let hash = crate::domain::fingerprint(secrecy::ExposeSecret::expose_secret(&secret));
    rig.beat(at, hash, crate::domain::Phase::Running).await.unwrap();
    rig.submit(spec()).await;
    assert!(rig.store.run(op).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_large_task_hides_no_small_one_from_a_claim() {
    let rig = Rig::new().await;
    let sized = |gpus| TaskSpec { resources: Resources::of_gpus(gpus), ..spec() };
    let large = [rig.submit(sized(8)).await, rig.submit(sized(8)).await];
    let small = [rig.submit(sized(0)).await, rig.submit(sized(0)).await];
    let (one, other) = tokio::join!(rig.store.run(Claim { gpus: 8, ..claim(2) }), rig.store.run(Claim { gpus: 0, ..claim(1) }));
    assert_eq!(one.unwrap().iter().map(|c| c.task).collect::<Vec<_>>(), [large[0], small[0]]);
    assert_eq!(other.unwrap().iter().map(|c| c.task).collect::<Vec<_>>(), [small[1]]);
}

#[tokio::test]
async fn a_repeated_submit_answers_as_the_first_when_its_queue_is_gone() {
    let rig = Rig::new().await;
    rig.queue("brief").await;
    let brief = TaskSpec { queue: "brief".parse().unwrap(), ..spec() };
    let op = Submit {
        tasks: vec![NewTask::new(brief)],
        idempotency: Some(Idempotency { route: "submit", key: "k".into(), digest: [1; 32] }),
        ..submit()
    };
    let Submitted::New(ids, _) = rig.store.run(op.clone()).await.unwrap() else { panic!("not stored") };
    rig.store.run(cancel(ids[0])).await.unwrap();
    let delete = DeleteQueue { name: "brief".parse().unwrap(), by: "root".into(), if_revision: None };
    rig.store.run(delete).await.unwrap().unwrap();
    assert_eq!(rig.store.run(op).await.unwrap(), Submitted::Repeated(ids));
}

#[tokio::test]
async fn a_task_cancelled_in_the_pause_after_an_attempt_ends_without_its_result() {
    for together in [true, false] {
        let rig = Rig::new().await;
        let id = rig.submit(spec()).await;
        let (at, hash, claim) = rig.running().await;
        let reporting = lost(true);
        let lost = Report { task: id, attempt: at.attempt, claim, uid: Some("pod-1".into()), evidence: None, reporting };
        if together {
            let (lost, cancelled) = tokio::join!(rig.store.run(lost), rig.store.run(cancel(id)));
            assert!(lost.unwrap().applied && cancelled.unwrap().is_some());
        } else {
            rig.store.run(lost).await.unwrap();
            rig.store.run(cancel(id)).await.unwrap();
        }
        let task = rig.store.task(id).await.unwrap().unwrap();
        let (outcome, _) = task.ended.unwrap();
        assert_eq!((task.state, outcome.result.message), (TaskState::Cancelled, None), "together: {together}");
        let late = rig.finish(at, hash, 0, Some(true)).await.unwrap_err();
        assert_eq!(late, crate::store::Refusal::Superseded, "its attempt did start; together: {together}");
    }
}

#[tokio::test]
async fn finish_comes_before_cancel_and_settle_after_finish() {
    let rig = Rig::new().await;
    let id = rig.submit(spec()).await;
    let (at, token_hash, _) = rig.running().await;
    let finish = crate::store::Finish { task: id, attempt: FIRST, token_hash, result: exit(0), log: (3, 7), notes: None, settled: None };
    let settle = Settle { task: id, attempt: at.attempt, log_complete: true };
    let (_, settled, finished) = tokio::join!(rig.store.run(cancel(id)), rig.store.run(settle), rig.store.run(finish));
    assert!(settled.unwrap() && !finished.unwrap().unwrap().settled);
    assert_eq!(rig.state(id).await, TaskState::Succeeded);
    assert!(!rig.store.run(Wake(id)).await.unwrap());
}

#[tokio::test]
async fn the_age_of_a_cancel_request_survives_a_restart() {
    let rig = Rig::new().await;
    let id = rig.submit(spec()).await;
    rig.running().await;
    rig.pass(60_000);
    rig.store.run(cancel(id)).await.unwrap();
    let rig = rig.reopened().await;
    let asked = rig.store.lease(id).await.unwrap().unwrap().cancel.unwrap();
    assert!(asked.up <= rig.store.uptime().now(), "asked at {} of {}", asked.up, rig.store.uptime().now());
}
