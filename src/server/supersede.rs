//! Attempts in idempotent queues whose agents have been silent for so long that they have stopped their commands: another attempt
//! follows. Everybody else's attempts wait for proof.

use super::{clockwork::pause, state::App};
use crate::store::{StoreError, Supersede};

/// Looks so often within the time of silence.
const LOOKS: u64 = 40;

/// Looks now and then, until the server stops.
pub(super) async fn run(app: App) {
    let every = (app.settings.times.heartbeat_lost_ms / LOOKS).max(10);
    while pause(&app, every).await {
        if let Err(error) = round(&app).await {
            tracing::error!(%error, "silent attempts of idempotent queues could not be ended");
        }
    }
}

/// Ends those that are silent for long enough now.
pub(super) async fn round(app: &App) -> Result<(), StoreError> {
    let limit = i64::try_from(app.settings.times.heartbeat_lost_ms).unwrap_or(i64::MAX);
    for attempt in app.store.self_stopping().await? {
        // Its agent counts from when it sent what this server heard later; what is silent here is dead there.
        if app.pulses.fence(attempt, app.store.uptime().now().saturating_sub(limit)) && app.store.run(Supersede(attempt)).await? {
            tracing::warn!(task = %attempt.task, attempt = %attempt.attempt, "silent for so long that its agent has stopped it; another attempt may follow");
            app.close_log(attempt).await;
        }
    }
    Ok(())
}
