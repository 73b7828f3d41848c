//! Budgets: what is left for whom.

use super::{
    bench::Bench,
    board::Board,
    lanes::{Lane, Size, User},
    place::Tier,
    reserve::{Kept, Reservations},
    rules::{Amount, BudgetRules, Resource},
};
use crate::domain::{BudgetName, QueueName, TaskId};
use std::collections::BTreeMap;

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
}

/// Where a pick stands, for the rules about it.
pub(super) struct Candidate<'a> {
    pub(super) queue: &'a QueueName,
    pub(super) bench: &'a Bench,
    pub(super) tier: Tier,
    pub(super) user: &'a User,
    pub(super) size: Size,
    pub(super) task: TaskId,
}

impl Candidate<'_> {
    pub(super) fn lane(&self) -> Lane {
        Lane { tier: self.tier, user: self.user.clone(), size: self.size }
    }

    pub(super) fn is_barred(&self, by: &Kept) -> bool {
        by.bars(self.queue, self.tier, self.user, self.size)
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
            let barred = reserved.budgets.get(name).is_some_and(|kept| self.is_barred(kept)) && !guaranteed;
            cost <= of.left_for(self.queue) && !barred
        })
    }
}
