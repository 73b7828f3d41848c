//! Randomness that can be repeated.

use slipway::{app::ambient::SystemRng, domain::Rng};
use std::time::Duration;

/// A seeded stream of numbers (`SplitMix64`). A test that fails has printed its seed; `SLIPWAY_SEED` throws the same.
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice for the test `name`.
    #[expect(clippy::disallowed_methods, reason = "a test's own switch")]
    pub(crate) fn roll(name: &str) -> Self {
        let given = std::env::var("SLIPWAY_SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| SystemRng.below(1 << 32));
        eprintln!("{name}: SLIPWAY_SEED={seed}");
        Self::of(seed)
    }

    /// Dice that fall as this seed says.
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    /// One of several.
    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(usize::try_from(self.below(of.len().max(1) as u64)).unwrap_or(0))
    }

    /// Waits for a random time; when a fault strikes is what these tests vary.
    pub(crate) async fn pause(&mut self, from_ms: u64, to_ms: u64) {
        tokio::time::sleep(Duration::from_millis(from_ms + self.below(to_ms - from_ms))).await;
    }
}
