//! Waiting for a signal, never for a time.

use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Asks again until there is an answer. Longer than anything takes here, even on a busy machine.
pub(crate) async fn eventually<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    within(Duration::from_mins(1), what, ask).await
}

/// The same with a limit of its own.
pub(crate) async fn within<T>(limit: Duration, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let until = Instant::now() + limit;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
        sleep(Duration::from_millis(20)).await;
    }
}
