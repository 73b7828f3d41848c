//! The order of service by the book (`docs/ORDER.md`): two plain lists and the rules, and everything is filtered and
//! sorted anew at every pick. Nothing here is quick, and nothing is kept that a rule does not name.

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
pub(in crate::store::tests) struct Ready {
    pub(in crate::store::tests) task: TaskId,
    pub(in crate::store::tests) queue: QueueName,
    pub(in crate::store::tests) user: String,
    /// 0 `critical` to 3 `low`.
    pub(in crate::store::tests) band: i64,
    pub(in crate::store::tests) boosted: bool,
    pub(in crate::store::tests) rank: i64,
    pub(in crate::store::tests) gpus: u32,
    pub(in crate::store::tests) weight: Amount,
    /// The uptime at which it was ready first.
    pub(in crate::store::tests) since: i64,
}

/// An attempt that lives, as limits count it.
#[derive(Clone, Debug)]
pub(in crate::store::tests) struct Living {
    pub(in crate::store::tests) task: TaskId,
    pub(in crate::store::tests) queue: QueueName,
    pub(in crate::store::tests) user: String,
    pub(in crate::store::tests) runner: String,
    /// The GPUs that the task asks for.
    pub(in crate::store::tests) gpus: u32,
    pub(in crate::store::tests) cost: Cost,
    /// The uptime of its claim.
    pub(in crate::store::tests) from: i64,
}

/// What an attempt costs, fixed at its claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::store::tests) struct Cost {
    pub(in crate::store::tests) gpus: u32,
    pub(in crate::store::tests) weight: Amount,
}

impl Cost {
    fn of(self, resource: Resource) -> Amount {
        match resource {
            Resource::Gpus => Amount::whole(self.gpus),
            Resource::Weight => self.weight,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(in crate::store::tests) struct Queue {
    pub(in crate::store::tests) rules: QueueRules,
    pub(in crate::store::tests) paused: bool,
    /// What a task costs that says nothing itself.
    pub(in crate::store::tests) template: Cost,
}

/// What a claim has room for.
#[derive(Clone, Debug)]
pub(in crate::store::tests) struct Room {
    pub(in crate::store::tests) runner: String,
    pub(in crate::store::tests) max: u32,
    pub(in crate::store::tests) gpus: u32,
    pub(in crate::store::tests) shares: Vec<(Option<QueueName>, u32)>,
    pub(in crate::store::tests) except: BTreeSet<QueueName>,
    taken: BTreeMap<QueueName, u32>,
}

impl Room {
    pub(in crate::store::tests) fn new(runner: &str, max: u32, gpus: u32, shares: Vec<(Option<QueueName>, u32)>) -> Self {
        Self { runner: runner.into(), max, gpus, shares, except: [].into(), taken: [].into() }
    }

    /// How many more it may draw from a queue.
    fn share(&self, queue: &QueueName) -> u32 {
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
pub(in crate::store::tests) enum Held {
    Paused,
    QueueFull,
    UserFull,
    Budget,
    BudgetReserved,
    Share,
    Gpus,
    GpusReserved,
}

/// A runner that has not asked for so long leaves its reservation to another.
const RUNNER_AWAY_MS: i64 = 60_000;

pub(in crate::store::tests) struct Book {
    pub(in crate::store::tests) up: i64,
    pub(in crate::store::tests) times: Times,
    pub(in crate::store::tests) queues: BTreeMap<QueueName, Queue>,
    pub(in crate::store::tests) budgets: BTreeMap<BudgetName, BudgetRules>,
    pub(in crate::store::tests) ready: Vec<Ready>,
    pub(in crate::store::tests) live: Vec<Living>,
    /// What attempts that are over used, by queue and user.
    pub(in crate::store::tests) used: BTreeMap<(QueueName, String), i64>,
    /// The task that reserves a budget.
    budget_holders: BTreeMap<BudgetName, TaskId>,
    /// The task that a runner keeps its GPUs for, and when it asked last.
    runner_holders: BTreeMap<String, (TaskId, i64)>,
    /// How often each limit held back a task that a pick came to.
    pub(in crate::store::tests) refusals: BTreeMap<Held, u64>,
    /// Reservations made.
    pub(in crate::store::tests) reservations: u64,
}

fn ms(time: u64) -> i64 {
    i64::try_from(time).unwrap()
}

impl Book {
    pub(in crate::store::tests) fn new(times: Times) -> Self {
        Self {
            up: 0,
            times,
            queues: BTreeMap::new(),
            budgets: BTreeMap::new(),
            ready: Vec::new(),
            live: Vec::new(),
            used: BTreeMap::new(),
            budget_holders: BTreeMap::new(),
            runner_holders: BTreeMap::new(),
            refusals: BTreeMap::new(),
            reservations: 0,
        }
    }

    /// What only memory knew is gone.
    pub(in crate::store::tests) fn restarted(&mut self) {
        self.budget_holders.clear();
        self.runner_holders.clear();
    }

    /// The tasks of a claim, in the order in which they are served.
    pub(in crate::store::tests) fn claim(&mut self, mut room: Room) -> Vec<TaskId> {
        if room.max > 0 {
            self.reserve(&room);
        }
        let mut picked = Vec::new();
        while room.max > 0
            && let Some(at) = self.pick(&room)
        {
            let ready = self.ready.remove(at);
            room.max -= 1;
            room.gpus -= ready.gpus;
            *room.taken.entry(ready.queue.clone()).or_default() += 1;
            picked.push(ready.task);
            self.live.push(Living {
                task: ready.task,
                cost: self.cost(&ready),
                queue: ready.queue,
                user: ready.user,
                runner: room.runner.clone(),
                gpus: ready.gpus,
                from: self.up,
            });
        }
        picked
    }

    /// An attempt no longer lives: what it used counts for its user.
    pub(in crate::store::tests) fn end(&mut self, task: TaskId) {
        let at = self.live.iter().position(|l| l.task == task).unwrap_or_else(|| panic!("{task} does not live"));
        let over = self.live.remove(at);
        let used = self.use_until(&over, self.up);
        *self.used.entry((over.queue, over.user)).or_default() += used;
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
        // In each queue: the tier, the user's use, the rank, the id.
        let place = |at: &usize| {
            let task = &self.ready[*at];
            (self.tier(task), self.used_by(&task.queue, &task.user), task.rank, task.task)
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
    pub(in crate::store::tests) fn tier(&self, task: &Ready) -> i64 {
        let aged = (self.up - task.since) / ms(self.times.aging_ms);
        if task.boosted { 0 } else { (task.band + 1 - aged).max(1) }
    }

    /// What a user has used of a queue: attempts that are over, and those that live up to the last full 10 s.
    pub(in crate::store::tests) fn used_by(&self, queue: &QueueName, user: &str) -> i64 {
        let over = self.used.get(&(queue.clone(), user.to_owned())).copied().unwrap_or(0);
        let mine = self.live.iter().filter(|l| l.queue == *queue && l.user == user);
        let until = |l: &Living| (self.up - self.up % 10_000).max(l.from + ms(self.times.charge_least_ms));
        over + mine.map(|l| self.use_until(l, until(l))).sum::<i64>()
    }

    fn use_until(&self, attempt: &Living, to: i64) -> i64 {
        let weight = self.queues.get(&attempt.queue).and_then(|q| q.rules.user_weights.get(&attempt.user)).copied().unwrap_or(1);
        use_of(attempt.cost.gpus.max(1), weight, attempt.from, to, 0, self.times.half_life_ms)
    }

    fn running(&self, queue: &QueueName) -> u64 {
        self.live.iter().filter(|l| l.queue == *queue).count() as u64
    }

    fn cost(&self, task: &Ready) -> Cost {
        let template = self.queues[&task.queue].template;
        Cost {
            gpus: if task.gpus > 0 { task.gpus } else { template.gpus },
            weight: if task.weight > Amount(0) { task.weight } else { template.weight },
        }
    }

    /// The budgets that a queue draws on.
    fn budgets_of(&self, queue: &QueueName) -> Vec<(&BudgetName, BudgetRules)> {
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
    fn left(&self, budget: &BudgetName, queue: &QueueName) -> Amount {
        let members: Vec<&QueueName> =
            self.queues.iter().filter(|(_, q)| q.rules.budgets.contains_key(budget)).map(|(name, _)| name).collect();
        let used: Amount = members.iter().map(|member| self.drawn(budget, member)).sum();
        let wants = |member: &QueueName| !self.queues[member].paused && self.ready.iter().any(|t| t.queue == *member);
        let others = members.iter().filter(|member| **member != queue && wants(member));
        let kept: Amount = others.map(|member| self.guaranteed(budget, member).less(self.drawn(budget, member))).sum();
        self.budgets[budget].max.less(used + kept)
    }

    /// The limits that are the same whoever asks.
    fn limited(&self, task: &Ready) -> Option<Held> {
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

    fn short_of_budget(&self, task: &Ready) -> bool {
        let cost = self.cost(task);
        self.budgets_of(&task.queue).into_iter().any(|(name, rules)| cost.of(rules.resource) > self.left(name, &task.queue))
    }

    /// What holds a task back from a claim.
    fn held_back(&self, task: &Ready, room: &Room) -> Option<Held> {
        let cost = self.cost(task);
        let kept_from = |holder: Option<TaskId>| {
            let holder = holder.and_then(|holder| self.ready.iter().find(|t| t.task == holder));
            holder.is_some_and(|holder| holder.task != task.task && self.tier(holder) <= self.tier(task))
        };
        let reserved = self.budgets_of(&task.queue).into_iter().any(|(name, rules)| {
            let cost = cost.of(rules.resource);
            let within = self.drawn(name, &task.queue) + cost <= self.guaranteed(name, &task.queue);
            cost > Amount(0) && !within && kept_from(self.budget_holders.get(name).copied())
        });
        if let Some(limit) = self.limited(task) {
            Some(limit)
        } else if room.share(&task.queue) == 0 {
            Some(Held::Share)
        } else if self.short_of_budget(task) {
            Some(Held::Budget)
        } else if task.gpus > room.gpus {
            Some(Held::Gpus)
        } else if reserved {
            Some(Held::BudgetReserved)
        } else if task.gpus > 0 && kept_from(self.held_by(&room.runner)) {
            Some(Held::GpusReserved)
        } else {
            None
        }
    }

    /// Decides anew who reserves each budget, and the GPUs of the runner that asks. Who reserves goes on although by now it
    /// would fit: else what became free for it would go to whoever stands before it.
    fn reserve(&mut self, room: &Room) {
        let budgets: Vec<BudgetName> = self.budgets.keys().cloned().collect();
        for name in budgets {
            let holder = self.budget_holders.get(&name).copied();
            let able = |task: &Ready| {
                let cost = self.cost(task).of(self.budgets[&name].resource);
                self.queues[&task.queue].rules.budgets.contains_key(&name) && cost > Amount(0) && cost <= self.budgets[&name].max
            };
            let short = |task: &Ready| self.cost(task).of(self.budgets[&name].resource) > self.left(&name, &task.queue);
            let found = self.best(holder, able, short);
            self.reservations += u64::from(found.is_some() && found != holder);
            match found {
                Some(task) => self.budget_holders.insert(name, task),
                None => self.budget_holders.remove(&name),
            };
        }
        let holder = self.held_by(&room.runner);
        let has = room.gpus + self.live.iter().filter(|l| l.runner == room.runner).map(|l| l.gpus).sum::<u32>();
        let elsewhere = |task: &Ready| {
            let others = self.runner_holders.iter().filter(|(runner, _)| **runner != room.runner);
            others.into_iter().any(|(_, (held, asked))| *held == task.task && self.up - asked < RUNNER_AWAY_MS)
        };
        let able = |task: &Ready| task.gpus > 0 && task.gpus <= has;
        let short = |task: &Ready| task.gpus > room.gpus && room.share(&task.queue) > 0 && !elsewhere(task);
        let found = self.best(holder, able, short);
        self.reservations += u64::from(found.is_some() && found != holder);
        self.runner_holders.remove(&room.runner);
        if let Some(found) = found {
            self.runner_holders.retain(|_, (held, _)| *held != found);
            self.runner_holders.insert(room.runner.clone(), (found, self.up));
        }
    }

    /// The task that a runner keeps its GPUs for.
    fn held_by(&self, runner: &str) -> Option<TaskId> {
        self.runner_holders.get(runner).map(|(task, _)| *task)
    }

    /// Who reserves a thing: of its holder, and of the first tasks of each user, tier and size that are ready for long enough
    /// and are short of it, the lowest tier, the longest ready, the lowest id.
    fn best(&self, holder: Option<TaskId>, able: impl Fn(&Ready) -> bool, short: impl Fn(&Ready) -> bool) -> Option<TaskId> {
        let kind = |t: &Ready| (t.queue.clone(), self.tier(t), t.user.clone(), t.gpus, t.weight);
        let first = |t: &Ready| self.ready.iter().filter(|o| kind(o) == kind(t)).map(|o| (o.rank, o.task)).min() == Some((t.rank, t.task));
        let long = |t: &Ready| self.up - t.since >= ms(self.times.reserve_ms);
        let able = self.ready.iter().filter(|t| self.limited(t).is_none() && able(t));
        let all = able.filter(|t| holder == Some(t.task) || (long(t) && short(t) && first(t)));
        all.min_by_key(|t| (self.tier(t), t.since, t.task)).map(|t| t.task)
    }
}
