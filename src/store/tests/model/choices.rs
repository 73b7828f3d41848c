//! What happens next in a random history.

use super::{
    History,
    dice::Dice,
    ops::{Op, Said, Wanted, share},
    reference::Task,
};
use crate::{
    domain::{AttemptNumber, AttemptRef, AttemptResult, Phase, Priority, QueueName, Retries, StoppedBy, TaskId, order::Amount},
    store::{
        Claim, MoveTo,
        tests::harness::{exit, fresh_uuid},
    },
};
use serde_json::json;
use uuid::Uuid;

const UIDS: [&str; 2] = ["pod-1", "pod-2"];
const USERS: &[&str] = &["ann", "bob", "cleo", "dan"];
const BUDGETS: &[&str] = &["pool", "heat"];
const WEIGHTS: &[u64] = &[0, 0, 500, 2_000];
const RUNNERS: &[&str] = &["r1", "r2"];

impl History {
    pub(super) fn op(&mut self) -> Op {
        let lane = self.dice.below(118);
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
            94..96 => {
                let weight = d.chance(40).then(|| Amount(d.of(WEIGHTS)));
                Op::Patch(task, d.chance(80).then(|| d.of(Priority::ALL)), weight)
            }
            96..98 => Op::Renew(d.of(RUNNERS)),
            98..100 => Op::Pause(d.of(&self.queues[..3]), d.chance(30)),
            100..101 => Op::Drain(d.of(&self.queues[..3])),
            101..106 => self.shift(task),
            106..108 => Op::Boost(task, d.chance(60)),
            108..111 => {
                let (resource, max) = (d.of(&["gpus", "weight"]), d.of(&[0, 4, 10, 16]));
                Op::Budget(d.of(BUDGETS).parse().unwrap(), json!({ "resource": resource, "max": max }).to_string())
            }
            _ => self.rules(),
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
        let open = self.model.tasks.values().filter(|t| !t.life.state().is_terminal()).count();
        if open > 70 {
            return self.claim();
        }
        let d = &mut self.dice;
        let wanted = (0..=d.below(5)).map(|_| Wanted {
            queue: if d.chance(3) { self.queues[3].clone() } else { d.of(&self.queues[..3]) },
            priority: d.of(Priority::ALL),
            gpus: d.of(&[0, 0, 1, 2, 4, 8]),
            weight: Amount(d.of(WEIGHTS)),
            retries: Retries { user: u32::from(d.chance(30)), oom: 0, infra: u32::from(d.chance(50)) * 2 },
        });
        let wanted = wanted.collect();
        Op::Submit(d.of(USERS), wanted, d.chance(30).then(|| (d.below(25), u8::from(d.chance(20)))))
    }

    fn claim(&mut self) -> Op {
        let d = &mut self.dice;
        if !self.claims.is_empty() && d.chance(20) {
            return Op::Claim(d.of(&self.claims));
        }
        let one = |d: &mut Dice, queues: &[QueueName]| share(Some(d.of(queues)), 1 + u32::from(d.chance(50)) * 3);
        let queues = match d.below(4) {
            0 => vec![one(d, &self.queues)],
            1 => vec![share(None, 2), one(d, &self.queues)],
            _ => vec![share(None, 5)],
        };
        let except = if d.chance(10) { [d.of(&self.queues)].into() } else { [].into() };
        let runner = d.of(RUNNERS).parse().unwrap();
        let claim = Claim {
            runner,
            claim: fresh_uuid(),
            max: d.of(&[0, 1, 2, 5]),
            gpus: d.of(&[0, 1, 4, 9]),
            all_gpus: 9,
            queues,
            except,
            wait: false,
        };
        self.claims.push(claim.clone());
        self.claims.drain(..self.claims.len().saturating_sub(4));
        Op::Claim(claim)
    }

    /// Another place, mostly beside another task of the same user.
    fn shift(&mut self, task: TaskId) -> Op {
        let all = &self.model.tasks;
        let pending: Vec<TaskId> = all.iter().filter(|(_, t)| t.pending()).map(|(id, _)| *id).collect();
        let task = if self.dice.chance(80) && !pending.is_empty() { self.dice.of(&pending) } else { task };
        let own = |t: &Task| all.get(&task).is_some_and(|o| (o.user, &o.queue, o.priority) == (t.user, &t.queue, t.priority));
        let mut beside: Vec<TaskId> = pending.into_iter().filter(|id| *id != task && own(&all[id])).collect();
        if beside.is_empty() || self.dice.chance(10) {
            beside = all.keys().copied().chain([TaskId(1_000_000)]).collect();
        }
        let d = &mut self.dice;
        let to = [MoveTo::Front, MoveTo::Back, MoveTo::Before(d.of(&beside)), MoveTo::After(d.of(&beside))];
        Op::Move(task, d.of(&to))
    }

    /// Other rules for a queue.
    fn rules(&mut self) -> Op {
        let d = &mut self.dice;
        let mut doc = json!({ "weight": d.of(&[1, 1, 2, 7]) });
        if d.chance(50) {
            doc["limits"] = json!({
                "maxRunning": d.of(&[None, None, Some(0), Some(3), Some(8)]),
                "maxRunningPerUser": d.of(&[None, Some(1), Some(3)]),
                "maxPending": d.of(&[None, None, Some(20), Some(40)]),
            });
        }
        if d.chance(50) {
            doc["userWeights"] = json!({ (d.of(USERS)): d.of(&[2, 3, 10]) });
        }
        for budget in BUDGETS {
            if d.chance(60) {
                doc["budgets"][budget] = json!({ "guaranteed": d.of(&[0, 0, 2, 4]) });
            }
        }
        let template = (d.of(&[0, 0, 0, 1, 2]), Amount(d.of(&[0, 0, 1_500])));
        Op::Apply(d.of(&self.queues[..3]), doc.to_string(), template)
    }
}
