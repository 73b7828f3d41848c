//! What lies between an agent and its server, and what may befall it: cuts, half-open connections, resets, a foreign proxy's
//! answers, pieces of messages, slow lines.

use crate::support::{Dice, free_address};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};

/// What befalls every connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Everything passes.
    Fair,
    /// Nothing passes, and what was sent arrives once it is over, as over a network that is away for a while.
    Cut,
    /// The server's side of each connection is gone and the other one is not told: whatever is sent is swallowed, also later.
    HalfOpen,
    /// Connections are reset, new ones too.
    Reset,
    /// A foreign proxy answers in the server's place, with a page of HTML and status 200.
    Html,
    /// A part of what is sent passes, then the connection is reset.
    Partial,
    /// Bytes pass in small pieces with pauses.
    Slow,
}

/// All that is not fair.
pub(crate) const FOUL: [Weather; 6] = [Weather::Cut, Weather::HalfOpen, Weather::Reset, Weather::Html, Weather::Partial, Weather::Slow];

/// An address before a server; serves until it is dropped.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    weather: watch::Sender<Weather>,
    sent: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// How much of a message passes in parts, and how slow is slow, comes from `seed` and the number of the connection.
    pub(crate) async fn before(server: SocketAddr, seed: u64) -> Self {
        Self::at(Ipv4Addr::LOCALHOST.into(), server, seed).await
    }

    /// The same at an address that others than this machine's reach.
    pub(crate) async fn at(ip: IpAddr, server: SocketAddr, seed: u64) -> Self {
        let address = free_address(ip);
        let listener = TcpListener::bind(address).await.expect("an address");
        let (weather, sent) = (watch::Sender::new(Weather::Fair), Arc::<AtomicU64>::default());
        let (now, count) = (weather.clone(), sent.clone());
        let task = tokio::spawn(async move {
            let mut nth = 0;
            while let Ok((caller, _)) = listener.accept().await {
                nth += 1;
                tokio::spawn(carry(caller, server, Dice::of(seed ^ (nth << 32)), now.subscribe(), count.clone()));
            }
        });
        Self { address, weather, sent, task }
    }

    pub(crate) fn turn(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    /// How many bytes passed on the way to the server.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How a connection ends.
enum Fate {
    /// One side closed it.
    Closed,
    Reset,
    /// The server's side is gone, and nobody says so.
    Swallowed,
}

async fn carry(mut caller: TcpStream, server: SocketAddr, mut dice: Dice, mut weather: watch::Receiver<Weather>, sent: Arc<AtomicU64>) {
    let at_first = weather.wait_for(|now| *now != Weather::Cut).await.map_or(Weather::Reset, |now| *now);
    let fate = match at_first {
        Weather::Html => return answer(caller).await,
        Weather::Reset => Fate::Reset,
        Weather::HalfOpen => Fate::Swallowed,
        _ => match TcpStream::connect(server).await {
            Ok(mut server) => {
                let (mut from, mut to) = caller.split();
                let (mut back, mut forth) = server.split();
                let (mut there, mut here) = (Dice::of(dice.below(u64::MAX)), Dice::of(dice.below(u64::MAX)));
                tokio::select! {
                    fate = pump(&mut from, &mut forth, &mut there, weather.clone(), Some(&sent)) => fate,
                    fate = pump(&mut back, &mut to, &mut here, weather.clone(), None) => fate,
                }
            }
            Err(_) => Fate::Reset,
        },
    };
    match fate {
        Fate::Closed => {}
        Fate::Reset => {
            let _ = caller.set_zero_linger();
        }
        Fate::Swallowed => {
            let _ = tokio::io::copy(&mut caller, &mut tokio::io::sink()).await;
        }
    }
}

/// Carries bytes one way until the weather or one side ends it.
async fn pump(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    dice: &mut Dice,
    mut weather: watch::Receiver<Weather>,
    sent: Option<&AtomicU64>,
) -> Fate {
    let mut bytes = vec![0; 64 << 10];
    let mut partial = false;
    loop {
        let now = *weather.borrow_and_update();
        match now {
            Weather::Reset | Weather::Html => return Fate::Reset,
            Weather::HalfOpen => return Fate::Swallowed,
            Weather::Partial => partial = true,
            Weather::Fair | Weather::Slow => partial = false,
            Weather::Cut => {}
        }
        let read = tokio::select! {
            changed = weather.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return Fate::Reset,
            },
            read = from.read(&mut bytes), if now != Weather::Cut => read,
        };
        let Ok(count @ 1..) = read else { return Fate::Closed };
        // It may have changed while this was read.
        if *weather.borrow() == Weather::Cut && weather.wait_for(|now| *now != Weather::Cut).await.is_err() {
            return Fate::Reset;
        }
        let passes = if partial { usize::try_from(dice.below(count as u64)).unwrap_or(0) } else { count };
        let piece = if now == Weather::Slow { 1 + count / 8 } else { count };
        for part in bytes[..passes].chunks(piece) {
            if now == Weather::Slow {
                sleep(Duration::from_millis(dice.below(50))).await;
            }
            if to.write_all(part).await.is_err() {
                return Fate::Closed;
            }
            if let Some(sent) = sent {
                sent.fetch_add(part.len() as u64, Ordering::Relaxed);
            }
        }
        if partial {
            return Fate::Reset;
        }
    }
}

/// Answers one request as a proxy does that knows nothing of its server.
async fn answer(mut caller: TcpStream) {
    const PAGE: &str = "<html><body>Please sign in to this network.</body></html>";
    let mut request = Vec::new();
    let exchange = async {
        let mut bytes = [0; 4096];
        while !request.windows(4).any(|four| four == b"\r\n\r\n") {
            match caller.read(&mut bytes).await {
                Ok(count @ 1..) => request.extend_from_slice(&bytes[..count]),
                _ => return,
            }
        }
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", PAGE.len());
        let _ = caller.write_all(format!("{head}{PAGE}").as_bytes()).await;
        let _ = caller.shutdown().await;
        // What is left of the body must be taken, or the answer is lost with a reset.
        let _ = tokio::io::copy(&mut caller, &mut tokio::io::sink()).await;
    };
    let _ = timeout(Duration::from_secs(5), exchange).await;
}
