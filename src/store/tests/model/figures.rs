//! What a run of histories came to: a model test that claims little tests little.

use super::book::{Book, Held};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
};

#[derive(Debug, Default)]
pub(super) struct Figures {
    steps: u64,
    pub(super) claims: u64,
    served: u64,
    refusals: BTreeMap<Held, u64>,
    reservations: u64,
    aged: u64,
    /// The most that were served before one task that had aged as far as it can, while a claim could have taken it.
    passed: u64,
    pub(super) reopenings: u64,
}

/// The book for a person who looks for a difference.
impl std::fmt::Display for Book {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "uptime {}", self.up)?;
        for t in &self.ready {
            let (tier, waits) = (self.tier(t), self.up - t.since);
            let size = (t.gpus, t.weight.to_string());
            writeln!(f, "ready {} of {} in {}: tier {tier}, size {size:?}, for {waits} ms, rank {}", t.task, t.user, t.queue, t.rank)?;
        }
        for l in &self.live {
            writeln!(f, "lives {} of {} in {}: {:?}, since {}", l.task, l.user, l.queue, l.cost, l.from)?;
        }
        for (name, queue) in &self.queues {
            let users: BTreeSet<&String> = self.ready.iter().filter(|t| t.queue == *name).map(|t| &t.user).collect();
            let used: Vec<_> = users.iter().map(|user| (user, self.used_by(name, user))).collect();
            writeln!(f, "queue {name}: paused {}, {:?}, used {used:?}", queue.paused, queue.rules)?;
        }
        for (name, rules) in &self.budgets {
            writeln!(f, "budget {name}: {rules:?}")?;
        }
        writeln!(f, "reserved: {:?} {:?}", self.budget_holders, self.runner_holders)
    }
}

impl Figures {
    pub(super) fn of_book(&mut self, book: &Book, steps: u64) {
        self.steps = steps;
        self.served = book.served;
        self.refusals.clone_from(&book.refusals);
        (self.reservations, self.aged) = (book.reservations, book.aged);
        self.passed = book.passed.values().copied().max().unwrap_or(0);
    }

    pub(super) fn add(&mut self, other: Self) {
        let Self { steps, claims, served, refusals, reservations, aged, passed, reopenings } = other;
        self.steps += steps;
        self.claims += claims;
        self.served += served;
        for (why, n) in refusals {
            *self.refusals.entry(why).or_default() += n;
        }
        self.reservations += reservations;
        self.aged += aged;
        self.passed = self.passed.max(passed);
        self.reopenings += reopenings;
    }

    pub(super) fn print(&self) {
        let _ = writeln!(std::io::stderr(), "{self:#?}");
    }

    /// Enough of everything happened.
    pub(super) fn demand(&self, steps: u64) {
        assert_eq!(self.steps, steps);
        for (what, found, per_mille) in
            [("claims", self.claims, 150), ("served tasks", self.served, 100), ("reopenings", self.reopenings, 10)]
        {
            assert!(found * 1000 >= steps * per_mille, "only {found} {what} in {steps} steps");
        }
    }
}
