//! What every handler shares.

use super::{
    audit::Recorder,
    caches::{Queues, Runners, Tokens},
    checks::Checks,
    flow::Flow,
    footing::Footings,
    identity::{Identity, Keys},
    metrics::Metrics,
    nodes::Nodes,
    orders::Templates,
    pulse::Pulses,
    rates::Rates,
    reads::Reads,
    runners::Seen,
    stuck::Watchdog,
    unserved::Unserved,
};
use crate::{
    blob::{Logs, Uploads},
    domain::{Clock, Issuer, Rates as Limits, Rng, Times, UnixMs},
    store::{Result, Store},
};
use ipnet::IpNet;
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
    /// Others whose word on who a caller is counts, each with where its keys come from.
    pub issuers: Vec<(Issuer, Arc<dyn Keys>)>,
    /// How often one caller may call.
    pub rates: Limits,
    /// Networks of proxies whose `X-Forwarded-For` is believed.
    pub proxies: Vec<IpNet>,
}

/// The server's state; clones share it. A request clones it several times, so that costs no more than one count.
#[derive(Clone)]
pub struct App(Arc<Shared>);

impl std::ops::Deref for App {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// A test changes a server before it is used.
#[cfg(test)]
impl std::ops::DerefMut for App {
    fn deref_mut(&mut self) -> &mut Shared {
        Arc::make_mut(&mut self.0)
    }
}

/// What there is once in a server.
#[cfg_attr(test, derive(Clone))]
pub struct Shared {
    pub(super) store: Store,
    pub(super) reads: Arc<Reads>,
    pub(super) logs: Logs,
    pub(super) uploads: Uploads,
    /// Held for writing while uploads are removed.
    pub(super) removing_uploads: Arc<tokio::sync::RwLock<()>>,
    pub(super) settings: Arc<Settings>,
    pub(super) tokens: Arc<Tokens>,
    pub(super) identity: Arc<Identity>,
    pub(super) queues: Arc<Queues>,
    pub(super) runners: Arc<Runners>,
    pub(super) templates: Arc<Templates>,
    pub(super) nodes: Arc<Nodes>,
    pub(super) checks: Arc<Checks>,
    pub(super) footings: Arc<Footings>,
    pub(super) unserved: Arc<Unserved>,
    pub(super) pulses: Arc<Pulses>,
    pub(super) flow: Arc<Flow>,
    pub(super) seen: Arc<Seen>,
    pub(super) watchdog: Arc<Watchdog>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) rates: Arc<Rates>,
    pub(super) audit: Arc<Recorder>,
}

impl App {
    /// A server over an open store and its bytes. It reads the tokens, queues and runners once; from then on it alone
    /// changes them.
    pub async fn new(store: Store, logs: Logs, uploads: Uploads, settings: Settings) -> Result<Self> {
        let tokens = Arc::new(Tokens::load(&store).await?);
        let queues = Arc::new(Queues::load(&store).await?);
        let runners = Arc::new(Runners::load(&store).await?);
        let up = store.uptime().now();
        let audit = Arc::new(Recorder::new(store.clone(), settings.clock.clone()));
        Ok(Self(Arc::new(Shared {
            reads: Arc::new(Reads::new(store.clone())),
            store,
            logs,
            uploads,
            removing_uploads: Arc::default(),
            identity: Arc::new(Identity::new(settings.issuers.clone())),
            rates: Arc::new(Rates::new(&settings.rates, &settings.clock)),
            audit,
            settings: Arc::new(settings),
            tokens,
            queues,
            runners,
            templates: Arc::default(),
            nodes: Arc::default(),
            checks: Arc::default(),
            footings: Arc::default(),
            unserved: Arc::default(),
            pulses: Arc::new(Pulses::since(up)),
            flow: Arc::default(),
            seen: Arc::new(Seen::since(up)),
            watchdog: Arc::default(),
            metrics: Arc::new(Metrics::new()),
        })))
    }

    /// Ends the server when cancelled.
    #[must_use]
    pub fn stop(&self) -> &CancellationToken {
        &self.settings.stop
    }

    pub(super) fn now(&self) -> UnixMs {
        self.settings.clock.now()
    }
}
