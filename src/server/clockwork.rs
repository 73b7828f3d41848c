//! The server's clockwork: uptime, deadlines, syncs of logs.
//!
//! Level-triggered: each round looks at what is due now and acts on it; nothing is scheduled, so nothing can be
//! missed. Uptime moves on only when the database answered, and not over a gap: an outage of ours expires nobody.

use super::{audit, retention, state::App};
use crate::store::{
    Age, Cascade, Cascaded, Chore, Due, Expire, ForgetAwaited, ForgetKeys, KeepUptime, Overdue, Release, SettleOverdue, StoreError,
    Unblock, Wake,
};
use futures::future::join_all;
use std::time::Duration;
use tokio::sync::watch;

/// How often uptime is written down while a deadline lies ahead.
const KEEP_EVERY: Duration = Duration::from_secs(5);
/// How often old idempotency keys, pulses, logs of dead attempts and what is over its time are forgotten.
const TIDY_EVERY: Duration = Duration::from_mins(10);
/// How long the end of a server waits for the last sync.
const LAST_SYNC: Duration = Duration::from_secs(15);
/// How often it is written down when tokens were used last, and full buckets are forgotten.
const NOTE_EVERY: Duration = Duration::from_mins(1);

/// Runs until the server stops, and syncs the logs once more at the end.
pub(super) async fn run(app: App) {
    tokio::join!(deadlines(&app), log_syncs(&app), tidying(&app), noting(&app));
}

async fn deadlines(app: &App) {
    let times = &app.settings.times;
    let outage = Duration::from_millis(times.outage_ms);
    let mut last = app.settings.clock.monotonic();
    let mut kept = last;
    let mut fell_due = app.store.changes().due();
    let mut more = false;
    while more || round(app, times.tick_ms, &mut fell_due).await {
        let due = app.store.due(app.settings.clock.now()).await;
        let now = app.settings.clock.monotonic();
        more = false;
        match due {
            Ok(due) => {
                app.store.uptime().advance(now.saturating_sub(last), outage);
                match act(app, &due).await {
                    Ok(()) => more = due.more && !app.stop().is_cancelled(),
                    Err(error) => tracing::error!(%error, "deadlines could not be served"),
                }
                if due.pending && now.saturating_sub(kept) >= KEEP_EVERY {
                    kept = now;
                    if let Err(error) = app.store.run(KeepUptime).await {
                        tracing::error!(%error, "uptime could not be kept");
                    }
                }
            }
            Err(error) => tracing::error!(%error, "deadlines could not be read"),
        }
        // Uptime counts whole milliseconds; what is left of one counts in the next round, however soon that comes.
        last = now.saturating_sub(Duration::from_nanos(u64::from(now.saturating_sub(last).subsec_nanos() % 1_000_000)));
    }
}

/// Waits for the next round, which comes at once where something fell due; `false` when the server stops.
async fn round(app: &App, tick_ms: u64, fell_due: &mut watch::Receiver<u64>) -> bool {
    tokio::select! {
        go_on = pause(app, tick_ms) => go_on,
        // The store outlives the clockwork, and with it the sender.
        _ = fell_due.changed() => !app.stop().is_cancelled(),
    }
}

/// Serves what has fallen due.
pub(super) async fn act(app: &App, due: &Due) -> Result<(), StoreError> {
    let (expired, unsettled, overdue, unblocked, woken) = tokio::join!(
        join_all(due.expired.iter().map(|attempt| app.store.run(Expire(*attempt)))),
        join_all(due.unsettled.iter().map(|attempt| app.store.run(SettleOverdue(*attempt)))),
        join_all(due.overdue.iter().map(|task| app.store.run(Overdue(*task)))),
        join_all(due.unblocked.iter().map(|task| app.store.run(Unblock(*task)))),
        join_all(due.waiting.iter().map(|task| app.store.run(Wake(*task)))),
    );
    for attempt in &due.unsettled {
        app.close_log(*attempt).await;
    }
    let all = [expired, unsettled, overdue, unblocked, woken].into_iter().flatten();
    all.collect::<Result<Vec<bool>, _>>()?;
    for chore in &due.chores {
        match chore {
            Chore::ForgetAwaited => app.store.run(ForgetAwaited).await?,
            Chore::Age => app.store.run(Age).await?,
            Chore::Release => app.store.run(Release).await?,
            Chore::Cascade => carry_on(app, app.store.run(Cascade).await?).await?,
        }
    }
    Ok(())
}

/// What follows for live attempts from the cancel of a step of children.
pub(super) async fn carry_on(app: &App, Cascaded { ended, asked }: Cascaded) -> Result<(), StoreError> {
    for attempt in ended {
        app.close_log(attempt).await;
    }
    // Whose agent is silent would never hear of it.
    let silent: Vec<_> = asked.into_iter().filter(|attempt| app.is_quiet(*attempt)).collect();
    app.cancel_silent(silent.into_iter().map(|attempt| attempt.task)).await
}

async fn log_syncs(app: &App) {
    while pause(app, app.settings.times.log_sync_ms).await {
        app.sync_logs().await;
    }
    // What an object store does not take in time, agents still have.
    if tokio::time::timeout(LAST_SYNC, app.sync_all_logs()).await.is_err() {
        tracing::warn!("the last bytes of logs did not reach the object store; agents send them again");
    }
}

async fn tidying(app: &App) {
    while pause(app, u64::try_from(TIDY_EVERY.as_millis()).unwrap_or(u64::MAX)).await {
        tidy(app).await;
    }
}

async fn noting(app: &App) {
    let every = u64::try_from(NOTE_EVERY.as_millis()).unwrap_or(u64::MAX);
    while pause(app, every).await {
        note(app).await;
    }
    note(app).await;
}

/// Writes down which tokens were used, and lets go of full buckets.
pub(super) async fn note(app: &App) {
    app.rates.forget();
    if let Err(error) = app.tokens.note(&app.store).await {
        tracing::error!(%error, "when tokens were used could not be written down");
    }
}

/// Forgets what is over.
pub(super) async fn tidy(app: &App) {
    let lost = i64::try_from(app.settings.times.heartbeat_lost_ms).unwrap_or(i64::MAX);
    app.pulses.forget_before(app.store.uptime().now().saturating_sub(lost.saturating_mul(2)));
    if let Err(error) = app.store.run(ForgetKeys).await {
        tracing::error!(%error, "old idempotency keys could not be forgotten");
    }
    if let Err(error) = app.close_dead_logs().await {
        tracing::error!(%error, "the logs of dead attempts could not be closed");
    }
    if let Err(error) = audit::forget(app).await {
        tracing::error!(%error, "old rows of the audit log could not be removed");
    }
    if let Err(error) = retention::round(app).await {
        tracing::error!(%error, "what is over its time could not be removed");
    }
}

/// Waits; `false` when the server stops.
pub(super) async fn pause(app: &App, ms: u64) -> bool {
    tokio::select! {
        () = app.stop().cancelled() => false,
        () = tokio::time::sleep(Duration::from_millis(ms)) => true,
    }
}
