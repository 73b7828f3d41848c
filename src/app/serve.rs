//! The server's role.

use super::{
    ambient::{SystemClock, SystemRng},
    args::{ServerArgs, StoreArgs},
    bootstrap,
    data_dir::DataDir,
    issuers, kept,
    surroundings::{self, say},
};
use crate::{
    blob::{Logs, Uploads},
    domain::{Issuer, Times},
    server::{App, Keys, Settings},
    store::{Ambient, Store},
};
use anyhow::{Context, Result, bail};
use std::{net::SocketAddr, sync::Arc};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// `slipway server`.
pub(super) async fn run(args: ServerArgs) -> Result<()> {
    let stop = surroundings::stop()?;
    let file = args.config.as_deref().map_or_else(|| Ok(issuers::Said::default()), issuers::read)?;
    let server = Serving::start(&args.store, file.issuers, stop.clone()).await?;
    if let Some(queues) = file.queues {
        tokio::spawn(kept::keep(queues, server.url.clone(), server.dir.file(bootstrap::ADMIN_TOKEN), stop));
    }
    say(format_args!("slipway {} serves {}", env!("CARGO_PKG_VERSION"), server.url));
    say(format_args!("  data         {}", server.dir.path().display()));
    say(format_args!("  admin token  {}", server.dir.file(bootstrap::ADMIN_TOKEN).display()));
    server.ended().await
}

/// A running server.
pub(super) struct Serving {
    /// How clients on this machine reach it.
    pub(super) url: String,
    pub(super) dir: DataDir,
    store: Store,
    task: JoinHandle<std::io::Result<()>>,
    writer: JoinHandle<()>,
}

impl Serving {
    /// Takes the data directory, opens everything and listens; answers when the server can be called.
    pub(super) async fn start(args: &StoreArgs, issuers: Vec<(Issuer, Arc<dyn Keys>)>, stop: CancellationToken) -> Result<Self> {
        let times = times(args.times.as_deref())?;
        let dir = DataDir::take(&args.data_dir.clone().unwrap_or_else(surroundings::data_dir))?;
        let listener = TcpListener::bind(&args.listen).await.with_context(|| {
            format!("cannot listen on {}: is another server running? choose another address with --listen", args.listen)
        })?;
        let local = listener.local_addr()?;
        if !local.ip().is_loopback() {
            tracing::warn!(address = %local, "tokens travel in clear over plain http: put TLS in front of this address");
        }
        let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRng));
        let ambient = Ambient { clock: clock.clone(), rng: rng.clone(), times: times.clone(), faults: None };
        let (store, writer) = Store::open(&dir.file("slipway.db"), ambient).await.context("cannot open the database")?;
        bootstrap::first_things(&store, &dir, &*rng).await?;
        let logs = Logs::new(dir.path());
        let app = App::new(store.clone(), logs, Uploads::new(dir.path()), Settings { times, clock, rng, stop, issuers }).await?;
        let task = tokio::spawn(crate::server::serve(listener, app));
        Ok(Self { url: url(local), dir, store, task, writer })
    }

    /// How many attempts run.
    pub(super) async fn active(&self) -> Result<u64> {
        Ok(self.store.queues().await?.iter().map(|queue| queue.active).sum())
    }

    /// Waits for the server to end, and for what it had still to write.
    pub(super) async fn ended(self) -> Result<()> {
        let Self { dir, store, task, writer, .. } = self;
        task.await?.context("the server failed")?;
        drop(store);
        writer.await?;
        drop(dir);
        Ok(())
    }
}

/// How clients on this machine reach a listener: a wildcard address is no destination.
fn url(mut local: SocketAddr) -> String {
    if local.ip().is_unspecified() {
        local.set_ip(if local.is_ipv4() { std::net::Ipv4Addr::LOCALHOST.into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    format!("http://{local}")
}

/// The protocol's times: as they are, divided by a number, or with some of them replaced.
fn times(text: Option<&str>) -> Result<Times> {
    let Some(text) = text else { return Ok(Times::default()) };
    if let Ok(divisor) = text.parse() {
        return Ok(Times::default().divided_by(divisor));
    }
    match serde_json::from_str(text) {
        Ok(times) => Ok(times),
        Err(error) => bail!("--times: {error}"),
    }
}
