//! One attempt's life: claim, start, heartbeat, finish; and everything that cuts it short.

use super::harness::{FIRST, Rig, claim, exit, fresh_uuid, lost, spec, start};
use crate::{
    domain::{AttemptNumber, AttemptRef, FailureClass, Phase, Retries, TaskSpec, TaskState, fingerprint},
    store::{Abandon, Cancel, Expire, Finish, Known, LogMark, MarkLogs, Refusal, Report, Reporting, Settle, SettleOverdue, Wake},
};
use secrecy::ExposeSecret;

#[tokio::test]
async fn a_task_runs_from_submit_to_success() {
    let rig = Rig::new().await;
    let id = rig.submit(spec()).await;
    assert_eq!(rig.state(id).await, TaskState::Queued);

    let claimed = rig.claim(5).await;
    assert_eq!(claimed.len(), 1);
    assert_eq!((claimed[0].task, claimed[0].attempt), (id, FIRST));
    assert_eq!(rig.state(id).await, TaskState::Active);
    assert!(rig.claim(5).await.is_empty(), "a claimed task is not claimed again");

    let token = fingerprint(rig.start(&claimed[0], "pod").await.unwrap().expose_secret());
    let attempt = AttemptRef { task: id, attempt: FIRST };
    assert!(!rig.beat(attempt, token, Phase::Running).await.unwrap());
    let finished = rig.finish(attempt, token, 0, Some(true)).await.unwrap();
    assert!(finished.settled);
    assert_eq!(finished.state, TaskState::Succeeded);

    let task = rig.store.task(id).await.unwrap().unwrap();
    let (outcome, complete) = task.ended.unwrap();
    assert_eq!((outcome.result.exit_code, complete), (Some(0), Some(true)));
    assert!(task.started_at.is_some() && task.finished_at > task.started_at);
    let attempts = rig.store.attempts(id).await.unwrap();
    assert_eq!((attempts.len(), attempts[0].phase), (1, Phase::Ended));

    let events = rig.store.events_after(crate::domain::EventId(0), &crate::store::EventFilter { task: Some(id) }, 100).await.unwrap();
    let kinds: Vec<_> = events.iter().map(|e| e.kind.as_str()).collect();
    assert_eq!(kinds, ["task.submitted", "attempt.claimed", "attempt.started", "attempt.phase", "attempt.phase", "task.ended"]);
}

#[tokio::test]
async fn only_one_agent_starts_an_attempt() {
    let rig = Rig::new().await;
    rig.submit(spec()).await;
    let claimed = rig.claim(1).await.remove(0);
    let ours = fresh_uuid();
    let first = rig.store.run(start(&claimed, "pod", ours)).await.unwrap().unwrap();
    let again = rig.store.run(start(&claimed, "pod", ours)).await.unwrap().unwrap();
    assert_ne!(first.expose_secret(), again.expose_secret(), "a repeat gets a fresh token");
    for (uid, nonce) in [("pod", fresh_uuid()), ("other-pod", ours)] {
        assert_eq!(rig.store.run(start(&claimed, uid, nonce)).await.unwrap().unwrap_err(), Refusal::Superseded);
    }
    let attempt = AttemptRef { task: claimed.task, attempt: claimed.attempt };
    assert_eq!(
        rig.beat(attempt, fingerprint(first.expose_secret()), Phase::Starting).await,
        Err(Refusal::WrongToken),
        "the old token is void"
    );
    rig.beat(attempt, fingerprint(again.expose_secret()), Phase::Starting).await.unwrap();
    assert_eq!(
        rig.store.run(start(&claimed, "pod", ours)).await.unwrap().unwrap_err(),
        Refusal::Superseded,
        "the first heartbeat closes the start for everybody"
    );
}

#[tokio::test]
async fn a_repeated_claim_gets_its_live_attempts_and_no_more() {
    let rig = Rig::new().await;
    for _ in 0..5 {
        rig.submit(spec()).await;
    }
    let op = claim(2);
    let first = rig.store.run(op.clone()).await.unwrap();
    let again = rig.store.run(op).await.unwrap();
    assert!(first == again && first.len() == 2);
    assert_eq!(rig.claim(10).await.len(), 3);
}

#[tokio::test]
async fn a_claim_that_never_starts_goes_back_and_its_agent_is_refused() {
    let rig = Rig::new().await;
    let id = rig.submit(spec()).await;
    let claimed = rig.claim(1).await.remove(0);
    let attempt = AttemptRef { task: id, attempt: FIRST };
    assert!(!rig.store.run(Expire(attempt)).await.unwrap(), "not before its time");
    rig.pass(rig.times.claim_lease_ms);
    assert_eq!(rig.due().await.expired, [attempt]);
    assert!(rig.store.run(Expire(attempt)).await.unwrap());
    assert_eq!(rig.state(id).await, TaskState::Queued);
    assert_eq!(rig.start(&claimed, "late").await.unwrap_err(), Refusal::Superseded);
    let second = rig.claim(1).await.remove(0);
    assert_eq!(second.attempt, AttemptNumber(2), "a number is never used twice");
    assert_eq!(rig.start(&claimed, "late").await.unwrap_err(), Refusal::Superseded);
}

#[tokio::test]
async fn what_ended_before_it_started_is_remembered_for_its_runner() {
    let rig = Rig::new().await;
    rig.submit(spec()).await;
    let lapsed = rig.claim(1).await.remove(0);
    rig.submit(spec()).await;
    rig.pass(rig.times.claim_lease_ms);
    rig.due().await;
    let since = rig.store.uptime().now() - 1;
    rig.store.run(crate::store::Expire(AttemptRef { task: lapsed.task, attempt: lapsed.attempt })).await.unwrap();
    rig.running().await;
    let of = async |runner: &str, since| rig.store.lapsed(&runner.parse().unwrap(), since, 10).await.unwrap();
    assert_eq!(of("r1", since).await, [AttemptRef { task: lapsed.task, attempt: lapsed.attempt }]);
    assert_eq!(of("r1", since + 1).await, []);
    assert_eq!(of("r2", since).await, []);
}

#[tokio::test]
async fn deadlines_stand_still_while_the_server_is_away() {
    let rig = Rig::new().await;
    rig.submit(spec()).await;
    rig.claim(1).await;
    rig.pass(rig.times.claim_lease_ms / 2);
    let rig = rig.reopened().await;
    assert!(rig.due().await.expired.is_empty());
    rig.pass(rig.times.claim_lease_ms);
    assert_eq!(rig.due().await.expired.len(), 1);
}

#[tokio::test]
async fn a_stored_result_waits_for_its_log_and_then_counts() {
    let rig = Rig::new().await;
    let id = rig.submit(spec()).await;
    let (attempt, token, _) = rig.running().await;
    let finished = rig.finish(attempt, token, 0, None).await.unwrap();
    assert!(!finished.settled && finished.state == TaskState::Active);
    let second = rig.finish(attempt, token, 1, None).await.unwrap();
    assert!(!second.settled, "the first result counts");
    assert!(rig.store.run(Settle { task: id, attempt: attempt.attempt, log_complete: true }).await.unwrap());
    assert_eq!(rig.state(id).await, TaskState::Succeeded);

    let id = rig.submit(spec()).await;
    let (attempt, token, _) = rig.running().await;
    rig.finish(attempt, token, 3, None).await.unwrap();
    rig.pass(rig.times.log_settle_ms);
    assert_eq!(rig.due().await.unsettled, [attempt]);
    assert!(rig.store.run(SettleOverdue(attempt)).await.unwrap());
    let (outcome, complete) = rig.store.task(id).await.unwrap().unwrap().ended.unwrap();
    assert_eq!((outcome.end.class(), complete), (Some(FailureClass::User), Some(false)));
}

#[tokio::test]
async fn a_stale_writer_changes_nothing() {
    let rig = Rig::new().await;
    let id = rig.submit(TaskSpec { retries: Retries { infra: 1, ..Retries::default() }, ..spec() }).await;
    let (old, token, claim) = rig.running().await;
    let report = |uid: &str, claim, reporting| Report {
        task: old.task,
        attempt: old.attempt,
        claim,
        uid: Some(uid.into()),
        evidence: None,
        reporting,
    };
    assert!(!rig.store.run(report("another-pod", claim, lost(true))).await.unwrap().applied, "another UID proves nothing");
    assert!(!rig.store.run(report("pod-1", fresh_uuid(), lost(true))).await.unwrap().applied, "another claim proves nothing");
    assert_eq!(rig.state(id).await, TaskState::Active);
    let outcome = rig.store.run(report("pod-1", claim, lost(true))).await.unwrap();
    assert!(outcome.applied && outcome.known == Known::Ended);
    assert_eq!(rig.state(id).await, TaskState::Waiting);

    rig.pass(rig.times.retry_backoff_ms);
    assert!(rig.store.run(Wake(id)).await.unwrap());
    let (new, new_token, _) = rig.running().await;
    assert_eq!(new.attempt, AttemptNumber(2));
    assert_eq!(rig.finish(old, token, 0, Some(true)).await.unwrap_err(), Refusal::Superseded);
    assert_eq!(rig.finish(new, token, 0, Some(true)).await.unwrap_err(), Refusal::WrongToken);
    assert_eq!(rig.finish(new, new_token, 7, Some(true)).await.unwrap().state, TaskState::Failed);
    assert_eq!(rig.store.attempts(id).await.unwrap().len(), 2);
    let known = rig
        .store
        .check(&[(id, old.attempt, claim), (id, AttemptNumber(9), claim), (crate::domain::TaskId(999), FIRST, claim)])
        .await
        .unwrap();
    assert_eq!(known, [Known::Superseded, Known::Unknown, Known::Unknown]);
}

#[tokio::test]
async fn a_runner_reports_the_result_that_an_agent_left_behind() {
    let rig = Rig::new().await;
    let id = rig.submit(spec()).await;
    let (a, _, claim) = rig.running().await;
    let report = Report {
        task: id,
        attempt: a.attempt,
        claim,
        uid: Some("pod-1".into()),
        evidence: None,
        reporting: Reporting::Finish { result: exit(0), log: (0, 0), log_complete: Some(false) },
    };
    assert!(rig.store.run(report).await.unwrap().applied);
    let (_, complete) = rig.store.task(id).await.unwrap().unwrap().ended.unwrap();
    assert_eq!((rig.state(id).await, complete), (TaskState::Succeeded, Some(false)));
}

#[tokio::test]
async fn cancel_before_the_start_is_final_and_after_it_is_a_request() {
    let rig = Rig::new().await;
    let cancel = |task| Cancel { task, by: "ada".into(), silent: false };
    let queued = rig.submit(spec()).await;
    assert_eq!(rig.store.run(cancel(queued)).await.unwrap().unwrap().state, TaskState::Cancelled);
    assert!(rig.claim(1).await.is_empty());
    assert_eq!(rig.store.run(cancel(queued)).await.unwrap().unwrap().state, TaskState::Cancelled, "a second cancel is no error");

    let claimed_id = rig.submit(spec()).await;
    let claimed = rig.claim(1).await.remove(0);
    assert_eq!(rig.store.run(cancel(claimed_id)).await.unwrap().unwrap().state, TaskState::Cancelled);
    assert_eq!(rig.start(&claimed, "pod").await.unwrap_err(), Refusal::Cancelled);

    let running = rig.submit(spec()).await;
    let (a, token, _) = rig.running().await;
    assert_eq!(rig.store.run(cancel(running)).await.unwrap().unwrap().state, TaskState::Active);
    assert!(rig.beat(a, token, Phase::Running).await.unwrap(), "the agent hears of it");
    assert_eq!(rig.finish(a, token, 0, Some(true)).await.unwrap().state, TaskState::Succeeded, "it ended by itself first");

    let silent = rig.submit(spec()).await;
    rig.running().await;
    let now = Cancel { task: silent, by: "ada".into(), silent: true };
    assert_eq!(rig.store.run(now).await.unwrap().unwrap().state, TaskState::Cancelled);
}

#[tokio::test]
async fn an_operator_can_give_an_attempt_up() {
    let rig = Rig::new().await;
    let id = rig.submit(spec()).await;
    let (a, token, _) = rig.running().await;
    let abandon = Abandon { task: id, attempt: a.attempt, by: "root".into(), reason: "node burnt".into() };
    assert_eq!(rig.store.run(abandon).await.unwrap().unwrap(), TaskState::Waiting);
    assert_eq!(rig.finish(a, token, 0, Some(true)).await.unwrap_err(), Refusal::Superseded);
}

#[tokio::test]
async fn an_empty_log_is_waited_for_by_nobody() {
    let rig = Rig::new().await;
    for (marked, complete) in [(None, true), (Some(5), false)] {
        rig.submit(spec()).await;
        let (of, token_hash, _) = rig.running().await;
        if let Some(durable) = marked {
            let mark = LogMark { attempt: of, member: 0, durable, crc: Some(1), gaps: Vec::new(), stints: Vec::new() };
            rig.store.run(MarkLogs(vec![mark])).await.unwrap();
        }
        let AttemptRef { task, attempt } = of;
        let finish = Finish { task, attempt, token_hash, result: exit(0), log: (0, 0), notes: None, settled: None };
        assert!(rig.store.run(finish).await.unwrap().unwrap().settled);
        assert_eq!(rig.store.task(task).await.unwrap().unwrap().ended.unwrap().1, Some(complete), "recorded: {marked:?}");
    }
}
