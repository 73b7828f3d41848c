//! Where a task stands before anybody is compared: its tier and its rank.

use super::{
    super::{ids::TaskId, state::Priority, task::TaskSpec},
    lanes::Size,
    weight::counted_weight,
};

/// A tier: 0 boosted, 1 `critical` … 4 `low`. The lower is served first.
pub type Tier = u8;

/// The most that a tier can be.
pub const LAST_TIER: Tier = 4;

/// The distance between the ranks of two tasks with neighbouring ids: room to move others between them.
const RANK_STEP: i64 = 1 << 24;

/// The rank of a task that nobody moved.
#[must_use]
pub const fn rank_of(task: TaskId) -> i64 {
    task.0.saturating_mul(RANK_STEP)
}

/// What a task asks for itself.
#[must_use]
pub fn size_of(spec: &TaskSpec) -> Size {
    Size { gpus: spec.gpus(), weight: counted_weight(&spec.labels, spec.overrides.weight) }
}

/// The tier of a task that has been ready since `since_up`, and the uptime at which it rises next; none where it does not.
#[must_use]
pub fn tier_of(boosted: bool, priority: Priority, since_up: i64, now_up: i64, aging_ms: u64) -> (Tier, Option<i64>) {
    if boosted {
        return (0, None);
    }
    let own = Tier::try_from(priority.band() + 1).unwrap_or(LAST_TIER);
    let aging = i64::try_from(aging_ms).unwrap_or(i64::MAX).max(1);
    let risen = ((now_up - since_up).max(0) / aging).min(i64::from(own) - 1);
    let tier = own - Tier::try_from(risen).unwrap_or(0);
    (tier, (tier > 1).then(|| since_up.saturating_add(aging.saturating_mul(risen + 1))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_rises_by_a_tier_each_six_hours_and_never_into_boost() {
        let hours = |h: i64| h * 3_600_000;
        let at = |priority, h| tier_of(false, priority, 1_000, 1_000 + hours(h), 21_600_000);
        assert_eq!(at(Priority::Low, 0), (4, Some(1_000 + hours(6))));
        assert_eq!(at(Priority::Low, 6), (3, Some(1_000 + hours(12))));
        assert_eq!(at(Priority::Low, 13), (2, Some(1_000 + hours(18))));
        assert_eq!(at(Priority::Low, 18), (1, None));
        assert_eq!(at(Priority::Low, 1_000), (1, None));
        assert_eq!(at(Priority::Critical, 100), (1, None));
        assert_eq!(tier_of(true, Priority::Low, 0, hours(9), 21_600_000), (0, None));
        assert_eq!(tier_of(false, Priority::Normal, 50, 10, 21_600_000).0, 3, "a clock that went back a little ages nobody");
    }
}
