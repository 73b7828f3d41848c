//! How often room is counted. Pure.

use tokio::time::Instant;

/// How many times as long as a count takes the next one comes after it.
const APART: u32 = 5;

/// Keeps counting to a small part of the time, however many attempts there are. A count that is put off is owed: whoever waits for
/// something to happen must not wait for longer than until it is due, since nothing else may happen for long.
#[derive(Debug)]
pub(super) struct Pace {
    /// Until when nothing is counted.
    rests: Instant,
    owed: bool,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { rests: now, owed: false }
    }

    /// Whether to count now; else it is owed.
    pub(super) fn begin(&mut self, now: Instant) -> bool {
        self.owed = now < self.rests;
        !self.owed
    }

    /// A count that began at `begun` has ended.
    pub(super) fn counted(&mut self, begun: Instant, now: Instant) {
        self.rests = begun + now.saturating_duration_since(begun) * APART;
    }

    /// Nothing is to be counted.
    pub(super) fn settle(&mut self) {
        self.owed = false;
    }

    /// When what is owed is due; none where nothing is.
    pub(super) fn due(&self) -> Option<Instant> {
        self.owed.then_some(self.rests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn counting_takes_a_small_part_of_the_time() {
        let began = Instant::now();
        let at = |ms: u64| began + Duration::from_millis(ms);
        let mut pace = Pace::new(began);
        assert!(pace.begin(began));
        pace.counted(began, at(20));
        assert!(!pace.begin(at(21)) && !pace.begin(at(99)));
        assert!(pace.begin(at(100)));
    }

    /// The bench on Kubernetes, 96 tasks of 2 s on 16 slots on a busy machine: nine were claimed and seven slots stayed empty
    /// for two seconds, because what was put off came only with the next event.
    #[test]
    fn a_count_that_is_put_off_becomes_due_by_itself() {
        let began = Instant::now();
        let at = |ms: u64| began + Duration::from_millis(ms);
        let mut pace = Pace::new(began);
        assert_eq!(pace.due(), None, "nothing has happened yet");
        assert!(pace.begin(began));
        pace.counted(began, at(20));
        assert_eq!(pace.due(), None, "the last count knows all that has happened");
        assert!(!pace.begin(at(30)));
        assert_eq!(pace.due(), Some(at(100)));
        assert!(pace.begin(at(100)));
        assert_eq!(pace.due(), None);
        assert!(!pace.begin(at(99)));
        pace.settle();
        assert_eq!(pace.due(), None, "a glue that may not claim does not wake for it");
    }
}
