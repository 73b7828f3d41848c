//! Whether a failed attempt is followed by another, and after how long.

use super::{
    outcome::End,
    settings::Times,
    state::{FailureClass, Reason},
    task::Retries,
};

/// How many attempts each budget has paid for so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Failures of class `user`.
    pub user: u32,
    /// Failures of class `oom`.
    pub oom: u32,
    /// Failures of class `infra` and `lost`, and those of `setup` and `image` that may pass.
    pub infra: u32,
}

impl Spent {
    /// The same with one more failure of `class` counted.
    #[must_use]
    pub fn and(mut self, class: FailureClass) -> Self {
        match class {
            FailureClass::User => self.user += 1,
            FailureClass::Oom => self.oom += 1,
            FailureClass::Infra | FailureClass::Lost | FailureClass::Setup | FailureClass::Image => self.infra += 1,
            _ => {}
        }
        self
    }
}

/// What follows the end of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The task ends as the attempt did.
    End,
    /// Another attempt, after a pause; `nth` counts the failures of this budget from 1.
    Retry {
        /// How many failures this budget has paid for, this one included.
        nth: u32,
    },
}

/// The rule: `user` failures draw on `retries.user`, `oom` on `retries.oom`, `infra` and `lost` together on
/// `retries.infra`, and so do those of `setup` and `image` that may pass; every other failure ends the task,
/// and so does every one that is `last`: somebody asked to stop it, or no time is left. `spent` excludes the attempt that just
/// ended.
#[must_use]
pub fn next_after(end: End, spent: Spent, budget: Retries, last: bool) -> Next {
    let Some(class) = end.class().filter(|_| !last) else { return Next::End };
    let after = spent.and(class);
    let (nth, allowed) = match class {
        FailureClass::User => (after.user, budget.user),
        FailureClass::Oom => (after.oom, budget.oom),
        FailureClass::Setup | FailureClass::Image if end.reason().is_some_and(may_pass) => (after.infra, budget.infra),
        FailureClass::Infra | FailureClass::Lost => (after.infra, budget.infra),
        _ => return Next::End,
    };
    if nth <= allowed { Next::Retry { nth } } else { Next::End }
}

/// Whether code, environment or image may be had at another try.
fn may_pass(reason: Reason) -> bool {
    use Reason as R;
    matches!(reason, R::RegistryUnreachable | R::DiskPressure | R::IndexUnreachable | R::RepositoryUnreachable)
}

/// The pause before the next attempt in ms: doubling from `retryBackoffMs` up to `retryBackoffMaxMs`, of which the
/// upper half is spread by `jitter` (any number), so that tasks which failed together do not return together.
#[must_use]
pub fn backoff_ms(nth: u32, times: &Times, jitter: u64) -> u64 {
    let full = times.retry_backoff_ms.saturating_mul(1 << nth.saturating_sub(1).min(32)).min(times.retry_backoff_max_ms);
    full / 2 + jitter % (full / 2 + 1)
}

/// The pause in ms after an attempt found no place: doubling from `pendingHoldMs` up to `pendingHoldMaxMs`. `before`: how
/// many attempts of the task in a row were held before this one.
#[must_use]
pub fn hold_ms(before: u32, times: &Times) -> u64 {
    times.pending_hold_ms.saturating_mul(1 << before.min(32)).min(times.pending_hold_max_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_draws_on_its_own_budget() {
        let budget = Retries { user: 1, oom: 1, infra: 2 };
        let user = End::Failed(FailureClass::User, Reason::ExitNonZero);
        let lost = End::Failed(FailureClass::Lost, Reason::AttemptLost);
        let timeout = End::Failed(FailureClass::Timeout, Reason::DeadlineExceeded);
        assert_eq!(next_after(user, Spent::default(), budget, false), Next::Retry { nth: 1 });
        assert_eq!(next_after(user, Spent { user: 1, ..Spent::default() }, budget, false), Next::End);
        assert_eq!(next_after(lost, Spent { user: 1, oom: 0, infra: 1 }, budget, false), Next::Retry { nth: 2 });
        assert_eq!(next_after(lost, Spent { user: 0, oom: 0, infra: 2 }, budget, false), Next::End);
        assert_eq!(next_after(lost, Spent::default(), budget, true), Next::End, "nobody retries a cancelled task");
        assert_eq!(next_after(timeout, Spent::default(), budget, false), Next::End);
        assert_eq!(next_after(End::Succeeded, Spent::default(), budget, false), Next::End);
    }

    #[test]
    fn a_hold_doubles_up_to_half_an_hour() {
        let times = Times::default();
        assert_eq!([0, 1, 4, 5, u32::MAX].map(|before| hold_ms(before, &times) / 60_000), [1, 2, 16, 30, 30]);
    }

    #[test]
    fn the_pause_doubles_up_to_a_ceiling_and_keeps_its_lower_half() {
        let times = Times { retry_backoff_ms: 1000, retry_backoff_max_ms: 300_000, ..Times::default() };
        assert_eq!((backoff_ms(1, &times, 0), backoff_ms(3, &times, 0)), (500, 2000));
        for nth in [1, 2, 9, 40, u32::MAX] {
            for jitter in [0, 1, 7, u64::MAX] {
                let pause = backoff_ms(nth, &times, jitter);
                assert!((500..=300_000).contains(&pause), "{pause} ms after failure {nth}");
            }
        }
    }
}
