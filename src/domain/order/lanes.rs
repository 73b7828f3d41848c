//! The ready tasks of a queue in memory, as far as the order needs them: of each user and size in a tier only the first.
//!
//! Such a row of tasks is a *lane*. Which tasks follow the first stands in the store; a head that was taken or removed is
//! *unknown* until the store is asked for the next one. So the cost is that of the lanes, never of the tasks.

use super::{super::ids::TaskId, place::Tier};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// A user's name, shared.
pub type User = Arc<str>;

/// What tasks of one lane ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size {
    /// GPUs that the task names itself, or that its variables do.
    pub gpus: u32,
    /// Its own weight, in thousandths.
    pub weight: u64,
}

/// The lanes of one queue are told apart by this.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane {
    /// The tier.
    pub tier: Tier,
    /// Whose tasks they are.
    pub user: User,
    /// What they ask for.
    pub size: Size,
}

/// The first task of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its rank among its user's.
    pub rank: i64,
    /// Itself.
    pub task: TaskId,
    /// The uptime since which it has been ready.
    pub since_up: i64,
    /// Its newest attempt.
    pub attempt: u32,
}

/// What is known of a lane's first task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// It is this one.
    Known(Head),
    /// It comes after this place, if there is one.
    After(i64, TaskId),
}

impl First {
    /// Its place, or one before it.
    pub(super) fn place(self) -> (i64, TaskId) {
        match self {
            Self::Known(head) => (head.rank, head.task),
            Self::After(rank, task) => (rank, task),
        }
    }
}

/// The lanes of one tier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lanes {
    by_user: HashMap<User, BTreeMap<Size, First>>,
    /// Every user with a lane: what was used, the place of the first task, the name.
    ranked: BTreeSet<(i64, i64, TaskId, User)>,
    /// Where each user stands in `ranked`.
    standing: HashMap<User, (i64, i64, TaskId)>,
    /// The known heads of each size, oldest first.
    by_age: BTreeMap<Size, BTreeSet<(i64, TaskId, User)>>,
    unknown: BTreeSet<(User, Size)>,
}

impl Lanes {
    /// A task became ready.
    pub(super) fn add(&mut self, user: &User, size: Size, head: Head, usage: i64) {
        let first = match self.by_user.get(user).and_then(|lanes| lanes.get(&size)) {
            Some(first) if (head.rank, head.task) > first.place() => return,
            _ => First::Known(head),
        };
        self.set(user, size, Some(first), usage);
    }

    /// A ready task went away.
    pub(super) fn remove(&mut self, user: &User, size: Size, rank: i64, task: TaskId, usage: i64) {
        if let Some(First::Known(head)) = self.by_user.get(user).and_then(|lanes| lanes.get(&size))
            && head.task == task
        {
            self.set(user, size, Some(First::After(rank, task)), usage);
        }
    }

    /// Puts what is known of a lane's first task in place of what was; none ends the lane.
    pub(super) fn set(&mut self, user: &User, size: Size, first: Option<First>, usage: i64) {
        let lanes = self.by_user.entry(user.clone()).or_default();
        let before = match first {
            Some(first) => lanes.insert(size, first),
            None => lanes.remove(&size),
        };
        if lanes.is_empty() {
            self.by_user.remove(user);
        }
        if let Some(First::Known(head)) = before
            && let Some(ages) = self.by_age.get_mut(&size)
        {
            ages.remove(&(head.since_up, head.task, user.clone()));
            if ages.is_empty() {
                self.by_age.remove(&size);
            }
        }
        match first {
            Some(First::Known(head)) => {
                self.by_age.entry(size).or_default().insert((head.since_up, head.task, user.clone()));
                self.unknown.remove(&(user.clone(), size));
            }
            Some(First::After(..)) => drop(self.unknown.insert((user.clone(), size))),
            None => drop(self.unknown.remove(&(user.clone(), size))),
        }
        self.rank(user, usage);
    }

    /// Notes what a user has used.
    pub(super) fn rank(&mut self, user: &User, usage: i64) {
        let first = self.by_user.get(user).and_then(|lanes| lanes.values().map(|first| first.place()).min());
        if let Some((before, rank, task)) = self.standing.remove(user) {
            self.ranked.remove(&(before, rank, task, user.clone()));
        }
        if let Some((rank, task)) = first {
            self.ranked.insert((usage, rank, task, user.clone()));
            self.standing.insert(user.clone(), (usage, rank, task));
        }
    }

    /// Users in the order of service.
    pub(super) fn users(&self) -> impl Iterator<Item = &User> {
        self.ranked.iter().map(|(.., user)| user)
    }

    /// The lanes of a user.
    pub(super) fn of(&self, user: &User) -> impl Iterator<Item = (Size, First)> {
        self.by_user.get(user).into_iter().flatten().map(|(size, first)| (*size, *first))
    }

    /// The sizes of known heads, and the heads of each, oldest first.
    pub(super) fn by_age(&self) -> impl Iterator<Item = (Size, impl Iterator<Item = (i64, TaskId, &User)>)> {
        self.by_age.iter().map(|(size, heads)| (*size, heads.iter().map(|(since, task, user)| (*since, *task, user))))
    }

    /// The lanes whose first task has to be read.
    pub(super) fn unknown(&self) -> impl Iterator<Item = (&User, Size, (i64, TaskId))> {
        self.unknown.iter().filter_map(|(user, size)| Some((user, *size, self.by_user.get(user)?.get(size)?.place())))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_user.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(task: i64) -> Head {
        Head { rank: task, task: TaskId(task), since_up: 0, attempt: 0 }
    }

    #[test]
    fn a_lane_knows_its_first_task_until_that_goes() {
        let (ada, size) = (User::from("ada"), Size::default());
        let mut lanes = Lanes::default();
        lanes.add(&ada, size, head(5), 0);
        lanes.add(&ada, size, head(7), 0);
        lanes.add(&ada, size, head(3), 0);
        assert_eq!(lanes.of(&ada).collect::<Vec<_>>(), [(size, First::Known(head(3)))]);
        lanes.remove(&ada, size, 7, TaskId(7), 0);
        assert_eq!(lanes.unknown().count(), 0, "it was not the first");
        lanes.remove(&ada, size, 3, TaskId(3), 0);
        assert_eq!(lanes.unknown().map(|(.., place)| place).collect::<Vec<_>>(), [(3, TaskId(3))]);
        lanes.add(&ada, size, head(9), 0);
        assert_eq!(lanes.unknown().count(), 1, "5 stands before 9, and only the store knows it");
        lanes.add(&ada, size, head(2), 0);
        assert_eq!(lanes.of(&ada).next(), Some((size, First::Known(head(2)))), "nothing can stand before 2");
        lanes.set(&ada, size, None, 0);
        assert!(lanes.is_empty() && lanes.users().next().is_none());
    }

    #[test]
    fn users_stand_by_what_they_used_then_by_their_first_task() {
        let [ada, bob, eve] = ["ada", "bob", "eve"].map(User::from);
        let mut lanes = Lanes::default();
        lanes.add(&ada, Size::default(), head(5), 10);
        lanes.add(&bob, Size::default(), head(9), 10);
        lanes.add(&bob, Size { gpus: 1, weight: 0 }, head(4), 10);
        lanes.add(&eve, Size::default(), head(99), 0);
        assert_eq!(lanes.users().collect::<Vec<_>>(), [&eve, &bob, &ada]);
        lanes.rank(&eve, 11);
        assert_eq!(lanes.users().collect::<Vec<_>>(), [&bob, &ada, &eve]);
    }
}
