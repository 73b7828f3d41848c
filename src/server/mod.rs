//! The queue server: the HTTP API over store and blobs, and the clockwork that serves deadlines.
//!
//! One file per route, in the order of the URL; what a route needs of its caller stands in one table (`access.rs`).
//! A handler parses, asks the store, and answers; rules live in `domain`.

mod access;
mod attempts;
mod audit;
mod auth;
mod body;
mod budgets;
mod caches;
mod checks;
mod clockwork;
mod convert;
mod document;
mod entries;
mod envelope;
mod error;
mod etag;
mod events;
mod export;
mod flow;
mod footing;
mod health;
mod identity;
mod listen;
mod logs;
mod machines;
mod meta;
mod metrics;
mod nodes;
mod orders;
mod page;
mod preview;
mod pulse;
mod queues;
mod rates;
mod reads;
mod retention;
mod router;
mod runner;
mod runners;
mod standby;
mod state;
mod stuck;
mod supersede;
mod tasks;
#[cfg(test)]
mod tests;
mod tokens;
mod unserved;
mod uploads;
mod usage;

pub use identity::Keys;
pub use listen::{Bounds, Listener, Peer, Tls, networks};
pub use router::{openapi, router};
pub use standby::stand_by;
pub use state::{App, Settings};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Serves until `stop` is cancelled, then ends the waiting calls, and returns when what is in flight is answered (5 s at
/// most).
pub async fn serve(listener: impl Into<Listener>, app: App) {
    let tracker = TaskTracker::new();
    tracker.spawn(flow::remember(app.clone()));
    tracker.spawn(clockwork::run(app.clone()));
    tracker.spawn(stuck::run(app.clone()));
    tracker.spawn(supersede::run(app.clone()));
    tracker.close();
    let stop: CancellationToken = app.stop().clone();
    let listener = listener.into();
    let server = listener.serve(&app, router(app.clone()));
    let patience = async {
        stop.cancelled().await;
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    };
    tokio::select! {
        () = server => {}
        () = patience => tracing::warn!("some calls did not end in time"),
    }
    tracker.wait().await;
}
