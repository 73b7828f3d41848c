//! The order of service by the book (`docs/ORDER.md`): two plain lists and the rules, and everything is filtered and
//! sorted anew at every pick. Nothing here is quick, and nothing is kept that a rule does not name.

use super::reserve::Holder;
use crate::domain::{
    BudgetName, QueueName, TaskId, Times,
    order::{Amount, BudgetRules, QueueRules, Resource, use_of},
};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

/// A task that is queued.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    pub(super) task: TaskId,
    pub(super) queue: QueueName,
    pub(super) user: String,
    /// 0 `critical` to 3 `low`.
    pub(super) band: i64,
    pub(super) boosted: bool,
    pub(super) rank: i64,
    pub(super) gpus: u32,
    pub(super) weight: Amount,
    /// The uptime at which it was ready first.
    pub(super) since: i64,
}

/// An attempt that lives, as limits count it.
#[derive(Clone, Debug)]
pub(super) struct Living {
    pub(super) task: TaskId,
    pub(super) queue: QueueName,
    pub(super) user: String,
    pub(super) cost: Cost,
    /// The uptime of its claim.
    pub(super) from: i64,
}

/// What an attempt costs, fixed at its claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) gpus: u32,
    pub(super) weight: Amount,
}

impl Cost {
    pub(super) fn of(self, resource: Resource) -> Amount {
        match resource {
            Resource::Gpus => Amount::whole(self.gpus),
            Resource::Weight => self.weight,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    pub(super) rules: QueueRules,
    pub(super) paused: bool,
    pub(super) draining: bool,
    /// What a task costs that says nothing itself.
    pub(super) template: Cost,
}

/// What a claim has room for.
#[derive(Clone, Debug)]
pub(super) struct Room {
    pub(super) runner: String,
    pub(super) max: u32,
    /// The GPUs that are free on the runner, and all that it has.
    pub(super) gpus: u32,
    pub(super) all_gpus: u32,
    pub(super) shares: Vec<(Option<QueueName>, u32)>,
    pub(super) except: BTreeSet<QueueName>,
    taken: BTreeMap<QueueName, u32>,
}

impl Room {
    pub(super) fn new(runner: &str, max: u32, gpus: u32, all_gpus: u32, shares: Vec<(Option<QueueName>, u32)>) -> Self {
        Self { runner: runner.into(), max, gpus, all_gpus, shares, except: [].into(), taken: [].into() }
    }

    /// How many more it may draw from a queue.
    pub(super) fn share(&self, queue: &QueueName) -> u32 {
        if self.except.contains(queue) {
            return 0;
        }
        let sum = |of: Option<&QueueName>| {
            let maxima: Vec<u32> = self.shares.iter().filter(|(queue, _)| queue.as_ref() == of).map(|(_, max)| *max).collect();
            maxima.into_iter().reduce(u32::saturating_add)
        };
        let most = sum(Some(queue)).or_else(|| sum(None)).unwrap_or(0);
        most - self.taken.get(queue).copied().unwrap_or(0)
    }
}

/// What holds a task back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Held {
    Paused,
    QueueFull,
    UserFull,
    Budget,
    BudgetReserved,
    Share,
    Gpus,
    GpusReserved,
}

pub(super) struct Book {
    pub(super) up: i64,
    pub(super) times: Times,
    pub(super) queues: BTreeMap<QueueName, Queue>,
    /// The queues before this batch: what ends in it is charged by their weights.
    pub(super) charging: BTreeMap<QueueName, Queue>,
    pub(super) budgets: BTreeMap<BudgetName, BudgetRules>,
    pub(super) ready: Vec<Ready>,
    pub(super) live: Vec<Living>,
    /// What attempts that are over used, by queue and user.
    pub(super) used: BTreeMap<(QueueName, String), i64>,
    pub(super) budget_holders: BTreeMap<BudgetName, Holder>,
    pub(super) runner_holders: BTreeMap<String, Holder>,
    /// The uptime that use is counted from.
    pub(super) epoch: i64,
    /// What was claimed in this batch.
    pub(super) newly: Vec<TaskId>,
    /// How often each limit held back a task that a pick came to.
    pub(super) refusals: BTreeMap<Held, u64>,
    /// Tasks served, and those of them that had aged.
    pub(super) served: u64,
    pub(super) aged: u64,
    /// How many that came later were served before a task that had aged as far as it can.
    pub(super) passed: BTreeMap<TaskId, u64>,
    /// Reservations made.
    pub(super) reservations: u64,
}

pub(super) fn ms(time: u64) -> i64 {
    i64::try_from(time).unwrap()
}

impl Book {
    pub(super) fn new(times: Times) -> Self {
        Self {
            up: 0,
            times,
            queues: BTreeMap::new(),
            charging: BTreeMap::new(),
            budgets: BTreeMap::new(),
            ready: Vec::new(),
            live: Vec::new(),
            used: BTreeMap::new(),
            budget_holders: BTreeMap::new(),
            runner_holders: BTreeMap::new(),
            epoch: 0,
            newly: Vec::new(),
            refusals: BTreeMap::new(),
            served: 0,
            aged: 0,
            passed: BTreeMap::new(),
            reservations: 0,
        }
    }

    /// The tasks of a claim, in the order in which they are served.
    pub(super) fn claim(&mut self, mut room: Room) -> Vec<TaskId> {
        self.forget();
        self.left_places();
        if room.max > 0 {
            self.reserve(&room);
        }
        let mut picked = Vec::new();
        while room.max > 0
            && let Some(at) = self.pick(&room)
        {
            self.nobody_starves(at, &room);
            self.served += 1;
            let ready = self.ready.remove(at);
            room.max -= 1;
            room.gpus -= ready.gpus;
            *room.taken.entry(ready.queue.clone()).or_default() += 1;
            picked.push(ready.task);
            self.newly.push(ready.task);
            self.live.push(Living { task: ready.task, cost: self.cost(&ready), queue: ready.queue, user: ready.user, from: self.up });
        }
        picked
    }

    /// An attempt no longer lives: what it used counts for its user.
    pub(super) fn end(&mut self, task: TaskId) {
        let at = self.live.iter().position(|l| l.task == task).unwrap_or_else(|| panic!("{task} does not live"));
        let over = self.live.remove(at);
        let used = self.use_until(&over, self.up, &self.charging);
        *self.used.entry((over.queue, over.user)).or_default() += used;
    }

    /// The epoch follows in steps of at least twelve half-lives, and what was used before is halved as often.
    pub(super) fn forget(&mut self) {
        let passed = (self.up - self.epoch) / ms(self.times.half_life_ms);
        if passed >= 12 {
            self.epoch += passed * ms(self.times.half_life_ms);
            self.used.values_mut().for_each(|used| *used >>= passed);
        }
    }

    /// The place in `ready` of the one that is served next.
    fn pick(&mut self, room: &Room) -> Option<usize> {
        let mut free = Vec::new();
        for (at, task) in self.ready.iter().enumerate() {
            match self.held_back(task, room) {
                Some(why) => *self.refusals.entry(why).or_default() += 1,
                None => free.push(at),
            }
        }
        // In each queue: the tier, the user's use, what the user has first in it, the rank, the id.
        let place = |at: &usize| {
            let task = &self.ready[*at];
            let beside = |o: &&Ready| o.queue == task.queue && o.user == task.user && self.tier(o) == self.tier(task);
            let first = self.ready.iter().filter(beside).map(|o| (o.rank, o.task)).min();
            (self.tier(task), self.used_by(&task.queue, &task.user), first, task.rank, task.task)
        };
        let queues: BTreeSet<&QueueName> = free.iter().map(|at| &self.ready[*at].queue).collect();
        let firsts =
            queues.into_iter().filter_map(|queue| free.iter().copied().filter(|at| self.ready[*at].queue == *queue).min_by_key(place));
        firsts.min_by(|a, b| self.between_queues(&self.ready[*a], &self.ready[*b]))
    }

    /// Below a guarantee first, then the fewest attempts for the queue's weight, then the tier, then the id.
    fn between_queues(&self, a: &Ready, b: &Ready) -> Ordering {
        let share = |task: &Ready| (self.running(&task.queue), u64::from(self.queues[&task.queue].rules.weight));
        let ((running_a, weight_a), (running_b, weight_b)) = (share(a), share(b));
        let enough = |task: &Ready| !self.below_guarantee(&task.queue);
        enough(a)
            .cmp(&enough(b))
            .then((running_a * weight_b).cmp(&(running_b * weight_a)))
            .then((self.tier(a), a.task).cmp(&(self.tier(b), b.task)))
    }

    /// 0 for what is boosted; else its priority, one higher for each full time of aging, up to 1.
    pub(super) fn tier(&self, task: &Ready) -> i64 {
        let aged = (self.up - task.since) / ms(self.times.aging_ms);
        if task.boosted { 0 } else { (task.band + 1 - aged).max(1) }
    }

    /// What a user has used of a queue: attempts that are over, and those that live up to the last full 10 s.
    pub(super) fn used_by(&self, queue: &QueueName, user: &str) -> i64 {
        let over = self.used.get(&(queue.clone(), user.to_owned())).copied().unwrap_or(0);
        let mine = self.live.iter().filter(|l| l.queue == *queue && l.user == user);
        let until = |l: &Living| (self.up - self.up % 10_000).max(l.from + ms(self.times.charge_least_ms));
        over + mine.map(|l| self.use_until(l, until(l), &self.queues)).sum::<i64>()
    }

    fn use_until(&self, attempt: &Living, to: i64, queues: &BTreeMap<QueueName, Queue>) -> i64 {
        let weight = queues.get(&attempt.queue).and_then(|q| q.rules.user_weights.get(&attempt.user)).copied().unwrap_or(1);
        use_of(attempt.cost.gpus.max(1), weight, attempt.from, to, self.epoch, self.times.half_life_ms)
    }

    fn running(&self, queue: &QueueName) -> u64 {
        self.live.iter().filter(|l| l.queue == *queue).count() as u64
    }

    pub(super) fn cost(&self, task: &Ready) -> Cost {
        let template = self.queues[&task.queue].template;
        Cost {
            gpus: if task.gpus > 0 { task.gpus } else { template.gpus },
            weight: if task.weight > Amount(0) { task.weight } else { template.weight },
        }
    }

    /// The budgets that a queue draws on.
    pub(super) fn budgets_of(&self, queue: &QueueName) -> Vec<(&BudgetName, BudgetRules)> {
        let named = self.queues[queue].rules.budgets.keys();
        named.filter_map(|name| Some((name, *self.budgets.get(name)?))).collect()
    }

    fn guaranteed(&self, budget: &BudgetName, queue: &QueueName) -> Amount {
        self.queues[queue].rules.budgets.get(budget).map_or(Amount(0), |share| share.guaranteed)
    }

    /// What the live attempts of a queue use of a budget.
    fn drawn(&self, budget: &BudgetName, queue: &QueueName) -> Amount {
        let resource = self.budgets[budget].resource;
        self.live.iter().filter(|l| l.queue == *queue).map(|l| l.cost.of(resource)).sum()
    }

    fn below_guarantee(&self, queue: &QueueName) -> bool {
        self.budgets_of(queue).into_iter().any(|(budget, _)| self.drawn(budget, queue) < self.guaranteed(budget, queue))
    }

    /// What is left of a budget for a queue: what nobody uses, less what others are guaranteed, do not use and want.
    pub(super) fn left(&self, budget: &BudgetName, queue: &QueueName) -> Amount {
        let members: Vec<&QueueName> =
            self.queues.iter().filter(|(_, q)| q.rules.budgets.contains_key(budget)).map(|(name, _)| name).collect();
        let used: Amount = members.iter().map(|member| self.drawn(budget, member)).sum();
        let wants = |member: &QueueName| !self.queues[member].paused && self.ready.iter().any(|t| t.queue == *member);
        let others = members.iter().filter(|member| **member != queue && wants(member));
        let kept: Amount = others.map(|member| self.guaranteed(budget, member).less(self.drawn(budget, member))).sum();
        self.budgets[budget].max.less(used + kept)
    }

    /// The limits that are the same whoever asks.
    pub(super) fn limited(&self, task: &Ready) -> Option<Held> {
        let queue = &self.queues[&task.queue];
        let limits = queue.rules.limits;
        let of_user = self.live.iter().filter(|l| l.queue == task.queue && l.user == task.user).count() as u64;
        if queue.paused {
            Some(Held::Paused)
        } else if limits.max_running.is_some_and(|max| self.running(&task.queue) >= u64::from(max)) {
            Some(Held::QueueFull)
        } else if limits.max_running_per_user.is_some_and(|max| of_user >= u64::from(max)) {
            Some(Held::UserFull)
        } else {
            None
        }
    }

    pub(super) fn short_of_budget(&self, task: &Ready) -> bool {
        let cost = self.cost(task);
        self.budgets_of(&task.queue).into_iter().any(|(name, rules)| cost.of(rules.resource) > self.left(name, &task.queue))
    }

    /// Whether another task of the same tier or an earlier one reserves something; but not from what comes before it among
    /// its user's own of its size.
    fn kept_from(&self, task: &Ready, holder: Option<&Holder>) -> bool {
        let holder = holder.and_then(|holder| self.ready.iter().find(|t| t.task == holder.place.5));
        let lane = |t: &Ready| (t.queue.clone(), self.tier(t), t.user.clone(), t.gpus, t.weight);
        holder.is_some_and(|holder| {
            let before = lane(task) == lane(holder) && (task.rank, task.task) <= (holder.rank, holder.task);
            !before && self.tier(holder) <= self.tier(task)
        })
    }

    /// Whether another task reserves a budget that this one draws on, beyond what its queue is guaranteed.
    pub(super) fn kept_from_budget(&self, task: &Ready) -> bool {
        let cost = self.cost(task);
        self.budgets_of(&task.queue).into_iter().any(|(name, rules)| {
            let cost = cost.of(rules.resource);
            let within = self.drawn(name, &task.queue) + cost <= self.guaranteed(name, &task.queue);
            cost > Amount(0) && !within && self.kept_from(task, self.budget_holders.get(name))
        })
    }

    /// What holds a task back from a claim.
    pub(super) fn held_back(&self, task: &Ready, room: &Room) -> Option<Held> {
        if let Some(limit) = self.limited(task) {
            Some(limit)
        } else if room.share(&task.queue) == 0 {
            Some(Held::Share)
        } else if self.short_of_budget(task) {
            Some(Held::Budget)
        } else if task.gpus > room.gpus {
            Some(Held::Gpus)
        } else if self.kept_from_budget(task) {
            Some(Held::BudgetReserved)
        } else if task.gpus > 0 && self.kept_from(task, self.runner_holders.get(&room.runner)) {
            Some(Held::GpusReserved)
        } else {
            None
        }
    }
}
