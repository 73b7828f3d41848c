//! Time and randomness as parameters. The real forms live in `app`; tests bring their own.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A point in wall-clock time: milliseconds since the Unix epoch, UTC.
///
/// Wall-clock time is shown to people and never decides a deadline: deadlines run on [`Clock::monotonic`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMs(pub i64);

impl UnixMs {
    /// Whole milliseconds from `earlier` to `self`; 0 where the clock went backwards between them.
    #[must_use]
    pub fn since(self, earlier: UnixMs) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// Where time comes from.
pub trait Clock: Send + Sync + 'static {
    /// Wall-clock time, for records and for people.
    fn now(&self) -> UnixMs;
    /// Time that only goes forward, from an arbitrary origin; it keeps counting while the machine sleeps
    /// where the system offers that (`CLOCK_BOOTTIME`).
    fn monotonic(&self) -> Duration;
}

/// Where randomness comes from. Fit for secrets in its real form, repeatable from a seed in tests.
pub trait Rng: Send + Sync + 'static {
    /// Fills `bytes` with random bytes.
    fn fill(&self, bytes: &mut [u8]);

    /// A uniform number in `0..bound`; 0 where `bound` is 0.
    fn below(&self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes).checked_rem(bound).unwrap_or(0)
    }

    /// A random (version 4) UUID.
    fn uuid(&self) -> uuid::Uuid {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}
