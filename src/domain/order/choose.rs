//! Who is served next.

use super::{
    bench::Bench,
    board::Board,
    budgets::{BudgetUse, Candidate},
    lanes::{First, Head, Lane},
    place::Tier,
    reserve::Reservations,
};
use crate::domain::{BudgetName, QueueName, RunnerName, TaskId};
use std::{cmp::Ordering, collections::BTreeMap};

/// What a claim may still take.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Who claims.
    pub runner: RunnerName,
    /// The queues that it draws from, and how many from each.
    pub shares: BTreeMap<QueueName, u32>,
    /// The GPUs free; `u32::MAX` where nobody counts them.
    pub gpus: u32,
    /// All the GPUs of the runner.
    pub all_gpus: u32,
}

/// A claim while it picks.
#[derive(Clone, Debug)]
pub struct Picking {
    ask: Ask,
    reserved: Reservations,
    uses: BTreeMap<BudgetName, BudgetUse>,
    /// The queue that was drawn from since `uses` was counted.
    drawn: Option<QueueName>,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// This task.
    Pick(Pick),
    /// That depends on lanes whose first task the store must tell: [`Board::unknown`] of this queue names them.
    Unknown(QueueName),
    /// Nothing that this claim may take.
    Nothing,
}

/// The task that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pick {
    /// Its queue.
    pub queue: QueueName,
    /// The lane that it is the first of.
    pub lane: Lane,
    /// Itself.
    pub head: Head,
}

/// A queue that may serve, by the rules between queues.
struct Turn<'a> {
    queue: &'a QueueName,
    bench: &'a Bench,
    /// It is below what one of its budgets guarantees it.
    below: bool,
}

impl Turn<'_> {
    fn order(&self, other: &Self) -> Ordering {
        let share = |of: &Self, by: &Self| u64::from(of.bench.running()) * u64::from(by.bench.terms.rules.weight.max(1));
        other.below.cmp(&self.below).then_with(|| share(self, other).cmp(&share(other, self)))
    }
}

impl Board {
    /// Begins a claim: reservations are made, use is counted. Every lane of its queues, and of those that share budgets with
    /// them, should be known.
    pub fn picking(&mut self, ask: Ask, now_up: i64) -> Picking {
        self.refresh(now_up);
        let uses = self.uses();
        let budgets = self.reserve_budgets(&uses, now_up);
        let reserved = self.reserve_runner(&ask, &uses, budgets, now_up);
        Picking { ask, reserved, uses, drawn: None }
    }

    /// Whom a claim takes next.
    #[must_use]
    pub fn next(&self, picking: &mut Picking) -> Next {
        if let Some(queue) = picking.drawn.take() {
            let bench = self.queues.get(&queue);
            // Whether a queue still asks for what it is guaranteed depends on what is left in it.
            if bench.is_some_and(|bench| !bench.terms.rules.budgets.is_empty() && bench.may_be_empty()) {
                picking.drawn = Some(queue.clone());
                return Next::Unknown(queue);
            }
            let budgets = bench.into_iter().flat_map(|bench| bench.terms.rules.budgets.keys());
            picking.uses.extend(budgets.filter_map(|name| Some((name.clone(), self.budget(name)?))));
        }
        let shares = picking.ask.shares.iter().filter(|(_, left)| **left > 0);
        let turn = |(name, _): (&QueueName, &u32)| {
            let (queue, bench) = self.queues.get_key_value(name).filter(|(_, bench)| bench.is_open() && bench.has_ready())?;
            let of = |name: &BudgetName| picking.uses.get(name).and_then(|of| of.queues.get(queue));
            let below = bench.terms.rules.budgets.keys().filter_map(of).any(|of| of.used < of.guaranteed);
            Some(Turn { queue, bench, below })
        };
        let mut turns: Vec<Turn<'_>> = shares.filter_map(turn).collect();
        turns.sort_by(Turn::order);
        for equals in turns.chunk_by(|a, b| a.order(b) == Ordering::Equal) {
            let mut best: Option<(Tier, TaskId, Pick)> = None;
            for turn in equals {
                match self.first_of(turn, picking) {
                    Next::Pick(pick) => {
                        let place = (pick.lane.tier, pick.head.task);
                        if best.as_ref().is_none_or(|(tier, task, _)| place < (*tier, *task)) {
                            best = Some((place.0, place.1, pick));
                        }
                    }
                    Next::Nothing => {}
                    unknown @ Next::Unknown(_) => return unknown,
                }
            }
            if let Some((.., pick)) = best {
                return Next::Pick(pick);
            }
        }
        Next::Nothing
    }

    /// Whom a queue serves next.
    fn first_of(&self, turn: &Turn<'_>, picking: &Picking) -> Next {
        let bench = turn.bench;
        for (tier, lanes) in bench.tiers() {
            for user in lanes.users().filter(|user| bench.is_open_to(user)) {
                let mut first: Option<(Head, Candidate<'_>)> = None;
                for (size, of) in lanes.of(user).filter(|(size, _)| size.gpus <= picking.ask.gpus) {
                    let First::Known(head) = of else { return Next::Unknown(turn.queue.clone()) };
                    let one = Candidate { queue: turn.queue, bench, tier, user, size, task: head.task };
                    let earlier = first.as_ref().is_none_or(|(other, _)| (head.rank, head.task) < (other.rank, other.task));
                    if earlier && self.lets(&one, picking) {
                        first = Some((head, one));
                    }
                }
                if let Some((head, one)) = first {
                    return Next::Pick(Pick { queue: turn.queue.clone(), lane: one.lane(), head });
                }
            }
        }
        Next::Nothing
    }

    fn lets(&self, one: &Candidate<'_>, picking: &Picking) -> bool {
        let barred = one.size.gpus > 0 && picking.reserved.runner.as_ref().is_some_and(|kept| one.is_barred(kept));
        !barred && one.within(self, &picking.uses, &picking.reserved)
    }

    /// Takes what was picked: it lives from now on. Its lane's first task is unknown until the store tells it.
    pub fn take(&mut self, pick: &Pick, picking: &mut Picking, now_up: i64) {
        let Pick { queue, lane, head } = pick;
        self.remove(queue, lane, head.rank, head.task);
        picking.reserved.release(head.task);
        let cost = self.queues.get(queue).map(|bench| bench.terms.cost(lane.size)).unwrap_or_default();
        self.begin(queue, head.task, &lane.user, cost, now_up);
        if let Some(left) = picking.ask.shares.get_mut(queue) {
            *left -= 1;
        }
        picking.ask.gpus = picking.ask.gpus.saturating_sub(lane.size.gpus);
        picking.drawn = Some(queue.clone());
    }
}
