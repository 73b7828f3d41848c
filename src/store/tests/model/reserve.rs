//! Who reserves a budget, or a runner's GPUs.

use super::book::{Book, Ready, Room, ms};
use crate::domain::{BudgetName, QueueName, TaskId, order::Amount};
use std::collections::BTreeSet;

/// Where a task stands: its queue, tier, user, size, rank and id. Who leaves its place loses what it reserved.
pub(super) type Place = (QueueName, i64, String, (u32, Amount), i64, TaskId);

/// Who reserves something, and when the runner that keeps its GPUs asked last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) place: Place,
    pub(super) asked: i64,
}

/// A runner that has not asked for so long leaves its reservation to another.
const RUNNER_AWAY_MS: i64 = 60_000;

impl Book {
    /// A restart keeps every reservation; for the minute that a runner may be away it is as if each had asked just then.
    pub(super) fn restarted(&mut self, up: i64) {
        self.runner_holders.values_mut().for_each(|holder| holder.asked = up);
    }

    /// Who is not where it was when it reserved something reserves it no longer.
    pub(super) fn left_places(&mut self) {
        let places: BTreeSet<Place> = self.ready.iter().map(|t| self.place(t)).collect();
        self.budget_holders.retain(|_, holder| places.contains(&holder.place));
        self.runner_holders.retain(|_, holder| places.contains(&holder.place));
    }

    pub(super) fn place(&self, task: &Ready) -> Place {
        (task.queue.clone(), self.tier(task), task.user.clone(), (task.gpus, task.weight), task.rank, task.task)
    }

    /// Decides anew who reserves each budget, and the GPUs of the runner that asks. A reservation stands although by now
    /// its task would fit: else what became free for it would go to whoever comes before it.
    pub(super) fn reserve(&mut self, room: &Room) {
        let budgets: Vec<BudgetName> = self.budgets.keys().cloned().collect();
        for name in budgets {
            let holder = self.budget_holders.get(&name).cloned();
            let able = |task: &Ready| {
                let cost = self.cost(task).of(self.budgets[&name].resource);
                self.queues[&task.queue].rules.budgets.contains_key(&name) && cost <= self.budgets[&name].max /* MIMIC B5 */
            };
            let short = |task: &Ready| self.cost(task).of(self.budgets[&name].resource) > self.left(&name, &task.queue);
            let found = self.best(holder.as_ref(), able, short);
            self.reservations += u64::from(found.is_some() && found.as_ref() != holder.map(|h| h.place).as_ref());
            self.budget_holders.remove(&name);
            self.budget_holders.extend(found.map(|place| (name, Holder { place, asked: self.up })));
        }
        let holder = self.runner_holders.get(&room.runner).cloned();
        let elsewhere = |task: &Ready| {
            let others = self.runner_holders.iter().filter(|(runner, _)| **runner != room.runner);
            others.into_iter().any(|(_, other)| other.place.5 == task.task && self.up - other.asked < RUNNER_AWAY_MS)
        };
        let able = |task: &Ready| {
            let asked = room.share(&task.queue) > 0 && task.gpus > 0 && task.gpus <= room.all_gpus;
            asked && !self.short_of_budget(task) && !self.kept_from_budget(task) && !elsewhere(task)
        };
        let found = self.best(holder.as_ref(), able, |task| task.gpus > room.gpus);
        self.reservations += u64::from(found.is_some() && found.as_ref() != holder.map(|h| h.place).as_ref());
        self.runner_holders.remove(&room.runner);
        if let Some(place) = found {
            self.runner_holders.retain(|_, other| other.place != place);
            self.runner_holders.insert(room.runner.clone(), Holder { place, asked: self.up });
        }
    }

    /// Who reserves a thing: of its holder, and of the first tasks of each user, tier and size that are ready for long enough
    /// and are short of it, the lowest tier, the longest ready, the lowest id.
    fn best(&self, holder: Option<&Holder>, able: impl Fn(&Ready) -> bool, short: impl Fn(&Ready) -> bool) -> Option<Place> {
        let lane = |t: &Ready| (t.queue.clone(), self.tier(t), t.user.clone(), t.gpus, t.weight);
        let first = |t: &Ready| self.ready.iter().filter(|o| lane(o) == lane(t)).map(|o| (o.rank, o.task)).min() == Some((t.rank, t.task));
        let long = |t: &Ready| self.up - t.since >= ms(self.times.reserve_ms);
        let able = self.ready.iter().filter(|t| self.limited(t).is_none() && able(t));
        let all = able.filter(|t| holder.is_some_and(|h| h.place.5 == t.task) || (long(t) && short(t) && first(t)));
        all.min_by_key(|t| (self.tier(t), t.since, t.task)).map(|t| self.place(t))
    }
}
