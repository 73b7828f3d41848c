//! The model's part of rules, and of what people change: queues, budgets, moves, boosts.

use super::{
    book::{Cost, Queue},
    ops::Wanted,
    reference::{Model, Task},
};
use crate::{
    domain::{
        BudgetName, QueueName, TaskId, UnixMs,
        order::{Amount, BudgetRules, QueueRules},
    },
    store::{Boosted, BudgetFault, BudgetRefusal, MoveTo, Moved, QueueRefusal, Submitted},
};
use std::collections::BTreeMap;

type Spot = (i64, TaskId);

impl Model {
    /// A queue's rules change; nothing that lives is touched.
    pub(super) fn apply(&mut self, name: &QueueName, doc: &str, (gpus, weight): (u32, Amount)) -> String {
        let rules: QueueRules = serde_json::from_str(doc).expect("the test makes legal rules");
        let fault = |budget: &BudgetName| {
            let Some(there) = self.book.budgets.get(budget) else { return Some(BudgetFault { budget: budget.clone(), over: None }) };
            let together = self.guaranteed_to(budget, Some((name, &rules)));
            (together > there.max).then(|| BudgetFault { budget: budget.clone(), over: Some((together, there.max)) })
        };
        let faults: Vec<BudgetFault> = rules.budgets.keys().filter_map(fault).collect();
        if !faults.is_empty() {
            return format!("{:?}", Err::<bool, _>(QueueRefusal::Budgets(faults)));
        }
        let queue = self.book.queues.get_mut(name).expect("it exists");
        (queue.rules, queue.template) = (rules, Cost { gpus, weight });
        "Ok(false)".into()
    }

    pub(super) fn budget(&mut self, name: &BudgetName, doc: &str) -> String {
        let rules: BudgetRules = serde_json::from_str(doc).expect("the test makes legal rules");
        let together = self.guaranteed_to(name, None);
        if together > rules.max {
            return format!("{:?}", Err::<bool, _>(BudgetRefusal::Guaranteed(together)));
        }
        format!("{:?}", Ok::<_, BudgetRefusal>(self.book.budgets.insert(name.clone(), rules).is_none()))
    }

    /// What is guaranteed of a budget, with one queue as it would be.
    fn guaranteed_to(&self, budget: &BudgetName, with: Option<(&QueueName, &QueueRules)>) -> Amount {
        let mut rules: BTreeMap<&QueueName, &QueueRules> = self.book.queues.iter().map(|(name, queue)| (name, &queue.rules)).collect();
        rules.extend(with);
        rules.values().filter_map(|rules| rules.budgets.get(budget)).map(|share| share.guaranteed).sum()
    }

    /// Why tasks are not taken in.
    pub(super) fn refused(&self, wanted: &[Wanted]) -> Option<Submitted> {
        let mut asked: BTreeMap<&QueueName, u64> = BTreeMap::new();
        wanted.iter().for_each(|w| *asked.entry(&w.queue).or_default() += 1);
        asked.into_iter().find_map(|(name, refused)| {
            let Some(Queue { rules, draining, .. }) = self.book.queues.get(name) else { return Some(Submitted::NoQueue(name.clone())) };
            let queue = name.clone();
            if *draining {
                return Some(Submitted::Draining { queue, halt: (String::new(), None, UnixMs(0)) });
            }
            let max = rules.limits.max_pending?;
            let pending = self.tasks.values().filter(|t| t.queue == *name && t.pending()).count() as u64;
            (pending + refused > u64::from(max)).then_some(Submitted::Full {
                queue,
                pending: pending.min(u64::from(max) + 1),
                max,
                refused,
            })
        })
    }

    pub(super) fn boost(&mut self, task: TaskId, on: bool) -> Boosted {
        match self.tasks.get_mut(&task) {
            None => Boosted::NotFound,
            Some(task) if task.pending() => {
                task.boosted = on;
                Boosted::Done
            }
            Some(task) => Boosted::Refused(task.state()),
        }
    }

    /// Gives a task a rank between its new neighbours, half-way; at an end as far away as two new tasks are.
    pub(super) fn shift(&mut self, id: TaskId, to: MoveTo) -> Moved {
        const STEP: i64 = 1 << 24;
        let Some(task) = self.tasks.get(&id) else { return Moved::NotFound };
        if !task.pending() {
            return Moved::Refused(task.state());
        }
        let own = |t: &Task| (&t.user, &t.queue) == (&task.user, &task.queue);
        let mut others: Vec<Spot> =
            self.tasks.iter().filter(|(other, t)| **other != id && t.pending() && own(t)).map(|(other, t)| (t.rank, *other)).collect();
        others.sort_unstable();
        if let MoveTo::Before(anchor) | MoveTo::After(anchor) = to {
            let Some(other) = self.tasks.get(&anchor).filter(|_| anchor != id) else { return Moved::NoAnchor(anchor) };
            let tier = |id: TaskId| self.book.ready.iter().find(|t| t.task == id).map(|t| self.book.tier(t));
            let same = match (tier(id), tier(anchor)) {
                (Some(own), Some(others)) => own == others,
                _ => (task.boosted, task.priority) == (other.boosted, other.priority),
            };
            if !own(other) {
                return Moved::Stranger(anchor);
            } else if !other.pending() {
                return Moved::AnchorRefused(anchor, other.state());
            } else if !same {
                return Moved::OtherTier(anchor);
            }
        }
        let at = |anchor: TaskId| others.iter().position(|(_, other)| *other == anchor).expect("it is one of them");
        let between = |first: Option<&Spot>, second: Option<&Spot>| match (first, second) {
            (None, None) => Ok(task.rank),
            (None, Some((rank, _))) => Ok(rank - STEP),
            (Some((rank, _)), None) => Ok(rank + STEP),
            (Some(first), Some(second)) => {
                let middle = first.0.midpoint(second.0);
                if first.0 < middle && middle < second.0 { Ok(middle) } else { Err(Moved::NoRoom(first.1, second.1)) }
            }
        };
        let rank = match to {
            MoveTo::Front => between(None, others.first()),
            MoveTo::Back => between(others.last(), None),
            MoveTo::Before(anchor) => between(at(anchor).checked_sub(1).map(|before| &others[before]), Some(&others[at(anchor)])),
            MoveTo::After(anchor) => between(Some(&others[at(anchor)]), others.get(at(anchor) + 1)),
        };
        match rank {
            Ok(rank) => {
                self.tasks.get_mut(&id).expect("it is known").rank = rank;
                self.line_up();
                Moved::Done
            }
            Err(refused) => refused,
        }
    }
}
