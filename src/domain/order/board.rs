//! All that the order of service is decided from, in memory. The store fills it when it opens, by a walk over the kinds of
//! ready tasks and never over the tasks, and tells it of every change; it holds nothing that the store could not tell again.

use super::{
    bench::{Bench, Cost, Counting, LiveAttempt, Terms},
    budgets::BudgetUse,
    lanes::{First, Head, Lane, User},
    reserve::Held,
    rules::{BudgetRules, Resource, RunLimits},
    usage::use_step,
};
use crate::domain::{BudgetName, QueueName, TaskId, Times};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// The board.
#[derive(Clone, Debug)]
pub struct Board {
    pub(super) times: Times,
    pub(super) queues: BTreeMap<QueueName, Bench>,
    pub(super) budgets: BTreeMap<BudgetName, BudgetRules>,
    /// The queue of each attempt that lives.
    live: HashMap<TaskId, QueueName>,
    pub(super) epoch_up: i64,
    /// The step to which use of live attempts was counted last.
    pub(super) refreshed_up: Option<i64>,
    pub(super) used_changed: HashSet<(QueueName, User)>,
    pub(super) held: Held,
    /// At most so many tasks of a queue wait or are queued: their number when they were counted, and what came since.
    pending: HashMap<QueueName, u64>,
    /// Whether the rules have changed since they were set.
    outdated: bool,
}

impl Board {
    /// An empty one.
    #[must_use]
    pub fn new(times: Times, epoch_up: i64) -> Self {
        Self {
            times,
            queues: BTreeMap::new(),
            budgets: BTreeMap::new(),
            live: HashMap::new(),
            epoch_up,
            refreshed_up: None,
            used_changed: HashSet::new(),
            held: Held::default(),
            pending: HashMap::new(),
            outdated: true,
        }
    }

    fn counting(&self) -> Counting {
        Counting {
            step_up: self.refreshed_up.unwrap_or(i64::MIN),
            least_ms: i64::try_from(self.times.charge_least_ms).unwrap_or(i64::MAX),
            epoch_up: self.epoch_up,
            half_life_ms: self.times.half_life_ms,
        }
    }

    /// Counts use up to `now_up`, where a step has passed since it was counted.
    pub fn refresh(&mut self, now_up: i64) {
        let step = use_step(now_up);
        if self.refreshed_up != Some(step) {
            self.refreshed_up = Some(step);
            let counting = self.counting();
            self.queues.values_mut().for_each(|bench| bench.recount_live(counting));
        }
    }

    /// Takes over the rules of all queues and budgets. A queue that is not among them is gone, unless something of it lives.
    pub fn set_rules(&mut self, mut queues: BTreeMap<QueueName, Terms>, budgets: BTreeMap<BudgetName, BudgetRules>) {
        let counting = self.counting();
        self.outdated = false;
        self.budgets = budgets;
        for (name, bench) in &mut self.queues {
            // Of a queue that is gone nothing is claimed.
            let terms = queues.remove(name).unwrap_or(Terms { paused: true, ..Terms::default() });
            bench.set_terms(terms, counting);
        }
        for (name, terms) in queues {
            self.queues.entry(name).or_default().set_terms(terms, counting);
        }
    }

    /// Rules have changed; they are to be set before anybody is served.
    pub fn outdate(&mut self) {
        self.outdated = true;
    }

    /// Whether rules have changed since they were set.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        self.outdated
    }

    /// A task became ready.
    pub fn add(&mut self, queue: &QueueName, lane: &Lane, head: Head) {
        self.bench(queue).add(lane, head);
        self.came(queue);
    }

    /// A task of a queue waits or is queued that was not, or may not have been.
    pub fn came(&mut self, queue: &QueueName) {
        if let Some(most) = self.pending.get_mut(queue) {
            *most += 1;
        }
    }

    /// So many tasks of a queue wait or are queued, counted just now.
    pub fn counted(&mut self, queue: &QueueName, pending: u64) {
        self.pending.insert(queue.clone(), pending);
    }

    /// At most so many tasks of a queue wait or are queued; none where they were never counted.
    #[must_use]
    pub fn pending_at_most(&self, queue: &QueueName) -> Option<u64> {
        self.pending.get(queue).copied()
    }

    /// A ready task went away, or changed its lane.
    pub fn remove(&mut self, queue: &QueueName, lane: &Lane, rank: i64, task: TaskId) {
        self.held.release(task);
        self.bench(queue).remove(lane, rank, task);
    }

    /// What the store says of a lane's first task; none where no task is left in it.
    pub fn learn(&mut self, queue: &QueueName, lane: &Lane, first: Option<Head>) {
        self.bench(queue).set(lane, first.map(First::Known));
    }

    /// An attempt lives from its claim on.
    pub fn begin(&mut self, queue: &QueueName, task: TaskId, user: &User, cost: Cost, claimed_up: i64) {
        let counting = self.counting();
        self.live.insert(task, queue.clone());
        self.bench(queue).begin(task, LiveAttempt { user: user.clone(), cost, claimed_up, used: 0 }, counting);
    }

    /// Its result is stored, or it was given back. Answers whether it lived.
    pub fn end(&mut self, task: TaskId, now_up: i64) -> bool {
        let counting = self.counting();
        let Some(queue) = self.live.remove(&task) else { return false };
        if let Some(user) = self.bench(&queue).end(task, now_up, counting) {
            self.used_changed.insert((queue, user));
        }
        true
    }

    /// What a user used by attempts that are over, as the store kept it.
    pub fn set_used(&mut self, queue: &QueueName, user: &User, usage: i64) {
        self.bench(queue).set_settled(user, usage);
    }

    /// Whose use has changed since it was asked last, with the new figure, for the store to keep.
    pub fn take_used(&mut self) -> Vec<(QueueName, User, i64)> {
        let changed = std::mem::take(&mut self.used_changed);
        let figure = |(queue, user): (QueueName, User)| {
            let usage = self.queues.get(&queue).map_or(0, |bench| bench.settled(&user));
            (queue, user, usage)
        };
        changed.into_iter().map(figure).collect()
    }

    /// The lanes of some queues whose first task the store must tell, with the place after which it stands.
    pub fn unknown<'a>(&'a self, queues: impl IntoIterator<Item = &'a QueueName>) -> Vec<(QueueName, Lane, (i64, TaskId))> {
        let mut unknown = Vec::new();
        for (queue, bench) in queues.into_iter().filter_map(|queue| self.queues.get_key_value(queue)) {
            for (tier, lanes) in bench.tiers() {
                let lane = |(user, size, after): (&User, _, _)| (queue.clone(), Lane { tier, user: user.clone(), size }, after);
                unknown.extend(lanes.unknown().map(lane));
            }
        }
        unknown
    }

    /// The queues.
    pub fn queues(&self) -> impl Iterator<Item = &QueueName> {
        self.queues.keys()
    }

    /// Some queues with all that draw on any budget: each claim decides anew who reserves each budget, so it must know the
    /// first tasks of them all.
    pub fn concerned<'a>(&self, queues: impl Iterator<Item = &'a QueueName>) -> BTreeSet<QueueName> {
        let draws = self.queues.iter().filter(|(_, bench)| !bench.terms.rules.budgets.is_empty());
        queues.cloned().chain(draws.map(|(queue, _)| queue.clone())).collect()
    }

    /// Some queues with those that share a budget with them.
    #[must_use]
    pub fn sharing<'a>(&self, queues: impl Iterator<Item = &'a QueueName>) -> BTreeSet<QueueName> {
        let mut all: BTreeSet<QueueName> = queues.cloned().collect();
        let budgets: BTreeSet<&BudgetName> =
            all.iter().filter_map(|queue| self.queues.get(queue)).flat_map(|bench| bench.terms.rules.budgets.keys()).collect();
        if !budgets.is_empty() {
            let shares = |bench: &Bench| bench.terms.rules.budgets.keys().any(|name| budgets.contains(name));
            all.extend(self.queues.iter().filter(|(_, bench)| shares(bench)).map(|(queue, _)| queue.clone()));
        }
        all
    }

    /// The budgets that a queue draws on, with what is counted and their use.
    #[must_use]
    pub fn budgets_of_queue(&self, queue: &QueueName) -> Vec<(BudgetName, Resource, BudgetUse)> {
        let of = |(name, resource): (&BudgetName, Resource)| Some((name.clone(), resource, self.budget(name)?));
        self.queues.get(queue).map(|bench| self.budgets_of(bench).filter_map(of).collect()).unwrap_or_default()
    }

    /// Lets a queue serve in its order without any limit; for those who only look ahead.
    pub fn lift_limits(&mut self, queue: &QueueName) {
        if let Some(bench) = self.queues.get_mut(queue) {
            bench.terms.paused = false;
            bench.terms.rules.limits = RunLimits::default();
            bench.terms.rules.budgets.clear();
        }
    }

    /// A queue as it stands.
    #[must_use]
    pub fn queue(&self, queue: &QueueName) -> Option<&Bench> {
        self.queues.get(queue)
    }

    /// Whether the end of an attempt may let others go that a limit held back.
    #[must_use]
    pub fn holds_back(&self) -> bool {
        let limited = |bench: &Bench| {
            let limits = &bench.terms.rules.limits;
            limits.max_running.is_some() || limits.max_running_per_user.is_some() || !bench.terms.rules.budgets.is_empty()
        };
        self.queues.values().any(|bench| limited(bench) && bench.has_ready())
    }

    fn bench(&mut self, queue: &QueueName) -> &mut Bench {
        // A queue that no rules are known of serves nothing.
        self.queues.entry(queue.clone()).or_insert_with(|| {
            let mut bench = Bench::default();
            bench.terms.paused = true;
            bench
        })
    }
}
