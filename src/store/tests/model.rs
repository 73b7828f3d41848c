//! Random histories, on the real store and on a plain model of it (`model/reference.rs`). After every batch both must
//! hold the same, and what the tables promise each other must be true.

mod ops;
mod reference;

use super::harness::{Rig, exit, fresh_uuid};
use crate::{
    domain::{AttemptNumber, AttemptRef, AttemptResult, Phase, Priority, QueueName, Retries, Status, StoppedBy, TaskId, TaskState},
    store::{Claim, TaskFilter, TaskRecord},
};
use futures::future::join_all;
use ops::{Answer, Op, Said, Wanted, share};
use reference::{Model, Task};
use uuid::Uuid;

/// A seeded generator (splitmix64), so that a failure names all it takes to repeat it.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (x ^ (x >> 31)) % bound
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()].clone()
    }
}

const STEPS: u32 = 150;
const UIDS: [&str; 2] = ["pod-1", "pod-2"];

#[tokio::test]
async fn the_store_does_what_its_model_does() {
    for seed in 1..=4 {
        History::new(seed).await.run().await;
    }
}

struct History {
    rig: Rig,
    model: Model,
    dice: Dice,
    seed: u64,
    claims: Vec<Claim>,
    queues: Vec<QueueName>,
}

impl History {
    async fn new(seed: u64) -> Self {
        let rig = Rig::new().await;
        rig.queue("gpu").await;
        let queues: Vec<QueueName> = ["default", "gpu", "absent"].map(|q| q.parse().unwrap()).into();
        let model = Model::new(queues[..2].to_vec(), rig.times.clone());
        Self { rig, model, dice: Dice(seed), seed, claims: Vec::new(), queues }
    }

    async fn run(mut self) {
        for step in 0..STEPS {
            if self.dice.chance(2) {
                self.rig = self.rig.reopened().await;
                self.model.up = self.rig.store.uptime().now();
            }
            if self.dice.chance(30) {
                let ms = self.dice.of(&[1, 400, 1_000, 4_000, 40_000]);
                self.rig.pass(ms);
                self.model.up = self.rig.store.uptime().now();
            }
            let mut ops: Vec<Op> = Vec::new();
            for _ in 0..self.dice.of(&[1, 1, 1, 2, 4, 12]) {
                ops.push(self.op());
            }
            // Sent before the writer runs, so they share a batch.
            let answers = join_all(ops.iter().map(|op| op.run(&self.rig.store))).await;
            let mut done: Vec<_> = ops.into_iter().zip(answers).collect();
            done.sort_by_key(|(op, _)| op.rank());
            for (op, answer) in &done {
                let expected = self.model.expect(op, answer);
                let said = match answer {
                    Answer::Submitted(s) => format!("{s:?}"),
                    Answer::Claimed(rows, _) => format!("{rows:?}"),
                    Answer::Started(started) => format!("{:?}", started.as_ref().map(|_| ())),
                    Answer::Plain(text) => text.clone(),
                };
                assert_eq!(
                    said,
                    expected,
                    "seed {}, step {step}: {op:?} in {:?}",
                    self.seed,
                    done.iter().map(|d| &d.0).collect::<Vec<_>>()
                );
            }
            self.compare(step).await;
            self.tables_agree(step).await;
        }
        let ended = self.model.tasks.values().filter(|t| t.life.state().is_terminal()).count();
        assert!(ended > 10, "seed {} ends only {ended} tasks: it tests little", self.seed);
    }

    fn op(&mut self) -> Op {
        let lane = self.dice.below(100);
        let (task, at) = self.target();
        let known = self.model.tasks.get(&task);
        let lease = known.and_then(|t| t.lease.as_ref());
        let claim = lease.map_or(Uuid::nil(), |l| l.claim);
        let start_token = lease.and_then(|l| l.start_token.clone()).unwrap_or_default();
        let token = lease.and_then(|l| l.token).unwrap_or([0; 32]);
        let uid = lease.and_then(|l| l.uid);
        let d = &mut self.dice;
        let wrong = d.chance(10);
        let result = match d.below(4) {
            0 => exit(0),
            1 => exit(3),
            2 => AttemptResult { signal: Some(15), stopped_by: Some(StoppedBy::Cancel), ..AttemptResult::default() },
            _ => AttemptResult { stopped_by: Some(StoppedBy::Drain), ..AttemptResult::default() },
        };
        match lane {
            0..16 => self.submit(),
            16..32 => self.claim(),
            32..46 => {
                let (token, uid) = (if wrong { "no".into() } else { start_token }, uid.filter(|_| !d.chance(10)).unwrap_or(UIDS[0]));
                Op::Start { at, token, uid, nonce: Uuid::from_u128(u128::from(d.chance(10))) }
            }
            46..58 => Op::Beat(at, if wrong { [9; 32] } else { token }, d.of(Phase::ALL)),
            58..68 => Op::Finish(at, if wrong { [9; 32] } else { token }, result, d.of(&[None, None, Some(true), Some(false)])),
            68..71 => Op::Settle(at, d.chance(50)),
            71..74 => Op::SettleOverdue(at),
            74..82 => {
                let phase = d.of(&[None, Some(Phase::Scheduling), Some(Phase::Pulling), Some(Phase::Running)]);
                let seen = Said::Seen(u32::from(d.chance(50)), phase);
                let said =
                    [seen.clone(), seen, Said::Returned, Said::Held, Said::Lost(true), Said::Lost(d.chance(50)), Said::Finish(result)];
                let uid = if d.chance(80) { uid } else { d.of(&[None, Some(UIDS[0]), Some(UIDS[1])]) };
                Op::Report { at, claim: if wrong { Uuid::max() } else { claim }, uid, said: d.of(&said) }
            }
            82..84 => Op::Cancel(task, d.chance(30)),
            84..86 => Op::Abandon(at),
            86..88 => {
                let over = known.and_then(|task| task.history.iter().next_back());
                let (at, claim, uid) =
                    over.map_or((at, claim, uid), |(n, over)| (AttemptRef { task, attempt: AttemptNumber(*n) }, over.claim, over.uid));
                Op::Refine { at, claim: if wrong { Uuid::max() } else { claim }, uid, saw: u32::from(d.chance(50)) }
            }
            88..90 => Op::Expire(at),
            90..94 => Op::Wake(task),
            94..96 => Op::Patch(task, d.of(Priority::ALL)),
            96..98 => Op::Renew(d.of(&["r1", "r2"])),
            _ => Op::Pause(d.of(&self.queues[..2]), d.chance(40)),
        }
    }

    /// Mostly something that lives, sometimes any task or attempt, sometimes none that is known.
    fn target(&mut self) -> (TaskId, AttemptRef) {
        let open = |t: &Task| !t.life.state().is_terminal();
        let live: Vec<TaskId> = self.model.tasks.iter().filter(|(_, t)| t.lease.is_some()).map(|(id, _)| *id).collect();
        let open: Vec<TaskId> = self.model.tasks.iter().filter(|(_, t)| open(t)).map(|(id, _)| *id).collect();
        let all: Vec<TaskId> = self.model.tasks.keys().copied().chain([TaskId(1_000_000)]).collect();
        let choice = self.dice.below(100);
        let task = match choice {
            0..70 if !live.is_empty() => self.dice.of(&live),
            0..90 if !open.is_empty() => self.dice.of(&open),
            _ => self.dice.of(&all),
        };
        let newest = self.model.tasks.get(&task).map_or(0, |t| t.life.attempt.0);
        let off = if self.dice.chance(10) { self.dice.below(3) } else { 1 };
        let attempt = AttemptNumber((newest + u32::try_from(off).unwrap()).saturating_sub(1));
        (task, AttemptRef { task, attempt })
    }

    fn submit(&mut self) -> Op {
        let d = &mut self.dice;
        let wanted = (0..=d.below(3)).map(|_| Wanted {
            queue: if d.chance(5) { self.queues[2].clone() } else { d.of(&self.queues[..2]) },
            priority: d.of(Priority::ALL),
            gpus: d.of(&[0, 0, 1, 4, 8]),
            retries: Retries { user: u32::from(d.chance(30)), oom: 0, infra: u32::from(d.chance(50)) * 2 },
        });
        let wanted = wanted.collect();
        Op::Submit(wanted, d.chance(30).then(|| (d.below(25), u8::from(d.chance(20)))))
    }

    fn claim(&mut self) -> Op {
        let d = &mut self.dice;
        if !self.claims.is_empty() && d.chance(30) {
            return Op::Claim(d.of(&self.claims));
        }
        let one = |d: &mut Dice, queues: &[QueueName]| share(Some(d.of(queues)), 1 + u32::from(d.chance(50)) * 3);
        let queues = match d.below(4) {
            0 => vec![one(d, &self.queues)],
            1 => vec![share(None, 2), one(d, &self.queues)],
            _ => vec![share(None, 5)],
        };
        let runner = d.of(&["r1", "r2"]).parse().unwrap();
        let claim = Claim {
            runner,
            claim: fresh_uuid(),
            max: d.of(&[0, 1, 2, 5]),
            gpus: d.of(&[0, 1, 4, 9]),
            all_gpus: 9,
            queues,
            except: [].into(),
        };
        self.claims.push(claim.clone());
        self.claims.drain(..self.claims.len().saturating_sub(4));
        Op::Claim(claim)
    }

    async fn compare(&mut self, step: u32) {
        let seed = self.seed;
        let (records, more) = self.rig.store.tasks(&TaskFilter { limit: 100_000, ..TaskFilter::default() }).await.unwrap();
        assert!(!more && records.len() == self.model.tasks.len());
        for record in &records {
            let model = self.model.tasks.get_mut(&record.id).expect("no task out of nowhere");
            assert_eq!(described(record), expected(model), "seed {seed}, step {step}: task {}", record.id);
        }
        let kept: Vec<(i64, u32, String)> = sqlx::query_as("select task, attempt, doc from evidence order by task, attempt")
            .fetch_all(&self.rig.store.readers)
            .await
            .unwrap();
        assert_eq!(kept, self.model.evidence(), "seed {seed}, step {step}: the evidence that is kept");
        let ends: Vec<(i64, u32, Option<String>)> =
            sqlx::query_as("select task, attempt, reason from attempt where ended_at is not null order by task, attempt")
                .fetch_all(&self.rig.store.readers)
                .await
                .unwrap();
        assert_eq!(ends, self.model.ends(), "seed {seed}, step {step}: how attempts ended");
        let waiting: Vec<(i64, i64)> = sqlx::query_as("select task, due_up from waiting").fetch_all(&self.rig.store.readers).await.unwrap();
        for (task, due) in waiting {
            let model = self.model.tasks.get_mut(&TaskId(task)).unwrap();
            assert!(
                (model.due.0..=model.due.1).contains(&due),
                "seed {seed}, step {step}: a pause until {due}, not within {:?}",
                model.due
            );
            model.due = (due, due);
        }
    }

    /// What the tables promise each other; each statement finds the rows that break a promise.
    async fn tables_agree(&self, step: u32) {
        let promises = [
            (
                "an open task stands in exactly one place, an ended one in none",
                "select t.id from task t where (t.state is null) !=
                ((select count(*) from ready r where r.task = t.id) + (select count(*) from waiting w where w.task = t.id)
                 + (select count(*) from lease l where l.task = t.id))",
            ),
            (
                "places belong to tasks, under their queue and band",
                "select r.task from ready r left join task t on t.id = r.task
                where t.queue is not r.queue or t.user is not r.user or r.tier > t.band + 1
                union all select l.task from lease l left join task t on t.id = l.task where t.queue is not l.queue
                union all select w.task from waiting w left join task t on t.id = w.task where t.queue is not w.queue",
            ),
            (
                "a started attempt stands in the history as in its lease",
                "select l.task from lease l left join attempt a on a.task = l.task and a.attempt = l.attempt
                where l.uid is not a.uid or l.token_hash is not a.token_hash or l.started_at is not a.started_at or a.ended_at is not null",
            ),
            (
                "every other attempt of the history has ended",
                "select a.task from attempt a left join lease l on a.task = l.task and a.attempt = l.attempt
                where (l.task is null) != (a.ended_at is not null) or (a.ended_at is null) != (a.ended_up is null)
                   or (a.state is null and a.started_at is not null and a.ended_at is not null)",
            ),
            (
                "an ended task tells its newest attempt's end",
                "select t.id from task t join attempt a on a.task = t.id and a.attempt = t.attempt
                where t.state is not null and a.started_at is not t.started_at",
            ),
            ("only what has not started can expire", "select task from lease where (expires_up is null) != (uid is not null)"),
        ];
        for (promise, broken) in promises {
            let broken: Vec<i64> = sqlx::query_scalar(broken).fetch_all(&self.rig.store.readers).await.unwrap();
            assert!(broken.is_empty(), "seed {}, step {step}: {promise}; tasks {broken:?}", self.seed);
        }
    }
}

fn described(record: &TaskRecord) -> String {
    let lease = record.lease.as_ref().map(|l| {
        let token = l.token_hash.clone();
        (
            l.phase,
            l.start_token.clone(),
            token,
            l.expires_up,
            l.settle_up,
            l.cancel.is_some(),
            l.result.clone(),
            l.runner.to_string(),
            l.claim,
        )
    });
    let end = record.ended.as_ref().map(|(outcome, _)| outcome.end);
    format!("{:?} {} {:?} {end:?} {lease:?}", record.state, record.attempt, record.spec.priority)
}

fn expected(task: &Task) -> String {
    let life = &task.life;
    let lease = task.lease.as_ref().map(|l| {
        let Status::Active(running) = &life.status else { panic!("a lease of a task that is {}", life.state()) };
        let token = l.token.map(|t| t.to_vec());
        let result = running.result.clone();
        (running.phase, l.start_token.clone(), token, l.expires, l.settle, life.cancel_requested, result, l.runner.clone(), l.claim)
    });
    let end = if let Status::Ended(end) = life.status { Some(end) } else { None };
    assert_eq!(lease.is_some(), life.state() == TaskState::Active);
    format!("{:?} {} {:?} {end:?} {lease:?}", life.state(), life.attempt, task.priority)
}
