//! What a step of the model test does, and how the real store is told.

use crate::{
    domain::{
        AttemptRef, AttemptResult, BudgetName, Evidence, FailureClass, Phase, Priority, QueueName, Reason, Resources, Retries, TaskId,
        TaskSpec,
        order::{Amount, Cost},
    },
    store::{
        Abandon, ApplyBudget, ApplyQueue, Beat, Boost, Cancel, Claim, ClaimedAttempt, DrainQueue, Expire, Finish, Idempotency, Keeper,
        Move, MoveTo, NewTask, Patch, PauseQueue, QueueShare, Refine, Refusal, Renew, Report, Reporting, Settle, SettleOverdue, Start,
        Store, Submit, Submitted, Wake, tests::harness::spec,
    },
};
use secrecy::SecretString;
use uuid::Uuid;

/// A task to submit.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) queue: QueueName,
    pub(super) priority: Priority,
    pub(super) gpus: u32,
    pub(super) weight: Amount,
    pub(super) retries: Retries,
}

#[derive(Clone, Debug)]
pub(super) enum Said {
    /// Nothing but what it saw: a number that stands in the evidence, and a phase.
    Seen(u32, Option<Phase>),
    Returned,
    Held,
    /// With or without proof.
    Lost(bool),
    Finish(AttemptResult),
}

#[derive(Clone, Debug)]
pub(super) enum Op {
    /// A queue's document, and what its template costs: GPUs and weight.
    Apply(QueueName, String, (u32, Amount)),
    Pause(QueueName, bool),
    Drain(QueueName),
    Budget(BudgetName, String),
    Renew(&'static str),
    Submit(&'static str, Vec<Wanted>, Option<(u64, u8)>),
    Start {
        at: AttemptRef,
        token: String,
        uid: &'static str,
        nonce: Uuid,
    },
    Beat(AttemptRef, [u8; 32], Phase),
    Finish(AttemptRef, [u8; 32], AttemptResult, Option<bool>),
    Settle(AttemptRef, bool),
    SettleOverdue(AttemptRef),
    Report {
        at: AttemptRef,
        claim: Uuid,
        uid: Option<&'static str>,
        said: Said,
    },
    Refine {
        at: AttemptRef,
        claim: Uuid,
        uid: Option<&'static str>,
        saw: u32,
    },
    Cancel(TaskId, bool),
    Abandon(AttemptRef),
    Expire(AttemptRef),
    Wake(TaskId),
    /// Another priority, another weight.
    Patch(TaskId, Option<Priority>, Option<Amount>),
    Move(TaskId, MoveTo),
    Boost(TaskId, bool),
    Claim(Claim),
}

/// What the store says. The secrets and ids in it are the store's choice, the rest is the rules'.
#[derive(Debug)]
pub(super) enum Answer {
    Submitted(Submitted),
    Claimed(Vec<(TaskId, u32, QueueName, u32)>, Vec<ClaimedAttempt>),
    Started(Result<SecretString, Refusal>),
    Plain(String),
}

impl Op {
    /// Its place in the order in which the writer runs a batch.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Op::Apply(..) => 0,
            Op::Pause(..) => 1,
            Op::Drain(_) => 2,
            Op::Budget(..) => 3,
            Op::Renew(_) => 4,
            Op::Submit(..) => 5,
            Op::Move(..) => 6,
            Op::Start { .. } => 7,
            Op::Beat(..) => 8,
            Op::Finish(..) => 9,
            Op::Settle(..) => 10,
            Op::SettleOverdue(_) => 11,
            Op::Report { .. } => 12,
            Op::Cancel(..) => 13,
            Op::Abandon(_) => 14,
            Op::Expire(_) => 15,
            Op::Wake(_) => 16,
            Op::Patch(..) => 17,
            Op::Boost(..) => 18,
            Op::Refine { .. } => 19,
            Op::Claim(_) => 20,
        }
    }

    pub(super) async fn run(&self, store: &Store) -> Answer {
        fn plain(answer: impl std::fmt::Debug) -> Answer {
            Answer::Plain(format!("{answer:?}"))
        }
        let by = || "ada".to_owned();
        match self.clone() {
            Op::Apply(name, doc, (gpus, weight)) => {
                let cost = Cost { gpus: Amount::whole(gpus), weight };
                plain(store.run(ApplyQueue { name, doc, cost, by: by(), if_revision: None, kept_by: Keeper::Any }).await.unwrap())
            }
            Op::Drain(name) => plain(store.run(DrainQueue { name, by: by(), reason: None }).await.unwrap()),
            Op::Budget(name, doc) => plain(store.run(ApplyBudget { name, doc, by: by(), if_revision: None }).await.unwrap()),
            Op::Move(task, to) => plain(store.run(Move { task, by: by(), to }).await.unwrap()),
            Op::Boost(task, boost) => plain(store.run(Boost { task, by: by(), boost }).await.unwrap()),
            Op::Pause(name, on) => plain(store.run(PauseQueue { name, by: by(), pause: on.then_some(None) }).await.unwrap()),
            Op::Renew(runner) => {
                store.run(Renew(runner.parse().unwrap())).await.unwrap();
                plain(())
            }
            Op::Submit(user, wanted, key) => {
                let task = |w: Wanted| TaskSpec {
                    queue: w.queue,
                    priority: w.priority,
                    resources: Resources::of_gpus(w.gpus),
                    labels: (w.weight > Amount(0)).then(|| ("slipway.dev/weight".into(), w.weight.to_string())).into_iter().collect(),
                    retries: w.retries,
                    ..spec()
                };
                let tasks = wanted.into_iter().map(|w| NewTask::new(task(w))).collect();
                let idempotency = key.map(|(key, digest)| Idempotency { route: "submit", key: key.to_string(), digest: [digest; 32] });
                Answer::Submitted(store.run(Submit { user: user.into(), tasks, idempotency }).await.unwrap())
            }
            Op::Start { at, token, uid, nonce } => {
                let start = Start {
                    task: at.task,
                    attempt: at.attempt,
                    token: token.into(),
                    uid: uid.into(),
                    nonce,
                    agentless: false,
                    self_stop: false,
                };
                Answer::Started(store.run(start).await.unwrap())
            }
            Op::Beat(at, token_hash, phase) => {
                plain(store.run(Beat { task: at.task, attempt: at.attempt, token_hash, phase }).await.unwrap())
            }
            Op::Finish(at, token_hash, result, settled) => plain(
                store
                    .run(Finish { task: at.task, attempt: at.attempt, token_hash, result, log: (3, 7), notes: None, settled })
                    .await
                    .unwrap(),
            ),
            Op::Settle(at, log_complete) => plain(store.run(Settle { task: at.task, attempt: at.attempt, log_complete }).await.unwrap()),
            Op::SettleOverdue(at) => plain(store.run(SettleOverdue(at)).await.unwrap()),
            Op::Report { at, claim, uid, said } => {
                let (class, reason, message) = (FailureClass::Lost, Reason::AttemptLost, "gone".into());
                let saw = if let Said::Seen(saw, _) = said { Some(evidence(saw)) } else { None };
                let reporting = match said {
                    Said::Seen(_, phase) => Reporting::Seen { phase, hold_ms: HOLD_MS },
                    Said::Returned => Reporting::Returned(None),
                    Said::Held => Reporting::Returned(Some(Reason::InsufficientGpu)),
                    Said::Lost(proven) => Reporting::Ended { class, reason, message, proven },
                    Said::Finish(result) => Reporting::Finish { result, log: (0, 0), log_complete: Some(false) },
                };
                let report = Report { task: at.task, attempt: at.attempt, claim, uid: uid.map(Into::into), evidence: saw, reporting };
                plain(store.run(report).await.unwrap())
            }
            Op::Refine { at, claim, uid, saw } => {
                let better = Some((FailureClass::Infra, Reason::Evicted, Reason::NodeLost));
                let refine = Refine { attempt: at, claim, uid: uid.map(Into::into), evidence: evidence(saw), better };
                plain(store.run(refine).await.unwrap())
            }
            Op::Cancel(task, silent) => plain(store.run(Cancel { task, by: by(), silent }).await.unwrap()),
            Op::Abandon(at) => {
                plain(store.run(Abandon { task: at.task, attempt: at.attempt, by: by(), reason: "x".into() }).await.unwrap())
            }
            Op::Expire(at) => plain(store.run(Expire(at)).await.unwrap()),
            Op::Wake(task) => plain(store.run(Wake(task)).await.unwrap()),
            Op::Patch(task, priority, of_weight) => {
                let weight = |w: Amount| ("slipway.dev/weight".to_owned(), (w > Amount(0)).then(|| w.to_string()));
                let labels = of_weight.map(weight).into_iter().collect();
                plain(store.run(Patch { task, by: by(), name: None, labels, priority, not_before: None }).await.unwrap())
            }
            Op::Claim(claim) => {
                let got = store.run(claim).await.unwrap();
                Answer::Claimed(got.iter().map(|c| (c.task, c.attempt.0, c.queue.clone(), c.gpus)).collect(), got)
            }
        }
    }
}

/// What a submit came to, without the time of a drain.
pub(super) fn said(submitted: &Submitted) -> String {
    match submitted {
        Submitted::Draining { queue, .. } => format!("Draining({queue})"),
        other => format!("{other:?}"),
    }
}

/// How long an attempt may look for a place before the store gives it back by itself.
pub(super) const HOLD_MS: u64 = 300_000;

/// Evidence that differs by a number, and from which no better reason follows.
pub(super) fn evidence(saw: u32) -> Evidence {
    Evidence { log_tail: Some(saw.to_string()), ..Evidence::default() }
}

/// The most that claims in these tests draw from a queue.
pub(super) fn share(queue: Option<QueueName>, max: u32) -> QueueShare {
    QueueShare { queue, max }
}
