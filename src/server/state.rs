//! What every handler shares.

use super::{caches::Queues, caches::Tokens, metrics::Metrics, pulse::Pulses, runners::Seen};
use crate::{
    blob::Logs,
    domain::{Clock, Rng, Times, UnixMs},
    store::{Result, Store},
};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// How a server is set up.
#[derive(Clone)]
pub struct Settings {
    /// The times of the protocol.
    pub times: Times,
    /// Wall clock and monotonic clock.
    pub clock: Arc<dyn Clock>,
    /// Tokens and request ids.
    pub rng: Arc<dyn Rng>,
    /// Ends the server.
    pub stop: CancellationToken,
}

/// The server's state; clones share it.
#[derive(Clone)]
pub struct App(Arc<Inner>);

pub(super) struct Inner {
    pub(super) store: Store,
    pub(super) logs: Logs,
    pub(super) settings: Settings,
    pub(super) tokens: Tokens,
    pub(super) queues: Queues,
    pub(super) pulses: Pulses,
    pub(super) seen: Seen,
    pub(super) metrics: Metrics,
}

impl App {
    /// A server over an open store and its logs. It reads the tokens and queues once; from then on it alone changes
    /// them.
    pub async fn new(store: Store, logs: Logs, settings: Settings) -> Result<Self> {
        let tokens = Tokens::load(&store).await?;
        let queues = Queues::load(&store).await?;
        let up = store.uptime().now();
        let inner =
            Inner { store, logs, settings, tokens, queues, pulses: Pulses::since(up), seen: Seen::since(up), metrics: Metrics::new() };
        Ok(Self(Arc::new(inner)))
    }

    /// Ends the server when cancelled.
    #[must_use]
    pub fn stop(&self) -> &CancellationToken {
        &self.0.settings.stop
    }

    pub(super) fn now(&self) -> UnixMs {
        self.settings.clock.now()
    }
}

impl std::ops::Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}
