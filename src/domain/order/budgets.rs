//! Budgets and reservations: what is left for whom.

use super::{
    bench::Bench,
    board::Board,
    lanes::{Head, Lane, Size, User},
    place::Tier,
    rules::{Amount, BudgetRules, Resource},
};
use crate::domain::{BudgetName, QueueName, RunnerName, TaskId};
use std::collections::BTreeMap;

/// What a task keeps for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reservation {
    /// Others of this tier, and of later ones, leave it alone.
    pub tier: Tier,
    /// Since when the task has been ready.
    pub since_up: i64,
    /// The task.
    pub task: TaskId,
}

impl Reservation {
    /// Whether it keeps another task off.
    #[must_use]
    pub fn bars(self, task: TaskId, tier: Tier) -> bool {
        self.task != task && tier >= self.tier
    }
}

/// The reservations that a claim, or a question, finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reservations {
    /// Of budgets.
    pub budgets: BTreeMap<BudgetName, Reservation>,
    /// Of the GPUs of the runner that claims.
    pub runner: Option<Reservation>,
}

/// The use of a budget.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BudgetUse {
    /// The most.
    pub max: Amount,
    /// Used by all of its queues.
    pub used: Amount,
    /// Of each queue what it uses, what it is guaranteed, and whether that is kept for it now.
    pub queues: BTreeMap<QueueName, QueueUse>,
}

/// A queue's part in a budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueUse {
    /// What its live attempts use.
    pub used: Amount,
    /// What it is guaranteed.
    pub guaranteed: Amount,
    /// Whether it has tasks that could use more: its guarantee is then kept free.
    pub asks: bool,
}

impl BudgetUse {
    /// What a queue may use beyond what it uses.
    #[must_use]
    pub fn left_for(&self, queue: &QueueName) -> Amount {
        let kept = self.queues.iter().filter(|(name, of)| *name != queue && of.asks).map(|(_, of)| of.guaranteed.less(of.used)).sum();
        self.max.less(self.used).less(kept)
    }
}

impl Board {
    /// The use of a budget.
    #[must_use]
    pub fn budget(&self, name: &BudgetName) -> Option<BudgetUse> {
        let BudgetRules { resource, max } = *self.budgets.get(name)?;
        let part = |(queue, bench): (&QueueName, &Bench)| {
            let share = bench.terms.rules.budgets.get(name)?;
            let of =
                QueueUse { used: bench.cost.of(resource), guaranteed: share.guaranteed, asks: !bench.terms.paused && bench.has_ready() };
            Some((queue.clone(), of))
        };
        let queues: BTreeMap<_, _> = self.queues.iter().filter_map(part).collect();
        Some(BudgetUse { max, used: queues.values().map(|of| of.used).sum(), queues })
    }

    /// The budgets that a queue draws on, with what is counted.
    pub(super) fn budgets_of<'a>(&'a self, bench: &'a Bench) -> impl Iterator<Item = (&'a BudgetName, Resource)> {
        bench.terms.rules.budgets.keys().filter_map(|name| Some((name, self.budgets.get(name)?.resource)))
    }

    /// The budgets in use now, each once.
    pub(super) fn uses(&self) -> BTreeMap<BudgetName, BudgetUse> {
        self.budgets.keys().filter_map(|name| Some((name.clone(), self.budget(name)?))).collect()
    }

    /// Which tasks reserve budgets.
    #[must_use]
    pub fn budget_reservations(&self, now_up: i64) -> BTreeMap<BudgetName, Reservation> {
        let mut found = BTreeMap::new();
        for (name, of) in self.uses() {
            let resource = self.budgets.get(&name).map(|rules| rules.resource).unwrap_or_default();
            let starved = |queue: &QueueName, bench: &Bench, size: Size| {
                let cost = bench.terms.cost(size).of(resource);
                bench.terms.rules.budgets.contains_key(&name) && cost > of.left_for(queue) && cost <= of.max
            };
            let queues = self.queues.iter().filter(|(queue, _)| of.queues.contains_key(*queue));
            if let Some(reservation) = self.overdue(queues, now_up, starved).into_iter().next() {
                found.insert(name, reservation);
            }
        }
        found
    }

    /// The task that reserves the GPUs of a runner which has `free` of `all`, and holds them for it.
    pub fn reserve_runner<'a>(
        &mut self,
        runner: &RunnerName,
        free: u32,
        all: u32,
        queues: impl Iterator<Item = &'a QueueName>,
        now_up: i64,
    ) -> Option<Reservation> {
        if free >= all {
            return None;
        }
        let queues = queues.filter_map(|queue| self.queues.get_key_value(queue));
        let starved = |_: &QueueName, _: &Bench, size: Size| size.gpus > free && size.gpus <= all;
        let overdue = self.overdue(queues, now_up, starved);
        self.reserved_on.retain(|_, (_, until)| *until > now_up);
        let ours = overdue.into_iter().find(|r| self.reserved_on.get(&r.task).is_none_or(|(holder, _)| holder == runner))?;
        let until = now_up.saturating_add(i64::try_from(self.times.runner_expiry_ms).unwrap_or(i64::MAX));
        self.reserved_on.insert(ours.task, (runner.clone(), until));
        Some(ours)
    }

    /// The first tasks of their lanes that have been ready for long, that only want of room holds back, the first served
    /// first: of each size in each tier and queue the oldest.
    fn overdue<'a>(
        &self,
        queues: impl Iterator<Item = (&'a QueueName, &'a Bench)>,
        now_up: i64,
        starved: impl Fn(&QueueName, &Bench, Size) -> bool,
    ) -> Vec<Reservation> {
        let before = now_up.saturating_sub(i64::try_from(self.times.reserve_ms).unwrap_or(i64::MAX));
        let mut found = Vec::new();
        for (queue, bench) in queues.filter(|(_, bench)| bench.is_open()) {
            for (tier, lanes) in bench.tiers() {
                for (size, heads) in lanes.by_age() {
                    if starved(queue, bench, size) {
                        let due = heads.take_while(|(since, ..)| *since <= before).filter(|(.., user)| bench.is_open_to(user));
                        found.extend(due.map(|(since_up, task, _)| Reservation { tier, since_up, task }));
                    }
                }
            }
        }
        found.sort_unstable();
        found
    }
}

/// Where a pick stands, for the rules about it.
pub(super) struct Candidate<'a> {
    pub(super) queue: &'a QueueName,
    pub(super) bench: &'a Bench,
    pub(super) tier: Tier,
    pub(super) size: Size,
    pub(super) head: Head,
}

impl Candidate<'_> {
    pub(super) fn lane(&self, user: &User) -> Lane {
        Lane { tier: self.tier, user: user.clone(), size: self.size }
    }

    /// Whether the budgets let it go.
    pub(super) fn within(&self, board: &Board, uses: &BTreeMap<BudgetName, BudgetUse>, reserved: &Reservations) -> bool {
        let cost = self.bench.terms.cost(self.size);
        board.budgets_of(self.bench).all(|(name, resource)| {
            let (cost, Some(of)) = (cost.of(resource), uses.get(name)) else { return true };
            if cost == Amount::default() {
                return true;
            }
            let own = of.queues.get(self.queue).copied().unwrap_or_default();
            let guaranteed = own.used + cost <= own.guaranteed;
            let barred = reserved.budgets.get(name).is_some_and(|r| r.bars(self.head.task, self.tier)) && !guaranteed;
            cost <= of.left_for(self.queue) && !barred
        })
    }
}
