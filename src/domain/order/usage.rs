//! What users have used, in integers: the same sums in any order of adding.
//!
//! Use decays by half in `half_life_ms`. Instead of making old use smaller, later use is counted larger: what counts is
//! only how users compare. The figures grow with the distance from an epoch, which is moved before they grow too large.

use super::Board;

/// Use of live attempts is counted to the last full step, so that the order does not depend on the millisecond.
const STEP_MS: i64 = 10_000;

/// After so many half-lives the epoch is moved: figures stay far below the bounds of `i64`.
const EPOCH_HALF_LIVES: i64 = 12;

/// What `slots` used from uptime `from_up` to `to_up`, by a user of `weight`, in slot-milliseconds at `epoch_up`:
/// the integral of `slots / weight × 2^((t − epoch) / half_life)` over the time, rounded. 0 where the time is none.
#[must_use]
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "rounded once, the same everywhere")]
pub fn use_of(slots: u32, weight: u32, from_up: i64, to_up: i64, epoch_up: i64, half_life_ms: u64) -> i64 {
    if to_up <= from_up {
        return 0;
    }
    let half_life = half_life_ms.max(1) as f64;
    let at = |up: i64| ((up - epoch_up) as f64 / half_life).exp2();
    let integral = half_life / std::f64::consts::LN_2 * (at(to_up) - at(from_up));
    (f64::from(slots) / f64::from(weight.max(1)) * integral).round() as i64
}

/// The last full step before an uptime.
pub(super) fn use_step(up: i64) -> i64 {
    up - up.rem_euclid(STEP_MS)
}

impl Board {
    /// Where the epoch must be moved to before use at `now_up` is counted; none where it can stay.
    #[must_use]
    pub fn epoch_due(&self, now_up: i64) -> Option<i64> {
        let half_life = i64::try_from(self.times.half_life_ms).unwrap_or(i64::MAX).max(1);
        let passed = (now_up - self.epoch_up) / half_life;
        (passed >= EPOCH_HALF_LIVES).then(|| self.epoch_up + passed * half_life)
    }

    /// Moves the epoch by whole half-lives, so that what was used halves that often. Everybody's use is then changed.
    pub fn move_epoch(&mut self, epoch_up: i64) {
        let half_life = i64::try_from(self.times.half_life_ms).unwrap_or(i64::MAX).max(1);
        let halvings = u32::try_from((epoch_up - self.epoch_up) / half_life).unwrap_or(63).min(63);
        self.epoch_up = epoch_up;
        for (queue, bench) in &mut self.queues {
            bench.halve(halvings, |user| {
                self.used_changed.insert((queue.clone(), user.clone()));
            });
        }
        self.refreshed_up = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000;

    #[test]
    fn use_counts_half_after_a_half_life_and_is_shared_by_weight() {
        let hour = 3_600_000;
        let day = i64::try_from(DAY).unwrap();
        let early = use_of(1, 1, 0, hour, 0, DAY);
        let late = use_of(1, 1, day, day + hour, 0, DAY);
        assert!((late - 2 * early).abs() <= 2, "{early} {late}");
        assert!((early - hour).abs() < hour / 50, "about as long as it was: {early}");
        assert!((use_of(8, 2, 0, hour, 0, DAY) - 4 * early).abs() <= 4);
        assert_eq!(use_of(8, 1, 5, 5, 0, DAY) + use_of(8, 1, 9, 5, 0, DAY), 0);
    }

    #[test]
    fn steps_are_full_ten_seconds() {
        assert_eq!([0, 9_999, 10_000, 25_001].map(use_step), [0, 0, 10_000, 20_000]);
    }

    #[test]
    fn nothing_overflows_before_the_epoch_moves() {
        let end = EPOCH_HALF_LIVES * i64::try_from(DAY).unwrap();
        let most = use_of(1024, 1, 0, end, 0, DAY);
        assert!(most > 0 && most < i64::MAX / 10_000, "ten thousand of the largest attempts fit: {most}");
    }
}
