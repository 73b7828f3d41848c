//! What runners see of attempts: kept, believed where it is proven, and used for a better reason.

use super::harness::{FIRST, Rig, claim, lost, spec, start};
use crate::{
    domain::{
        AttemptNumber, AttemptRef, AttemptResult, Evidence, FailureClass, Phase, Reason, Retries, StoppedBy, TaskId, TaskSpec, TaskState,
        evidence::{Condition, PodFacts},
    },
    store::{AttemptRecord, Expire, Finish, Refine, Renew, Report, Reporting, Settle, Wake},
};
use uuid::Uuid;

fn saw(text: &str) -> Evidence {
    Evidence { log_tail: Some(text.into()), ..Evidence::default() }
}

/// A pod that was disrupted for this reason.
fn disrupted(reason: &str) -> Evidence {
    let condition =
        Condition { kind: "DisruptionTarget".into(), status: "True".into(), reason: Some(reason.into()), ..Condition::default() };
    Evidence { pod: Some(PodFacts { uid: "pod-1".into(), conditions: vec![condition], ..PodFacts::default() }), ..Evidence::default() }
}

fn report(at: AttemptRef, claim: Uuid, uid: Option<&str>, evidence: Option<Evidence>, reporting: Reporting) -> Report {
    Report { task: at.task, attempt: at.attempt, claim, uid: uid.map(Into::into), evidence, reporting }
}

fn seen(phase: Option<Phase>) -> Reporting {
    Reporting::Seen { phase, hold_ms: 900_000 }
}

impl Rig {
    async fn claimed(&self) -> (AttemptRef, Uuid) {
        let op = claim(1);
        let id = op.claim;
        let claimed = self.store.run(op).await.unwrap().remove(0);
        (AttemptRef { task: claimed.task, attempt: claimed.attempt }, id)
    }

    async fn history(&self, task: TaskId) -> Vec<AttemptRecord> {
        self.store.attempts(task).await.unwrap()
    }

    async fn reason(&self, task: TaskId) -> Option<Reason> {
        self.store.task(task).await.unwrap().unwrap().ended.and_then(|(outcome, _)| outcome.end.reason())
    }
}

#[tokio::test]
async fn an_attempt_without_a_place_is_held_longer_each_time() {
    let rig = Rig::new().await;
    let id = rig.submit(spec()).await;
    for (attempt, minutes) in [(1, 1), (2, 2), (3, 4)] {
        let (at, claim) = rig.claimed().await;
        assert_eq!(at.attempt, AttemptNumber(attempt));
        let held = Reporting::Returned(Some(Reason::InsufficientGpu));
        assert!(rig.store.run(report(at, claim, None, Some(saw("full")), held)).await.unwrap().applied);
        assert_eq!(rig.state(id).await, TaskState::Waiting);
        rig.pass(minutes * 60_000 - 1);
        assert!(!rig.store.run(Wake(id)).await.unwrap(), "others pass for {minutes} min");
        rig.pass(1);
        assert!(rig.store.run(Wake(id)).await.unwrap());
        if attempt == 2 {
            // Given back for another reason: it neither lengthens the pause nor makes it short again.
            let (at, claim) = rig.claimed().await;
            rig.store.run(report(at, claim, None, None, Reporting::Returned(None))).await.unwrap();
            assert_eq!(rig.state(id).await, TaskState::Queued);
            break;
        }
    }
    let history = rig.history(id).await;
    let unplaced: Vec<_> = history.iter().map(|a| (a.attempt.0, a.unplaced, a.evidence.clone(), a.ended.is_some())).collect();
    let held = |n| (n, Some(Reason::InsufficientGpu), Some(saw("full")), false);
    assert_eq!(unplaced, [held(1), held(2), (3, None, None, false)]);
    assert!(history.iter().all(|a| a.phase == Phase::Ended && a.ended_at.is_some()));

    let (at, claim) = rig.claimed().await;
    rig.store.run(report(at, claim, None, None, Reporting::Returned(Some(Reason::InsufficientCpu)))).await.unwrap();
    rig.pass(4 * 60_000 - 1);
    assert!(!rig.store.run(Wake(id)).await.unwrap(), "the third in a row");
    rig.pass(1);
    assert!(rig.store.run(Wake(id)).await.unwrap());

    let (a, token, _) = rig.running().await;
    let finished = rig.finish(a, token, 0, Some(true)).await.unwrap();
    assert_eq!((a.attempt, finished.state), (AttemptNumber(5), TaskState::Succeeded));
}

#[tokio::test]
async fn a_started_attempt_ends_the_row_of_holds_and_cannot_be_held() {
    let rig = Rig::new().await;
    let id = rig.submit(TaskSpec { retries: Retries { user: 1, ..Retries::default() }, ..spec() }).await;
    let held = || Reporting::Returned(Some(Reason::InsufficientGpu));
    for _ in 0..3 {
        let (at, claim) = rig.claimed().await;
        rig.store.run(report(at, claim, None, None, held())).await.unwrap();
        rig.pass(rig.times.pending_hold_max_ms);
        rig.store.run(Wake(id)).await.unwrap();
    }
    let (at, token, claim) = rig.running().await;
    assert!(!rig.store.run(report(at, claim, Some("pod-1"), None, held())).await.unwrap().applied);
    rig.finish(at, token, 1, Some(true)).await.unwrap();
    rig.pass(rig.times.retry_backoff_ms);
    rig.store.run(Wake(id)).await.unwrap();
    let (at, claim) = rig.claimed().await;
    rig.store.run(report(at, claim, None, None, held())).await.unwrap();
    rig.pass(rig.times.pending_hold_ms);
    assert!(rig.store.run(Wake(id)).await.unwrap(), "the first of a new row");
}

#[tokio::test]
async fn an_attempt_whose_job_is_there_outlives_its_runners_absence() {
    let rig = Rig::new().await;
    rig.submit(spec()).await;
    let (at, claim) = rig.claimed().await;
    let phase = |phase| report(at, claim, None, None, seen(Some(phase)));
    assert!(rig.store.run(phase(Phase::Scheduling)).await.unwrap().applied);
    assert!(!rig.store.run(phase(Phase::Scheduling)).await.unwrap().applied, "no news");
    assert!(rig.store.run(phase(Phase::Pulling)).await.unwrap().applied);
    for never in [Phase::Scheduling, Phase::Starting, Phase::Running] {
        assert!(!rig.store.run(phase(never)).await.unwrap().applied, "{never}");
    }
    rig.store.run(Renew("r1".parse().unwrap())).await.unwrap();
    rig.pass(899_999);
    assert!(!rig.store.run(Expire(at)).await.unwrap(), "a renewed claim is not a shorter one");
    rig.pass(1);
    assert!(rig.store.run(Expire(at)).await.unwrap());
    assert_eq!(rig.history(at.task).await.len(), 1, "what was given back stands in the history");
}

#[tokio::test]
async fn only_proof_ends_what_has_started() {
    let rig = Rig::new().await;
    let id = rig.submit(TaskSpec { retries: Retries { infra: 1, ..Retries::default() }, ..spec() }).await;
    let (at, claim) = rig.claimed().await;
    assert!(rig.store.run(report(at, claim, None, None, lost(false))).await.unwrap().applied, "its start is refused from now on");
    rig.pass(rig.times.retry_backoff_ms);
    rig.store.run(Wake(id)).await.unwrap();
    let (at, _, claim) = rig.running().await;
    let gone = |proven| report(at, claim, Some("pod-1"), Some(saw("gone")), lost(proven));
    assert!(!rig.store.run(gone(false)).await.unwrap().applied);
    assert_eq!(rig.state(id).await, TaskState::Active);
    assert_eq!(rig.store.evidence(at).await.unwrap(), Some(saw("gone")), "what was seen is kept all the same");
    assert!(rig.store.run(gone(true)).await.unwrap().applied);
    assert_eq!((rig.state(id).await, rig.store.evidence(at).await.unwrap()), (TaskState::Failed, Some(saw("gone"))));
}

#[tokio::test]
async fn evidence_goes_with_success_and_stays_with_everything_else() {
    let rig = Rig::new().await;
    for (code, kept) in [(0, None), (3, Some(saw("it runs")))] {
        let id = rig.submit(spec()).await;
        let (at, token, claim) = rig.running().await;
        assert!(rig.store.run(report(at, claim, Some("pod-1"), Some(saw("it runs")), seen(None))).await.unwrap().applied);
        assert!(!rig.store.run(report(at, claim, Some("pod-2"), Some(saw("no")), seen(None))).await.unwrap().applied, "another UID");
        assert_eq!(rig.history(id).await[0].evidence, Some(saw("it runs")));
        rig.finish(at, token, code, Some(true)).await.unwrap();
        assert_eq!(rig.history(id).await[0].evidence, kept, "exit code {code}");
    }
}

/// Scoreboard, row 11 at R, seed 4271155798: a pod is deleted whose image cannot be had, and what its status says then took the place of
/// the registry's words.
#[tokio::test]
async fn what_kept_an_attempt_from_starting_outlives_its_objects() {
    let rig = Rig::new().await;
    for (told, kept) in [(Some(saw("403 Forbidden")), saw("403 Forbidden")), (None, saw("its pod is deleted"))] {
        let id = rig.submit(spec()).await;
        let (at, claim) = rig.claimed().await;
        let ended =
            Reporting::Ended { class: FailureClass::Image, reason: Reason::ImagePullAuth, message: "no access".into(), proven: true };
        assert!(rig.store.run(report(at, claim, None, told.clone(), ended)).await.unwrap().applied);
        assert_eq!(rig.state(id).await, TaskState::Failed);
        let later = Refine { attempt: at, claim, uid: Some("pod-1".into()), evidence: saw("its pod is deleted"), better: None };
        assert_eq!(rig.store.run(later).await.unwrap(), told.is_none(), "kept where nothing else says why");
        assert_eq!(rig.history(id).await[0].evidence, Some(kept));
    }
}

/// The finish of an agent that was told to go.
fn drained(at: AttemptRef, token_hash: [u8; 32], settled: Option<bool>) -> Finish {
    let result = AttemptResult { signal: Some(15), stopped_by: Some(StoppedBy::Drain), ..AttemptResult::default() };
    Finish { task: at.task, attempt: at.attempt, token_hash, result, log: (3, 7), notes: None, settled }
}

#[tokio::test]
async fn what_the_cluster_says_of_a_drain_names_its_reason_whichever_comes_first() {
    let rig = Rig::new().await;
    let none = Retries { infra: 0, ..Retries::default() };

    let first = rig.submit(TaskSpec { retries: none, ..spec() }).await;
    let (at, token, claim) = rig.running().await;
    rig.store.run(report(at, claim, Some("pod-1"), Some(disrupted("PreemptionByScheduler")), seen(None))).await.unwrap();
    rig.store.run(drained(at, token, Some(true))).await.unwrap().unwrap();
    assert_eq!(rig.reason(first).await, Some(Reason::Preempted));

    let between = rig.submit(TaskSpec { retries: none, ..spec() }).await;
    let (at, token, claim) = rig.running().await;
    rig.store.run(drained(at, token, None)).await.unwrap().unwrap();
    rig.store.run(report(at, claim, Some("pod-1"), Some(disrupted("DeletionByTaintManager")), seen(None))).await.unwrap();
    rig.store.run(Settle { task: between, attempt: at.attempt, log_complete: true }).await.unwrap();
    assert_eq!(rig.reason(between).await, Some(Reason::NodeLost));

    let after = rig.submit(TaskSpec { retries: none, ..spec() }).await;
    let (at, token, claim) = rig.running().await;
    rig.store.run(drained(at, token, Some(true))).await.unwrap().unwrap();
    assert_eq!(rig.reason(after).await, Some(Reason::Evicted));
    let better = Some((FailureClass::Infra, Reason::Evicted, Reason::Preempted));
    let refine = |uid: &str, claim| Refine { attempt: at, claim, uid: Some(uid.into()), evidence: saw("later"), better };
    assert!(!rig.store.run(refine("pod-2", claim)).await.unwrap(), "another UID");
    assert!(!rig.store.run(refine("pod-1", Uuid::max())).await.unwrap(), "another claim");
    rig.pass(rig.times.refine_ms);
    assert!(rig.store.run(refine("pod-1", claim)).await.unwrap());
    assert_eq!((rig.reason(after).await, rig.history(after).await[0].evidence.clone()), (Some(Reason::Preempted), Some(saw("later"))));
    let history = rig.history(after).await;
    let (outcome, _) = history[0].ended.clone().unwrap();
    assert_eq!((outcome.end.class(), outcome.end.reason()), (Some(FailureClass::Infra), Some(Reason::Preempted)));
    rig.pass(1);
    assert!(!rig.store.run(refine("pod-1", claim)).await.unwrap(), "too late");
}

#[tokio::test]
async fn a_success_and_another_reason_are_not_touched() {
    let rig = Rig::new().await;
    for (code, reason) in [(0, None), (3, Some(Reason::ExitNonZero))] {
        let id = rig.submit(spec()).await;
        let (at, token, claim) = rig.running().await;
        rig.finish(at, token, code, Some(true)).await.unwrap();
        let better = Some((FailureClass::Infra, Reason::Evicted, Reason::Preempted));
        let refine = Refine { attempt: at, claim, uid: Some("pod-1".into()), evidence: saw("later"), better };
        assert_eq!(rig.store.run(refine).await.unwrap(), code != 0, "evidence is kept where it did not succeed");
        assert_eq!(rig.reason(id).await, reason);
    }
}

#[tokio::test]
async fn a_command_without_an_agent_runs_from_its_start_on() {
    let rig = Rig::new().await;
    let id = rig.submit(spec()).await;
    let claimed = rig.claim(1).await.remove(0);
    let gate = crate::store::Start { agentless: true, ..start(&claimed, "pod-1", Uuid::nil()) };
    rig.store.run(gate).await.unwrap().unwrap();
    let lease = rig.store.task(id).await.unwrap().unwrap().lease.unwrap();
    assert_eq!((lease.phase, lease.attempt.attempt), (Some(Phase::Running), FIRST));
    let again = crate::store::Start { agentless: true, ..start(&claimed, "pod-1", Uuid::nil()) };
    assert!(rig.store.run(again).await.unwrap().is_ok(), "a gate whose answer was lost asks again");
}
