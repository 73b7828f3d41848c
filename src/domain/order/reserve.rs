//! Reservations: a large task that small ones would pass for ever keeps what it needs from them.

use super::{
    bench::Bench,
    board::Board,
    budgets::{BudgetUse, Candidate},
    choose::Ask,
    lanes::{Lane, Size, User},
    place::Tier,
    rules::Amount,
};
use crate::domain::{BudgetName, QueueName, RunnerName, TaskId};
use std::collections::BTreeMap;

/// What a task keeps for itself. The first in order is the one that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reservation {
    /// Others of this tier, and of later ones, leave it alone.
    pub tier: Tier,
    /// Since when the task has been ready.
    pub since_up: i64,
    /// The task.
    pub task: TaskId,
}

/// The reservations that a claim meets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reservations {
    /// Of budgets.
    pub budgets: BTreeMap<BudgetName, Kept>,
    /// Of the GPUs of the runner that claims.
    pub runner: Option<Kept>,
}

impl Reservations {
    /// Its task was claimed: what it kept it needs no longer.
    pub(super) fn release(&mut self, task: TaskId) {
        self.budgets.retain(|_, kept| kept.reservation.task != task);
        self.runner.take_if(|kept| kept.reservation.task == task);
    }
}

/// A reservation that was made, and its task's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The queue.
    pub queue: QueueName,
    /// The lane.
    pub lane: Lane,
    /// The task.
    pub reservation: Reservation,
}

impl Kept {
    /// Whether it keeps the first task of a lane off. Not that of its own: whoever stands before it there is of the same user
    /// and size and goes first, or nobody of the lane ever would.
    #[must_use]
    pub fn bars(&self, queue: &QueueName, tier: Tier, user: &User, size: Size) -> bool {
        let own = &self.lane;
        tier >= own.tier && (queue, tier, user, size) != (&self.queue, own.tier, &own.user, own.size)
    }
}

/// The tasks that reserve budgets and runners' GPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holders {
    /// By budget.
    pub budgets: Vec<(BudgetName, TaskId)>,
    /// By runner.
    pub runners: Vec<(RunnerName, TaskId)>,
}

/// The reservations that stand. One stands until its task is claimed or leaves its place: without that a task which fits at
/// last would be passed once more by one that comes before it.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    budgets: BTreeMap<BudgetName, Kept>,
    /// With the uptime until which the runner holds it without asking again.
    runners: BTreeMap<RunnerName, (Kept, i64)>,
    changed: bool,
}

impl Held {
    pub(super) fn release(&mut self, task: TaskId) {
        let before = self.budgets.len() + self.runners.len();
        self.budgets.retain(|_, kept| kept.reservation.task != task);
        self.runners.retain(|_, (kept, _)| kept.reservation.task != task);
        self.changed |= before != self.budgets.len() + self.runners.len();
    }

    fn holds_elsewhere(&self, task: TaskId, runner: &RunnerName, now_up: i64) -> bool {
        self.runners.iter().any(|(name, (kept, until))| name != runner && kept.reservation.task == task && *until > now_up)
    }
}

impl Board {
    /// Which tasks reserve budgets: those that did before and still may, and those that are due to.
    pub(super) fn reserve_budgets(&mut self, uses: &BTreeMap<BudgetName, BudgetUse>, now_up: i64) -> BTreeMap<BudgetName, Kept> {
        let mut found = BTreeMap::new();
        for (name, of) in uses {
            let resource = self.budgets.get(name).map(|rules| rules.resource).unwrap_or_default();
            let cost = |bench: &Bench, size: Size| bench.terms.cost(size).of(resource);
            let draws = |queue: &QueueName, cost| of.queues.contains_key(queue) && cost > Amount::default() && cost <= of.max;
            let starved = |queue: &QueueName, bench: &Bench, size| {
                let cost = cost(bench, size);
                draws(queue, cost) && cost > of.left_for(queue)
            };
            let queues = self.queues.iter().filter(|(queue, _)| of.queues.contains_key(*queue));
            let due = self.overdue(queues, now_up, starved, |_| true);
            let held = self.held.budgets.get(name).filter(|kept| self.still(kept, |one| draws(one.queue, cost(one.bench, one.size))));
            let first = due.into_iter().chain(held.cloned()).min_by_key(|kept| kept.reservation);
            found.extend(first.clone().map(|kept| (name.clone(), kept)));
            if self.held.budgets.get(name) != first.as_ref() {
                self.held.changed = true;
                match first {
                    Some(first) => drop(self.held.budgets.insert(name.clone(), first)),
                    None => drop(self.held.budgets.remove(name)),
                }
            }
        }
        found
    }

    /// The same with the task that reserves the GPUs of the runner that asks.
    pub(super) fn reserve_runner(
        &mut self,
        ask: &Ask,
        uses: &BTreeMap<BudgetName, BudgetUse>,
        budgets: BTreeMap<BudgetName, Kept>,
        now_up: i64,
    ) -> Reservations {
        let reserved = Reservations { budgets, runner: None };
        let fits = |one: &Candidate<'_>| {
            let drawn = ask.shares.get(one.queue).is_some_and(|share| *share > 0);
            let elsewhere = self.held.holds_elsewhere(one.task, &ask.runner, now_up);
            drawn && !elsewhere && one.size.gpus <= ask.all_gpus && one.within(self, uses, &reserved)
        };
        let queues = ask.shares.keys().filter_map(|queue| self.queues.get_key_value(queue));
        let starved = |_: &QueueName, _: &Bench, size: Size| size.gpus > ask.gpus && size.gpus <= ask.all_gpus;
        let due = if ask.gpus < ask.all_gpus { self.overdue(queues, now_up, starved, fits) } else { None };
        let held = self.held.runners.get(&ask.runner).map(|(kept, _)| kept).filter(|kept| self.still(kept, fits));
        let first = due.into_iter().chain(held.cloned()).min_by_key(|kept| kept.reservation);
        let runner = first.clone();
        let before = self.held.runners.get(&ask.runner).map(|(kept, _)| kept);
        self.held.changed |= before != first.as_ref();
        match first {
            Some(first) => {
                let until = now_up.saturating_add(i64::try_from(self.times.runner_expiry_ms).unwrap_or(i64::MAX));
                // Of a runner that no longer asks another one takes it over.
                self.held.runners.retain(|_, (kept, _)| kept.reservation.task != first.reservation.task);
                self.held.runners.insert(ask.runner.clone(), (first, until));
            }
            None => drop(self.held.runners.remove(&ask.runner)),
        }
        Reservations { runner, ..reserved }
    }

    /// The reservations that stand, where they have changed since this was asked.
    pub fn take_held(&mut self) -> Option<Holders> {
        if !std::mem::take(&mut self.held.changed) {
            return None;
        }
        Some(self.holders())
    }

    /// The reservations that stand.
    pub(super) fn holders(&self) -> Holders {
        let budgets = self.held.budgets.iter().map(|(name, kept)| (name.clone(), kept.reservation.task)).collect();
        let runners = self.held.runners.iter().map(|(name, (kept, _))| (name.clone(), kept.reservation.task)).collect();
        Holders { budgets, runners }
    }

    /// A reservation of a budget that the store kept.
    pub fn hold_budget(&mut self, name: BudgetName, kept: Kept) {
        self.held.budgets.insert(name, kept);
    }

    /// A reservation of a runner's GPUs that the store kept.
    pub fn hold_runner(&mut self, name: RunnerName, kept: Kept, now_up: i64) {
        let until = now_up.saturating_add(i64::try_from(self.times.runner_expiry_ms).unwrap_or(i64::MAX));
        self.held.runners.insert(name, (kept, until));
    }

    /// The reservations of budgets that stand.
    #[must_use]
    pub fn held_budgets(&self) -> &BTreeMap<BudgetName, Kept> {
        &self.held.budgets
    }

    /// Whether a task that holds may go on to.
    fn still(&self, kept: &Kept, may: impl Fn(&Candidate<'_>) -> bool) -> bool {
        self.queues.get_key_value(&kept.queue).is_some_and(|(queue, bench)| {
            let Lane { tier, size, ref user } = kept.lane;
            let one = Candidate { queue, bench, tier, user, size, task: kept.reservation.task };
            bench.is_open() && bench.is_open_to(user) && may(&one)
        })
    }

    /// Of the first tasks of their lanes that have been ready for long and that only want of room holds back, the first in
    /// order. `starved` is asked once for each size, `may` for each task.
    fn overdue<'a>(
        &self,
        queues: impl Iterator<Item = (&'a QueueName, &'a Bench)>,
        now_up: i64,
        starved: impl Fn(&QueueName, &Bench, Size) -> bool,
        may: impl Fn(&Candidate<'_>) -> bool,
    ) -> Option<Kept> {
        let before = now_up.saturating_sub(i64::try_from(self.times.reserve_ms).unwrap_or(i64::MAX));
        let mut first: Option<Kept> = None;
        for (queue, bench) in queues.filter(|(_, bench)| bench.is_open()) {
            for (tier, lanes) in bench.tiers() {
                for (size, heads) in lanes.by_age().filter(|(size, _)| starved(queue, bench, *size)) {
                    let due = heads.take_while(|(since, ..)| *since <= before).filter(|(.., user)| bench.is_open_to(user));
                    let mut due = due.filter(|(_, task, user)| may(&Candidate { queue, bench, tier, user, size, task: *task }));
                    let Some((since_up, task, user)) = due.next() else { continue };
                    let reservation = Reservation { tier, since_up, task };
                    if first.as_ref().is_none_or(|other| reservation < other.reservation) {
                        let lane = Lane { tier, user: user.clone(), size };
                        first = Some(Kept { queue: queue.clone(), lane, reservation });
                    }
                }
            }
        }
        first
    }
}
