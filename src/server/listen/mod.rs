//! The way in: connections, plain or under TLS, within bounds (`docs/decisions/0018-listener.md`).
//!
//! Whoever opens connections and asks for nothing, slowly, gets a place for seconds and takes it from nobody: such connections are
//! the ones that go when there is no room. What is asked is answered however long it takes.

mod bounds;
mod connection;
mod ledger;
mod pace;
mod stream;
mod tls;
mod validity;

pub use bounds::{Bounds, networks};
pub(super) use connection::bounds_of;
pub use tls::Tls;

use super::{metrics::Metrics, state::App};
use crate::domain::Clock;
use axum::{Router, http::HeaderMap};
use connection::Connection;
use ledger::{Ledger, Verdict};
use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    time::Duration,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How often it is said that tokens come in clear, at most.
const REMIND: Duration = Duration::from_hours(1);
/// Where nothing can be accepted (no file descriptors are left) it is tried again after this.
const BREATH: Duration = Duration::from_millis(200);
/// How many may connect at once before they are accepted, as far as the system's own bound goes (`net.core.somaxconn`). With the
/// libraries' 128 a burst on a busy machine waits a second for the next try, or is reset.
const BACKLOG: i32 = 4_096;

/// Where a server listens, and how.
#[derive(Debug)]
pub struct Listener {
    ways: Vec<(Arc<TcpListener>, Option<Tls>)>,
    bounds: Bounds,
}

impl From<TcpListener> for Listener {
    fn from(tcp: TcpListener) -> Self {
        Self::new(tcp, None)
    }
}

impl Listener {
    /// A way in, under TLS where there is one.
    #[must_use]
    pub fn new(tcp: TcpListener, tls: Option<Tls>) -> Self {
        Self { ways: vec![(roomy(tcp), tls)], bounds: Bounds::default() }
    }

    /// The same with another way in, without TLS.
    #[must_use]
    pub fn and(mut self, tcp: TcpListener) -> Self {
        self.ways.push((roomy(tcp), None));
        self
    }

    /// The same within other bounds.
    #[must_use]
    pub fn within(self, bounds: Bounds) -> Self {
        Self { bounds, ..self }
    }

    /// Serves until the server stops, then tells whoever is connected that it is over, and ends when all are gone.
    pub(super) async fn serve(&self, app: &App, router: Router) {
        self.serve_until(app.stop().clone(), app.settings.clock.clone(), app.metrics.clone(), router).await;
    }

    /// The same without an app behind it.
    pub(super) async fn serve_until(&self, stop: CancellationToken, clock: Arc<dyn Clock>, metrics: Arc<Metrics>, router: Router) {
        let tasks = TaskTracker::new();
        let ledger = Mutex::new(Ledger::new(self.bounds.max, self.bounds.per_address));
        let door = Arc::new(Door { ledger, bounds: Arc::new(self.bounds.clone()), metrics, stop, clock, reminded: Mutex::default() });
        let ways = self.ways.iter().map(|(tcp, tls)| {
            if let Some(tls) = tls {
                tasks.spawn(tls.clone().follow(door.clock.clone(), door.metrics.clone(), door.stop.clone()));
            }
            door.clone().accept(tcp, tls.clone(), &tasks, &router)
        });
        futures::future::join_all(ways).await;
        tasks.close();
        tasks.wait().await;
    }
}

/// Who calls: an extension of every request that came by a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The other end of the connection; of a proxy, where one stands between.
    pub address: SocketAddr,
    /// Whether it came under TLS.
    pub secure: bool,
}

/// What all connections share.
struct Door {
    ledger: Mutex<Ledger<CancellationToken>>,
    bounds: Arc<Bounds>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    clock: Arc<dyn Clock>,
    /// When it was said last that tokens come in clear.
    reminded: Mutex<Option<Duration>>,
}

impl Door {
    fn with<T>(&self, act: impl FnOnce(&mut Ledger<CancellationToken>) -> T) -> T {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let result = act(&mut ledger);
        self.metrics.connections.set(i64::try_from(ledger.len()).unwrap_or(i64::MAX));
        result
    }

    /// Takes connections until the server stops.
    async fn accept(self: Arc<Self>, tcp: &TcpListener, tls: Option<Tls>, tasks: &TaskTracker, router: &Router) {
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = tcp.accept() => accepted,
            };
            match accepted {
                Ok((tcp, address)) => {
                    if let Some(connection) = self.enter(&tcp, address, tls.clone()) {
                        tasks.spawn(connection.serve(tcp, router.clone()));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }

    /// Lets a connection in, if there is room.
    fn enter(self: &Arc<Self>, tcp: &TcpStream, address: SocketAddr, tls: Option<Tls>) -> Option<Connection> {
        let out = CancellationToken::new();
        let counted = Some(address.ip()).filter(|ip| self.bounds.counts(ip.to_canonical()));
        let why = match self.with(|ledger| ledger.enter(counted, out.clone())) {
            Verdict::In(id, gone) => {
                if let Some(gone) = gone {
                    self.metrics.dropped("noRoom");
                    gone.cancel();
                }
                if let Err(error) = prepare(tcp, self.bounds.write) {
                    tracing::debug!(%error, peer = %address, "a socket could not be set up");
                }
                return Some(Connection { id, address, tls, out, proven: AtomicBool::new(false), door: self.clone() });
            }
            Verdict::Full => "full",
            Verdict::FullAddress => "fullAddress",
        };
        self.metrics.dropped(why);
        tracing::debug!(peer = %address, why, "a connection was refused");
        None
    }

    fn prove(&self, id: u64) {
        self.with(|ledger| ledger.prove(id));
    }

    fn leave(&self, id: u64) {
        self.with(|ledger| ledger.leave(id));
    }

    /// A token came without TLS: says so now and then, unless it came from this machine or from a proxy that had TLS.
    fn in_clear(&self, from: IpAddr, headers: &HeaderMap) {
        let told = headers.get("x-forwarded-proto").is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"));
        if from.to_canonical().is_loopback() || told {
            return;
        }
        let now = self.clock.monotonic();
        let mut reminded = self.reminded.lock().unwrap_or_else(PoisonError::into_inner);
        if reminded.is_none_or(|last| now.saturating_sub(last) >= REMIND) {
            *reminded = Some(now);
            tracing::warn!(%from, "tokens come in clear over plain http: give the server a certificate (--tls-cert, --tls-key), or put TLS in front of it");
        }
    }
}

/// The same with room for many who connect at once.
fn roomy(tcp: TcpListener) -> Arc<TcpListener> {
    if let Err(error) = socket2::SockRef::from(&tcp).listen(BACKLOG) {
        tracing::warn!(%error, "many who connect at once may have to wait");
    }
    tcp.into()
}

/// Small answers leave at once; a peer that is gone without a word is found.
fn prepare(tcp: &TcpStream, patience: Duration) -> std::io::Result<()> {
    tcp.set_nodelay(true)?;
    let socket = socket2::SockRef::from(tcp);
    socket.set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(Duration::from_mins(1)).with_interval(Duration::from_secs(15)))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(patience.max(Duration::from_secs(30))))?;
    #[cfg(not(target_os = "linux"))]
    let _ = patience;
    Ok(())
}
