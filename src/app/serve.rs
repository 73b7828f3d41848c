//! The server's role.

use super::{
    ambient::{SystemClock, SystemRng},
    args::{ServerArgs, StoreArgs},
    bootstrap,
    data_dir::DataDir,
    issuers, kept,
    pod::Pod,
    room,
    surroundings::{self, say},
    turn,
};
use crate::{
    blob::{Logs, Place, Remote, Uploads},
    domain::{Issuer, Rates, Times},
    server::{App, Bounds, Keys, Listener, Settings, Tls},
    store::{Ambient, Store, names_file},
};
use anyhow::{Context, Result, anyhow, bail};
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// `slipway server`.
pub(super) async fn run(args: ServerArgs) -> Result<()> {
    let stop = surroundings::stop()?;
    let ca = surroundings::variable("SLIPWAY_CA_FILE").map(PathBuf::from);
    let file = args.config.as_deref().map_or_else(|| Ok(issuers::Said::default()), |file| issuers::read(file, ca.as_deref()))?;
    let near = file.tls.as_ref().and_then(|tls| tls.near);
    // This process calls itself for the queues that it keeps.
    let near = near.or_else(|| file.queues.is_some().then_some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))));
    let files = args.tls_cert.zip(args.tls_key).or(file.tls.map(|tls| (tls.cert_file, tls.key_file)));
    let tls = files.map(|(cert, key)| Tls::open(&cert, &key)).transpose().map_err(|error| anyhow!("TLS: {error}"))?;
    // Nothing is started from here that could inherit the room for files.
    room::widen();
    let admin_token = file.admin_token;
    let (bounds, rates) = (file.connections, file.rates);
    let way = Way {
        tls,
        database: args.database,
        pod: Pod::find(&stop)?,
        bounds,
        issuers: file.issuers,
        near,
        admin_token,
        rates,
        proxies: file.proxies,
        blobs: file.blobs,
    };
    let Some(server) = Box::pin(Serving::start(&args.store, way, stop.clone())).await? else { return Ok(()) };
    if let Some(queues) = file.queues {
        tokio::spawn(kept::keep(queues, server.near.clone(), server.admin_token.clone(), stop));
    }
    say(format_args!("slipway {} serves {}", env!("CARGO_PKG_VERSION"), server.url));
    say(format_args!("  data         {}", server.dir.path().display()));
    if let Some(blobs) = &server.blobs {
        say(format_args!("  bytes        {blobs}"));
    }
    say(format_args!("  admin token  {}", server.admin_token.display()));
    server.ended().await
}

/// How a server takes calls.
#[derive(Default)]
pub(super) struct Way {
    pub(super) tls: Option<Tls>,
    /// The Postgres database in place of the one in the data directory.
    pub(super) database: Option<SecretString>,
    /// The pod that is told whether it serves.
    pub(super) pod: Option<Pod>,
    pub(super) bounds: Bounds,
    pub(super) issuers: Vec<(Issuer, Arc<dyn Keys>)>,
    /// Where it is called without TLS too, if anywhere: from this very machine, for which its certificate need not be one.
    pub(super) near: Option<SocketAddr>,
    /// Where the admin token is in place of the data directory.
    pub(super) admin_token: Option<PathBuf>,
    pub(super) rates: Rates,
    pub(super) proxies: Vec<IpNet>,
    /// Where the bytes are kept in place of the data directory, and what calls it.
    pub(super) blobs: Option<(Place, reqwest::Client)>,
}

/// A running server.
pub(super) struct Serving {
    /// How clients on this machine reach it.
    pub(super) url: String,
    /// How this process does.
    pub(super) near: String,
    pub(super) dir: DataDir,
    pub(super) admin_token: PathBuf,
    /// The address of the object store, if there is one.
    pub(super) blobs: Option<String>,
    store: Store,
    stop: CancellationToken,
    task: JoinHandle<()>,
    writer: JoinHandle<()>,
}

impl Serving {
    /// Takes the data directory, opens everything and listens; answers when the server can be called, with none where it was
    /// stopped before.
    pub(super) async fn start(args: &StoreArgs, way: Way, stop: CancellationToken) -> Result<Option<Self>> {
        let times = times(args.times.as_deref())?;
        let dir = DataDir::take(&args.data_dir.clone().unwrap_or_else(surroundings::data_dir))?;
        let listener = TcpListener::bind(&args.listen).await.with_context(|| {
            format!("cannot listen on {}: is another server running? choose another address with --listen", args.listen)
        })?;
        let local = listener.local_addr()?;
        if !local.ip().is_loopback() && way.tls.is_none() {
            tracing::warn!(address = %local, "tokens travel in clear over plain http: give the server a certificate (--tls-cert, --tls-key), or put TLS in front of this address");
        }
        let url = url(if way.tls.is_some() { "https" } else { "http" }, local);
        let mut near = url.clone();
        let bounds = Bounds { max: way.bounds.max.min(room::connections()), ..way.bounds };
        let secure = way.tls.is_some();
        let mut listener = Listener::new(listener, way.tls).within(bounds);
        if let Some(own) = way.near.filter(|_| secure) {
            let own = TcpListener::bind(own).await.with_context(|| format!("cannot listen on {own} for this machine alone"))?;
            near = self::url("http", own.local_addr()?);
            listener = listener.and(own);
        }
        let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRng));
        let ambient = Ambient { clock: clock.clone(), rng: rng.clone(), times: times.clone(), faults: None };
        let file = dir.file("slipway.db");
        let database = way.database.filter(|database| !names_file(database.expose_secret(), &file));
        let shared = database.is_some();
        let opened = match database {
            None => Some(Store::open(&file, ambient).await.context("cannot open the database")?),
            Some(database) => turn::wait(&database, ambient, &listener, way.pod.as_ref(), &stop).await?,
        };
        let Some((store, writer)) = opened else { return Ok(None) };
        // Where several share a database and are given their token, each start would leave one more that nobody ever reads.
        let runners = !(shared && way.admin_token.is_some());
        let admin_token = way.admin_token.unwrap_or_else(|| dir.file(bootstrap::ADMIN_TOKEN));
        bootstrap::first_things(&store, &dir, &admin_token, runners, &*rng).await?;
        let remote = remote(&dir, way.blobs, clock.clone(), rng.clone()).await?;
        let blobs = remote.as_ref().map(|remote| remote.url().to_owned());
        let (logs, uploads) = (Logs::new(dir.path(), remote.clone()), Uploads::new(dir.path(), remote));
        let stopped = stop.clone();
        let settings = Settings { times, clock, rng, stop, issuers: way.issuers, rates: way.rates, proxies: way.proxies };
        let app = App::new(store.clone(), logs, uploads, settings).await?;
        let task = tokio::spawn(crate::server::serve(listener, app));
        if let Some(pod) = &way.pod {
            pod.serves();
        }
        Ok(Some(Self { url, near, dir, admin_token, blobs, store, stop: stopped, task, writer }))
    }

    /// How many attempts run.
    pub(super) async fn active(&self) -> Result<u64> {
        Ok(self.store.queues().await?.iter().map(|queue| queue.active).sum())
    }

    /// Waits for the server to end, and for what it had still to write.
    ///
    /// # Errors
    /// Another server has taken over, so this one ended.
    pub(super) async fn ended(self) -> Result<()> {
        let Self { dir, store, stop, mut task, mut writer, .. } = self;
        let lost = tokio::select! {
            ended = &mut task => { ended.context("the server failed")?; false }
            ended = &mut writer => { ended?; true }
        };
        if lost {
            // Only what it answers from memory is left of it, and that grows old.
            stop.cancel();
            task.await.context("the server failed")?;
            bail!("another server has taken over this database");
        }
        drop(store);
        writer.await?;
        drop(dir);
        Ok(())
    }
}

/// The object store, which does what is needed of it. Its address is left in the data directory for whoever makes a backup.
async fn remote(
    dir: &DataDir,
    blobs: Option<(Place, reqwest::Client)>,
    clock: Arc<SystemClock>,
    rng: Arc<SystemRng>,
) -> Result<Option<Remote>> {
    let Some((place, http)) = blobs else {
        if let Some(url) = dir.blobs()? {
            tracing::warn!(%url, "bytes of logs and uploads may lie in an object store that this server is not given: set blobs in its file again");
        }
        return Ok(None);
    };
    let remote = Remote::new(&place, http, clock, rng)?;
    remote.probe().await.context("blobs, in the server's file")?;
    dir.set_blobs(remote.url())?;
    Ok(Some(remote))
}

/// How clients on this machine reach a listener: a wildcard address is no destination.
fn url(scheme: &str, mut local: SocketAddr) -> String {
    if local.ip().is_unspecified() {
        local.set_ip(if local.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    format!("{scheme}://{local}")
}

/// The protocol's times: as they are, divided by a number, or with some of them replaced.
fn times(text: Option<&str>) -> Result<Times> {
    let Some(text) = text else { return Ok(Times::default()) };
    if let Ok(divisor) = text.parse() {
        return Ok(Times::default().divided_by(divisor));
    }
    let mut unknown = None;
    let mut from = serde_json::Deserializer::from_str(text);
    // Runners of other versions read over times that they do not know; whoever sets one is to know it.
    let read = serde_ignored::deserialize(&mut from, |path| {
        unknown.get_or_insert(path.to_string());
    });
    match read.and_then(|times| from.end().map(|()| times)) {
        Err(error) => bail!("--times: {error}"),
        Ok(times) => match unknown {
            Some(name) => bail!("--times: there is no time {name}"),
            None => Ok(times),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_there_is_not_is_refused_where_somebody_sets_it() {
        assert_eq!(times(Some(r#"{"tickMs": 7}"#)).unwrap().tick_ms, 7);
        assert_eq!(times(Some("10")).unwrap().tick_ms, 25);
        let said = |text: &str| times(Some(text)).unwrap_err().to_string();
        assert_eq!(said(r#"{"tickMss": 7}"#), "--times: there is no time tickMss");
        assert!(said("{} x").contains("trailing characters"), "{}", said("{} x"));
    }
}
