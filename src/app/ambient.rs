//! The real clock and the real randomness: the one home of both.

use crate::domain::{Clock, Rng, UnixMs};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The machine's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one home of the wall clock")]
    fn now(&self) -> UnixMs {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        #[cfg(debug_assertions)]
        let now = now.saturating_add(stepped());
        UnixMs(now)
    }

    #[cfg(target_os = "linux")]
    fn monotonic(&self) -> Duration {
        use nix::time::{ClockId, clock_gettime};
        // CLOCK_BOOTTIME cannot fail on Linux 2.6.39 and newer; zero would only stop deadlines, never fire them.
        clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
    }

    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::disallowed_methods, reason = "the one home of the monotonic clock")]
    fn monotonic(&self) -> Duration {
        static ORIGIN: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
        ORIGIN.elapsed()
    }
}

/// How far a test has set this process's wall clock ahead, in milliseconds: what stands in the file that `SLIPWAY_CLOCK_STEP` names,
/// read at each look at the clock. Release builds hold no trace of it.
#[cfg(debug_assertions)]
#[expect(clippy::disallowed_methods, reason = "the app reads the environment for the other rooms")]
fn stepped() -> i64 {
    static FILE: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    let file = FILE.get_or_init(|| std::env::var("SLIPWAY_CLOCK_STEP").ok());
    file.as_ref().and_then(|file| std::fs::read_to_string(file).ok()?.trim().parse().ok()).unwrap_or(0)
}

/// The operating system's randomness, fit for secrets.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    #[expect(clippy::disallowed_methods, reason = "the one home of randomness")]
    fn fill(&self, bytes: &mut [u8]) {
        rand::Rng::fill_bytes(&mut rand::rng(), bytes);
    }
}
