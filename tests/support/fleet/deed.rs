//! What a simulated task does, read from its command.

use slipway::wire::Work;
use std::time::Duration;
use tokio::{sync::watch, time::sleep};

/// What a command stands for: `live MS` or `hold MS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deed {
    /// Whether it first waits until the fleet lets go.
    pub(super) holds: bool,
    /// How long it runs then.
    pub(super) lives: Duration,
}

impl Deed {
    /// To run for so long.
    pub(crate) fn live(ms: u64) -> Self {
        Self { holds: false, lives: Duration::from_millis(ms) }
    }

    /// To run until the fleet lets go, and for so long after it.
    pub(crate) fn hold(ms: u64) -> Self {
        Self { holds: true, lives: Duration::from_millis(ms) }
    }

    /// The command that stands for it.
    pub(crate) fn command(self) -> Vec<String> {
        vec![if self.holds { "hold" } else { "live" }.to_owned(), self.lives.as_millis().to_string()]
    }

    /// What a task's work stands for; none where no simulated pod knows it.
    pub(super) fn read(work: &Work) -> Option<Self> {
        let Work::Command(words) = work else { return None };
        Self::of(words)
    }

    /// What a command stands for.
    pub(super) fn of(words: &[String]) -> Option<Self> {
        let [what, ms] = words else { return None };
        let holds = match what.as_str() {
            "live" => false,
            "hold" => true,
            _ => return None,
        };
        Some(Self { holds, lives: Duration::from_millis(ms.parse().ok()?) })
    }

    /// Does it; `go` lets go of what holds.
    pub(super) async fn done(self, go: &watch::Sender<bool>) {
        if self.holds {
            // The yard, whose it is, outlives its pods.
            let _ = go.subscribe().wait_for(|go| *go).await;
        }
        sleep(self.lives).await;
    }
}
