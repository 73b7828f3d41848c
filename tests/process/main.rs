//! Server, runner and agents as real processes, and what happens to them: `kill -9`, outages, hostile commands.
//!
//! What a test believes comes from outside: from the record that tasks write themselves (`recorder`), from `/proc`
//! (`procs`), and at the end from the public API.

mod dice;
mod procs;
mod recorder;
mod world;

mod cancels;
mod crash_points;
mod doubles;
mod endings;
mod follow;
mod hostile;
mod kills;
mod server_faults;
mod storm;

use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Asks again until there is an answer. Longer than anything takes here, even on a busy machine.
async fn eventually<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    within(Duration::from_mins(1), what, ask).await
}

/// The same with a limit of its own.
async fn within<T>(limit: Duration, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let until = Instant::now() + limit;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
        sleep(Duration::from_millis(20)).await;
    }
}
