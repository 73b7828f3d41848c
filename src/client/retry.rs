//! How long to wait before a call is tried again, and how much to say about it.

use super::Error;
use crate::domain::Rng;
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use std::time::Duration;

/// The pauses between the tries of one kind of call: doubling, with jitter, never longer than the limit.
///
/// It speaks once when the trouble begins and once when it is over, however often the call is tried between.
#[derive(Debug)]
pub struct Backoff {
    what: &'static str,
    build: ExponentialBuilder,
    pauses: ExponentialBackoff,
    failures: u64,
    quiet: bool,
}

impl Backoff {
    /// Pauses for calls named `what`, from a sixtieth of `max_ms` (1 s of the usual minute) up to `max_ms`.
    #[must_use]
    pub fn new(what: &'static str, max_ms: u64, rng: &dyn Rng) -> Self {
        // Jitter adds up to as much again, so half of the limit is the limit.
        let build = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis((max_ms / 60).max(1)))
            .with_max_delay(Duration::from_millis((max_ms / 2).max(1)))
            .without_max_times()
            .with_jitter_seed(rng.below(u64::MAX))
            .with_jitter();
        Self { what, build, pauses: build.build(), failures: 0, quiet: false }
    }

    /// The same, but silent: another kind of call to the same server says what there is to say.
    #[must_use]
    pub fn quiet(self) -> Self {
        Self { quiet: true, ..self }
    }

    /// A call failed: how long to wait now.
    pub fn failed(&mut self, error: &Error) -> Duration {
        self.failures += 1;
        if self.failures == 1 && !self.quiet {
            tracing::warn!(call = self.what, %error, "the server does not answer as it should; trying on");
        } else {
            tracing::debug!(call = self.what, failures = self.failures, %error, "still no good answer");
        }
        self.pauses.next().unwrap_or(Duration::from_mins(1))
    }

    /// A call succeeded: the next trouble starts anew.
    pub fn succeeded(&mut self) {
        if self.failures > 0 {
            if !self.quiet {
                tracing::info!(call = self.what, failures = self.failures, "the server answers again");
            }
            self.pauses = self.build.build();
            self.failures = 0;
        }
    }
}
