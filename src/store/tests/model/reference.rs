//! The same store as plain data: `domain` says what may happen to a task, the rest is maps.

use super::{
    book::{Book, Queue},
    ops::{Answer, HOLD_MS, Op, Said, Wanted, evidence, said},
};
use crate::{
    domain::{
        AttemptNumber, AttemptRef, End, Event, FailureClass, Lifecycle, Phase, Priority, QueueName, Reason, Status, TaskId, TaskState,
        Times, fingerprint, order::Amount,
    },
    store::{Cancelled, Finished, Known, Patched, Refusal, ReportOutcome, Submitted},
};
use secrecy::ExposeSecret;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

pub(super) struct Lease {
    pub(super) runner: String,
    pub(super) claim: Uuid,
    pub(super) start_token: Option<String>,
    pub(super) token: Option<[u8; 32]>,
    pub(super) uid: Option<&'static str>,
    pub(super) nonce: Uuid,
    pub(super) expires: Option<i64>,
    pub(super) settle: Option<i64>,
    /// What its runner saw last.
    pub(super) saw: Option<u32>,
}

/// An attempt that is over.
pub(super) struct Over {
    pub(super) claim: Uuid,
    pub(super) uid: Option<&'static str>,
    pub(super) ended_up: i64,
    /// None where it was given back.
    pub(super) end: Option<End>,
    /// Whether it was given back for want of a place.
    unplaced: bool,
    pub(super) saw: Option<u32>,
}

pub(super) struct Task {
    pub(super) life: Lifecycle,
    pub(super) queue: QueueName,
    pub(super) user: &'static str,
    pub(super) priority: Priority,
    pub(super) gpus: u32,
    pub(super) weight: Amount,
    pub(super) boosted: bool,
    pub(super) rank: i64,
    /// The uptime since which it is ready; over the pause of an attempt that found no place it stays.
    pub(super) since: Option<i64>,
    pub(super) lease: Option<Lease>,
    /// Its attempts that are over, by number.
    pub(super) history: BTreeMap<u32, Over>,
    /// Whether its newest attempt started, once that is over.
    newest_started: bool,
    /// When it may be woken: a range, as the pause is random, until the test has read what the store chose.
    pub(super) due: (i64, i64),
}

pub(super) struct Model {
    pub(super) tasks: BTreeMap<TaskId, Task>,
    keys: BTreeMap<(&'static str, u64), (u8, Vec<TaskId>)>,
    /// Queues, budgets, who used what, and the order.
    pub(super) book: Book,
    /// The claims of this batch.
    pub(super) asked: BTreeSet<(String, Uuid)>,
    pub(super) up: i64,
    pub(super) times: Times,
}

impl Task {
    pub(super) fn state(&self) -> TaskState {
        self.life.state()
    }

    pub(super) fn pending(&self) -> bool {
        matches!(self.state(), TaskState::Waiting | TaskState::Queued)
    }

    pub(super) fn has_result(&self) -> bool {
        matches!(&self.life.status, Status::Active(live) if live.result.is_some())
    }

    fn live(&mut self, at: AttemptRef) -> Option<&mut Lease> {
        self.lease.as_mut().filter(|_| self.life.attempt == at.attempt)
    }

    fn refusal(&self, attempt: AttemptNumber) -> Result<(), Refusal> {
        let newest = attempt == self.life.attempt;
        match self.state() {
            _ if attempt == AttemptNumber::NONE || attempt > self.life.attempt => Err(Refusal::NotFound),
            TaskState::Active if newest => Ok(()),
            TaskState::Cancelled if newest && !self.newest_started => Err(Refusal::Cancelled),
            _ => Err(Refusal::Superseded),
        }
    }

    pub(super) fn take(&mut self, event: Event, up: i64, times: &Times) -> bool {
        let Ok((life, ended)) = self.life.clone().next(event) else { return false };
        self.life = life;
        if !matches!(self.life.status, Status::Active(_))
            && let Some(Lease { claim, uid, saw, .. }) = self.lease.take()
        {
            self.newest_started = uid.is_some();
            let end = ended.as_ref().map(|outcome| outcome.end);
            let saw = saw.filter(|_| end != Some(End::Succeeded));
            self.history.insert(self.life.attempt.0, Over { claim, uid, ended_up: up, end, unplaced: false, saw });
        }
        match (&self.life.status, &ended) {
            (Status::Queued, _) => drop(self.since.get_or_insert(up)),
            // A retry begins anew.
            (_, Some(_)) => self.since = None,
            _ => {}
        }
        if let (Status::Waiting, Some(outcome)) = (&self.life.status, ended) {
            let spent = self.life.spent;
            let nth = if outcome.end.class() == Some(FailureClass::User) { spent.user } else { spent.infra };
            let full = i64::try_from(times.retry_backoff_ms << (nth - 1)).unwrap();
            self.due = (up + full / 2, up + full);
        }
        true
    }

    fn hold(&mut self, up: i64, times: &Times) -> bool {
        let before = self.history.values().rev().take_while(|over| over.end.is_none()).filter(|over| over.unplaced).count();
        if !self.take(Event::Hold, up, times) {
            return false;
        }
        self.history.get_mut(&self.life.attempt.0).expect("it is over").unplaced = true;
        let pause = (times.pending_hold_ms << before).min(times.pending_hold_max_ms);
        self.due = (up + i64::try_from(pause).unwrap(), up + i64::try_from(pause).unwrap());
        true
    }

    fn see(&mut self, saw: u32, phase: Option<Phase>, up: i64, times: &Times) -> bool {
        let Status::Active(live) = &self.life.status else { return false };
        let further = phase.filter(|phase| !live.started && live.phase < Some(*phase) && *phase < Phase::Starting);
        let first = live.phase.is_none();
        let lease = self.lease.as_mut().expect("an active task has a lease");
        let news = lease.saw != Some(saw);
        lease.saw = Some(saw);
        if further.is_some() && first {
            lease.expires = lease.expires.max(Some(up + i64::try_from(HOLD_MS).unwrap()));
        }
        further.is_some_and(|phase| self.take(Event::Reach(phase), up, times)) || news
    }
}

impl Model {
    pub(super) fn new(queues: Vec<QueueName>, times: Times) -> Self {
        let mut book = Book::new(times.clone());
        book.queues.extend(queues.into_iter().map(|name| (name, Queue::default())));
        Self { tasks: BTreeMap::new(), keys: BTreeMap::new(), book, asked: BTreeSet::new(), up: 0, times }
    }

    pub(super) fn after(&self, ms: u64) -> i64 {
        self.up + i64::try_from(ms).unwrap()
    }

    fn attempt(&mut self, at: AttemptRef) -> Result<&mut Task, Refusal> {
        let task = self.tasks.get_mut(&at.task).ok_or(Refusal::NotFound)?;
        task.refusal(at.attempt).map(|()| task)
    }

    /// Does what `op` does. Answers what the store should have said, given the secrets and ids that it chose.
    pub(super) fn expect(&mut self, op: &Op, answer: &Answer) -> String {
        let said = self.follow(op, answer);
        self.end_attempts();
        said
    }

    fn follow(&mut self, op: &Op, answer: &Answer) -> String {
        let (up, times) = (self.up, self.times.clone());
        match op {
            Op::Pause(queue, on) => {
                let queue = self.book.queues.get_mut(queue).expect("it exists");
                // To resume ends a drain, too.
                (queue.paused, queue.draining) = (*on, queue.draining && *on);
                "Ok(())".into()
            }
            Op::Apply(queue, doc, template) => self.apply(queue, doc, *template),
            Op::Drain(queue) => {
                self.book.queues.get_mut(queue).expect("it exists").draining = true;
                "Ok(())".into()
            }
            Op::Budget(name, doc) => self.budget(name, doc),
            Op::Move(task, to) => format!("{:?}", self.shift(*task, *to)),
            Op::Boost(task, on) => format!("{:?}", self.boost(*task, *on)),
            Op::Renew(runner) => {
                let expires = self.after(times.claim_lease_ms);
                let leases = self.tasks.values_mut().filter_map(|t| t.lease.as_mut());
                leases.filter(|l| l.runner == *runner && l.expires.is_some()).for_each(|l| l.expires = l.expires.max(Some(expires)));
                "()".into()
            }
            Op::Submit(user, wanted, key) => self.submit(user, wanted, *key, answer),
            Op::Start { at, token, uid, nonce } => format!("{:?}", self.start(*at, token, uid, *nonce, answer)),
            Op::Beat(at, token, phase) => {
                let heard = self.attempt(*at).and_then(|task| {
                    let lease = task.live(*at).filter(|l| l.token == Some(*token)).ok_or(Refusal::WrongToken)?;
                    lease.start_token = None;
                    let before = if let Status::Active(live) = &task.life.status { live.phase } else { None };
                    let _ = Some(*phase) > before && task.take(Event::Reach(*phase), up, &times);
                    Ok(task.life.cancel_requested)
                });
                format!("{heard:?}")
            }
            Op::Finish(at, token, result, settled) => {
                let finished = self.attempt(*at).and_then(|task| {
                    task.live(*at).filter(|l| l.token == Some(*token)).ok_or(Refusal::WrongToken)?;
                    task.finish(result.clone(), up, &times);
                    let _ = settled.is_some() && task.take(Event::Settle, up, &times);
                    Ok(Finished { settled: task.lease.is_none(), state: task.state() })
                });
                format!("{finished:?}")
            }
            Op::Settle(at, _) => self.on(*at, |task| task.has_result() && task.take(Event::Settle, up, &times)),
            Op::SettleOverdue(at) => self.on(*at, |task| {
                let over = task.lease.as_ref().and_then(|l| l.settle).is_some_and(|by| by <= up);
                over && task.take(Event::Settle, up, &times)
            }),
            Op::Expire(at) => self.on(*at, |task| {
                let over = task.lease.as_ref().and_then(|l| l.expires).is_some_and(|by| by <= up);
                over && task.take(Event::Return, up, &times)
            }),
            Op::Report { at, claim, uid, said } => format!("{:?}", self.report(*at, *claim, *uid, said)),
            Op::Cancel(id, silent) => {
                let cancelled = self.tasks.get_mut(id).map(|task| {
                    let news = !task.life.cancel_requested || (*silent && !task.has_result());
                    let _ = news && task.take(Event::Cancel { silent: *silent }, up, &times);
                    Cancelled { state: task.state() }
                });
                format!("{cancelled:?}")
            }
            Op::Abandon(at) => {
                let state = self.attempt(*at).map(|task| {
                    let started = task.lease.as_ref().is_some_and(|l| l.uid.is_some());
                    assert!(task.take(if started { Event::Abandon(String::new()) } else { Event::Return }, up, &times));
                    task.state()
                });
                format!("{state:?}")
            }
            Op::Wake(id) => {
                let due = |task: &&mut Task| task.state() == TaskState::Waiting && task.due.1 <= up;
                self.tasks.get_mut(id).filter(due).is_some_and(|task| task.take(Event::Due, up, &times)).to_string()
            }
            Op::Patch(id, priority, weight) => {
                let patched = match self.tasks.get_mut(id) {
                    None => Patched::NotFound,
                    Some(task) if task.pending() => {
                        task.priority = priority.unwrap_or(task.priority);
                        task.weight = weight.unwrap_or(task.weight);
                        Patched::Changed
                    }
                    Some(task) => Patched::Refused(task.state()),
                };
                format!("{patched:?}")
            }
            Op::Refine { at, claim, uid, saw } => {
                let since = up - i64::try_from(times.refine_ms).unwrap();
                let task = self.tasks.get_mut(&at.task);
                let kept = task.is_some_and(|task| task.refine(*at, *claim, *uid, *saw, since));
                kept.to_string()
            }
            Op::Claim(claim) => self.claim(claim, answer),
        }
    }

    /// Every document of evidence that is kept.
    pub(super) fn evidence(&self) -> Vec<(i64, u32, String)> {
        let doc = |saw: u32| serde_json::to_string(&evidence(saw)).unwrap();
        let mut all = Vec::new();
        for (id, task) in &self.tasks {
            all.extend(task.history.iter().filter_map(|(n, over)| Some((id.0, *n, doc(over.saw?)))));
            all.extend(task.lease.as_ref().and_then(|lease| Some((id.0, task.life.attempt.0, doc(lease.saw?)))));
        }
        all
    }

    /// Every attempt that is over, with its reason.
    pub(super) fn ends(&self) -> Vec<(i64, u32, Option<String>)> {
        let reason = |over: &Over| match over.end {
            Some(end) => end.reason(),
            None => over.unplaced.then_some(Reason::InsufficientGpu),
        };
        let of = |(id, task): (&TaskId, &Task)| {
            let id = id.0;
            task.history.iter().map(move |(n, over)| (id, *n, reason(over).map(|r| r.to_string()))).collect::<Vec<_>>()
        };
        self.tasks.iter().flat_map(of).collect()
    }

    fn on(&mut self, at: AttemptRef, act: impl FnOnce(&mut Task) -> bool) -> String {
        let live = self.tasks.get_mut(&at.task).filter(|t| t.lease.is_some() && t.life.attempt == at.attempt);
        live.is_some_and(act).to_string()
    }

    fn submit(&mut self, user: &'static str, wanted: &[Wanted], key: Option<(u64, u8)>, answer: &Answer) -> String {
        if let Some((digest, ids)) = key.and_then(|(key, _)| self.keys.get(&(user, key))) {
            let same = key.is_some_and(|(_, d)| d == *digest);
            return said(&if same { Submitted::Repeated(ids.clone()) } else { Submitted::Mismatch });
        }
        if let Some(refused) = self.refused(wanted) {
            return said(&refused);
        }
        let Answer::Submitted(Submitted::New(ids, at)) = answer else { panic!("should be stored: {answer:?}") };
        assert_eq!(ids.len(), wanted.len());
        for (id, w) in ids.iter().zip(wanted) {
            assert!(self.tasks.last_key_value().is_none_or(|(last, _)| last < id), "ids only grow");
            let Wanted { queue, priority, gpus, weight, retries } = w.clone();
            let life = Lifecycle::new(retries, false);
            self.tasks.insert(
                *id,
                Task {
                    life,
                    queue,
                    user,
                    priority,
                    gpus,
                    weight,
                    boosted: false,
                    rank: id.0 << 24,
                    since: Some(self.up),
                    lease: None,
                    history: BTreeMap::new(),
                    newest_started: false,
                    due: (0, 0),
                },
            );
        }
        self.keys.extend(key.map(|(key, digest)| ((user, key), (digest, ids.clone()))));
        said(&Submitted::New(ids.clone(), *at))
    }

    fn start(&mut self, at: AttemptRef, token: &str, uid: &'static str, nonce: Uuid, answer: &Answer) -> Result<(), Refusal> {
        let (up, times) = (self.up, self.times.clone());
        let task = self.attempt(at)?;
        let lease = task.live(at).ok_or(Refusal::Superseded)?;
        let expected = lease.start_token.as_ref().ok_or(Refusal::Superseded)?;
        if expected != token {
            return Err(Refusal::WrongToken);
        }
        let first = lease.uid.is_none();
        if !first && (lease.uid, lease.nonce) != (Some(uid), nonce) {
            return Err(Refusal::Superseded);
        }
        let Answer::Started(Ok(minted)) = answer else { panic!("should start: {answer:?}") };
        (lease.uid, lease.nonce, lease.expires) = (Some(uid), nonce, None);
        lease.token = Some(fingerprint(minted.expose_secret()));
        assert!(!first || task.take(Event::Start, up, &times));
        Ok(())
    }

    fn report(&mut self, at: AttemptRef, claim: Uuid, uid: Option<&str>, said: &Said) -> ReportOutcome {
        let (up, times) = (self.up, self.times.clone());
        let Some(task) = self.tasks.get_mut(&at.task) else { return ReportOutcome { applied: false, known: Known::Unknown } };
        let ours = |l: &mut Lease| l.claim == claim && (l.uid.is_none() || l.uid == uid);
        let applied = task.live(at).is_some_and(ours)
            && match said {
                Said::Seen(saw, phase) => task.see(*saw, *phase, up, &times),
                Said::Returned => task.take(Event::Return, up, &times),
                Said::Held => task.hold(up, &times),
                Said::Lost(proven) if !proven && task.lease.as_ref().is_some_and(|l| l.uid.is_some()) => false,
                Said::Lost(_) => task.take(Event::Lost(FailureClass::Lost, Reason::AttemptLost, "gone".into()), up, &times),
                Said::Finish(result) => {
                    task.finish(result.clone(), up, &times);
                    task.has_result() && task.take(Event::Settle, up, &times)
                }
            };
        let known = match &task.lease {
            _ if at.attempt == AttemptNumber::NONE || at.attempt > task.life.attempt => Known::Unknown,
            Some(lease) if lease.claim == claim && at.attempt == task.life.attempt => Known::Live,
            None if at.attempt == task.life.attempt => Known::Ended,
            _ => Known::Superseded,
        };
        ReportOutcome { applied, known }
    }
}

impl Task {
    fn finish(&mut self, result: crate::domain::AttemptResult, up: i64, times: &Times) {
        let first = !self.has_result();
        if self.take(Event::Finish(result), up, times) && first {
            let lease = self.lease.as_mut().expect("a finish does not end the attempt");
            (lease.start_token, lease.settle) = (None, Some(up + i64::try_from(times.log_settle_ms).unwrap()));
        }
    }
}
