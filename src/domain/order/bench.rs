//! One queue on the board: its rules, its lanes, its users and what of it lives.

use super::{
    lanes::{First, Head, Lane, Lanes, Size, User},
    place::{LAST_TIER, Tier},
    rules::{Amount, QueueRules, Resource, RunLimits},
    usage::use_of,
};
use crate::domain::TaskId;
use std::collections::{BTreeSet, HashMap};

/// How much of each resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// GPUs.
    pub gpus: Amount,
    /// Weight.
    pub weight: Amount,
}

impl Cost {
    /// The amount of one resource.
    #[must_use]
    pub fn of(self, resource: Resource) -> Amount {
        match resource {
            Resource::Gpus => self.gpus,
            Resource::Weight => self.weight,
        }
    }

    /// The slots that a task of this cost uses.
    #[must_use]
    pub fn slots(self) -> u32 {
        u32::try_from(self.gpus.0 / 1000).unwrap_or(u32::MAX).max(1)
    }
}

/// A queue's rules as the board needs them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// What its document says.
    pub rules: QueueRules,
    /// Whether nothing is claimed from it.
    pub paused: bool,
    /// The cost of a task that names none: its template's.
    pub template: Cost,
}

impl Terms {
    /// What a task of this size costs.
    #[must_use]
    pub fn cost(&self, size: Size) -> Cost {
        Cost {
            gpus: if size.gpus > 0 { Amount::whole(size.gpus) } else { self.template.gpus },
            weight: if size.weight > 0 { Amount(size.weight) } else { self.template.weight },
        }
    }

    fn weight_of(&self, user: &str) -> u32 {
        self.rules.user_weights.get(user).copied().unwrap_or(1)
    }
}

/// An attempt that lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LiveAttempt {
    pub(super) user: User,
    pub(super) cost: Cost,
    pub(super) claimed_up: i64,
    /// What it used, as it counts now.
    pub(super) used: i64,
}

/// A user in a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Member {
    /// Used by attempts that are over.
    settled: i64,
    /// Used by those that live, as it counts now: their sum, so that neither begin nor end looks at them all.
    running: i64,
    /// Both, as the lanes were told.
    used: i64,
    live: BTreeSet<TaskId>,
}

/// How use is counted now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counting {
    /// To this uptime use of live attempts counts.
    pub(super) step_up: i64,
    pub(super) least_ms: i64,
    pub(super) epoch_up: i64,
    pub(super) half_life_ms: u64,
}

impl Counting {
    /// What a live attempt used.
    fn of(self, live: &LiveAttempt, weight: u32) -> i64 {
        let to = self.step_up.max(live.claimed_up.saturating_add(self.least_ms));
        use_of(live.cost.slots(), weight, live.claimed_up, to, self.epoch_up, self.half_life_ms)
    }
}

/// One queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bench {
    pub(super) terms: Terms,
    tiers: [Lanes; LAST_TIER as usize + 1],
    users: HashMap<User, Member>,
    live: HashMap<TaskId, LiveAttempt>,
    /// What the live attempts cost together.
    pub(super) cost: Cost,
}

impl Bench {
    fn tier_mut(&mut self, tier: Tier) -> &mut Lanes {
        &mut self.tiers[usize::from(tier.min(LAST_TIER))]
    }

    /// Its tiers, the first served first.
    pub(super) fn tiers(&self) -> impl Iterator<Item = (Tier, &Lanes)> {
        (0..).zip(&self.tiers)
    }

    /// Whether any task of it is ready.
    pub(super) fn has_ready(&self) -> bool {
        self.tiers.iter().any(|lanes| !lanes.is_empty())
    }

    /// Whether no task of it is known to be ready although it has lanes: they may have no other.
    pub(super) fn may_be_empty(&self) -> bool {
        self.has_ready() && self.tiers.iter().all(|lanes| lanes.by_age().next().is_none())
    }

    /// Its limits.
    #[must_use]
    pub fn limits(&self) -> RunLimits {
        self.terms.rules.limits
    }

    /// What a task of this size costs now.
    #[must_use]
    pub fn cost_of(&self, size: Size) -> Cost {
        self.terms.cost(size)
    }

    /// How many attempts live.
    #[must_use]
    pub fn running(&self) -> u32 {
        u32::try_from(self.live.len()).unwrap_or(u32::MAX)
    }

    /// How many of a user's attempts live.
    #[must_use]
    pub fn running_of(&self, user: &str) -> u32 {
        self.users.get(user).map_or(0, |member| u32::try_from(member.live.len()).unwrap_or(u32::MAX))
    }

    /// Whether another attempt of the queue may live.
    pub(super) fn is_open(&self) -> bool {
        !self.terms.paused && self.terms.rules.limits.max_running.is_none_or(|max| self.running() < max)
    }

    /// Whether another attempt of a user may live.
    pub(super) fn is_open_to(&self, user: &str) -> bool {
        self.terms.rules.limits.max_running_per_user.is_none_or(|max| self.running_of(user) < max)
    }

    /// Everything that lives, in the order of tasks, without what it used, which depends on when that was counted.
    #[cfg(all(test, feature = "server"))]
    pub(super) fn lives(&self) -> std::collections::BTreeMap<TaskId, LiveAttempt> {
        self.live.iter().map(|(task, live)| (*task, LiveAttempt { used: 0, ..live.clone() })).collect()
    }

    /// What is kept and what is right of the sums of what live attempts used, by user.
    #[cfg(all(test, feature = "server"))]
    pub(super) fn sums(&self) -> [std::collections::BTreeMap<&User, i64>; 2] {
        let sum = |member: &Member| member.live.iter().filter_map(|task| self.live.get(task)).map(|live| live.used).sum();
        [
            self.users.iter().map(|(user, member)| (user, member.running)).collect(),
            self.users.iter().map(|(user, m)| (user, sum(m))).collect(),
        ]
    }

    /// The use of all users by attempts that are over, where there is any.
    #[cfg(all(test, feature = "server"))]
    pub(super) fn settled_of_all(&self) -> std::collections::BTreeMap<&User, i64> {
        self.users.iter().map(|(user, member)| (user, member.settled)).filter(|(_, settled)| *settled != 0).collect()
    }

    fn used(&self, user: &User) -> i64 {
        self.users.get(user).map_or(0, |member| member.used)
    }

    /// The use of a user by attempts that are over.
    pub(super) fn settled(&self, user: &str) -> i64 {
        self.users.get(user).map_or(0, |member| member.settled)
    }

    pub(super) fn set_settled(&mut self, user: &User, usage: i64) {
        self.users.entry(user.clone()).or_default().settled = usage;
        self.rank(user);
    }

    pub(super) fn add(&mut self, lane: &Lane, head: Head) {
        let usage = self.used(&lane.user);
        self.tier_mut(lane.tier).add(&lane.user, lane.size, head, usage);
    }

    pub(super) fn remove(&mut self, lane: &Lane, rank: i64, task: TaskId) {
        let usage = self.used(&lane.user);
        self.tier_mut(lane.tier).remove(&lane.user, lane.size, rank, task, usage);
    }

    pub(super) fn set(&mut self, lane: &Lane, first: Option<First>) {
        let usage = self.used(&lane.user);
        self.tier_mut(lane.tier).set(&lane.user, lane.size, first, usage);
    }

    /// An attempt begins to live.
    pub(super) fn begin(&mut self, task: TaskId, mut live: LiveAttempt, counting: Counting) {
        let user = live.user.clone();
        live.used = counting.of(&live, self.terms.weight_of(&user));
        self.cost.gpus += live.cost.gpus;
        self.cost.weight += live.cost.weight;
        let member = self.users.entry(user.clone()).or_default();
        member.live.insert(task);
        member.running = member.running.saturating_add(live.used);
        self.live.insert(task, live);
        self.rank(&user);
    }

    /// An attempt lives no more; what it used is settled. Answers its user.
    pub(super) fn end(&mut self, task: TaskId, now_up: i64, counting: Counting) -> Option<User> {
        let LiveAttempt { user, cost, claimed_up, used } = self.live.remove(&task)?;
        self.cost.gpus = self.cost.gpus.less(cost.gpus);
        self.cost.weight = self.cost.weight.less(cost.weight);
        let usage = use_of(cost.slots(), self.terms.weight_of(&user), claimed_up, now_up, counting.epoch_up, counting.half_life_ms);
        let member = self.users.entry(user.clone()).or_default();
        member.live.remove(&task);
        member.running = member.running.saturating_sub(used);
        member.settled = member.settled.saturating_add(usage);
        self.rank(&user);
        Some(user)
    }

    /// Counts the use of those whose attempts live up to the present step.
    pub(super) fn recount_live(&mut self, counting: Counting) {
        let users: Vec<User> = self.users.iter().filter(|(_, member)| !member.live.is_empty()).map(|(user, _)| user.clone()).collect();
        for user in users {
            let weight = self.terms.weight_of(&user);
            let Some(member) = self.users.get_mut(&user) else { continue };
            member.running = 0;
            for task in &member.live {
                let Some(live) = self.live.get_mut(task) else { continue };
                live.used = counting.of(live, weight);
                member.running = member.running.saturating_add(live.used);
            }
            self.rank(&user);
        }
    }

    /// Tells the lanes of a user what counts now.
    fn rank(&mut self, user: &User) {
        let Some(member) = self.users.get_mut(user) else { return };
        let usage = member.settled.saturating_add(member.running);
        let gone = member.live.is_empty() && member.settled == 0;
        if member.used != usage {
            member.used = usage;
            for lanes in &mut self.tiers {
                lanes.rank(user, usage);
            }
        }
        if gone {
            self.users.remove(user);
        }
    }

    /// Halves what was used by attempts that are over, and names whose.
    pub(super) fn halve(&mut self, times: u32, mut changed: impl FnMut(&User)) {
        for (user, member) in &mut self.users {
            if member.settled > 0 {
                member.settled >>= times;
                changed(user);
            }
        }
        // That of live ones is counted anew before anybody is served.
        for live in self.live.values_mut() {
            live.used = 0;
        }
        let users: Vec<User> = self.users.keys().cloned().collect();
        for user in users {
            if let Some(member) = self.users.get_mut(&user) {
                member.running = 0;
            }
            self.rank(&user);
        }
    }

    /// Takes over new rules. What lives keeps its cost.
    pub(super) fn set_terms(&mut self, terms: Terms, counting: Counting) {
        self.terms = terms;
        self.recount_live(counting);
    }
}
