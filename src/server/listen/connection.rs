//! One connection: handshake, calls, end.

use super::{
    Bounds, Door, Peer, Tls,
    pace::{Late, Pace, Turn},
    stream::Noted,
};
use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::{Version, header},
    response::Response,
};
use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// How long a connection that is to end has to end well.
const GRACE: Duration = Duration::from_secs(2);
/// The most bytes of a request's head.
const MAX_HEAD: u32 = 64 << 10;
/// The most calls at once on one connection of HTTP/2.
const MAX_STREAMS: u32 = 256;
/// Peers that are gone without a word are found by this.
const PING: Duration = Duration::from_secs(30);

/// A connection that was let in.
pub(super) struct Connection {
    pub(super) id: u64,
    pub(super) address: SocketAddr,
    pub(super) tls: Option<Tls>,
    /// Cancelled when it has to go for another.
    pub(super) out: CancellationToken,
    /// Whether it has asked for something.
    pub(super) proven: AtomicBool,
    pub(super) door: Arc<Door>,
}

/// What ends a connection from our side.
enum End {
    /// The server stops, or the last answer was given.
    Stop,
    /// It is late.
    Late(Late),
    /// It has to go for another, or had its time to end well.
    Now,
}

impl Connection {
    /// Serves it to its end.
    pub(super) async fn serve(self, tcp: TcpStream, router: Router) {
        let pace = Pace::begin(Instant::now());
        let io = Noted::new(tcp, pace.clone());
        let Some(tls) = &self.tls else { return self.http(io, pace, router).await };
        let shaken = tokio::select! {
            shaken = tls.acceptor().accept(io) => shaken,
            _ = pace.late(&self.door.bounds) => return self.door.metrics.dropped("handshake"),
            () = self.out.cancelled() => return,
            () = self.door.stop.cancelled() => return,
        };
        match shaken {
            Ok(io) => self.http(io, pace, router).await,
            Err(error) => {
                self.door.metrics.dropped("handshake");
                tracing::debug!(peer = %self.address, %error, "no TLS");
            }
        }
    }

    async fn http(&self, io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, pace: Pace, router: Router) {
        let last = CancellationToken::new();
        let service = hyper::service::service_fn(|request| self.call(request, &pace, last.clone(), router.clone()));
        let builder = builder();
        let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
        let stop = async {
            tokio::select! {
                () = self.door.stop.cancelled() => {}
                () = last.cancelled() => {}
            }
        };
        let (out, late) = (self.out.cancelled(), pace.late(&self.door.bounds));
        // Each is looked at when it wakes, not whenever a byte comes: the locks behind them are everybody's.
        let mut ends =
            FuturesUnordered::from_iter([stop.map(|()| End::Stop).boxed(), out.map(|()| End::Now).boxed(), late.map(End::Late).boxed()]);
        loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::trace!(peer = %self.address, %error, "a connection broke");
                    }
                    return;
                }
                Some(end) = ends.next() => match end {
                    End::Stop => connection.as_mut().graceful_shutdown(),
                    End::Late(why) => {
                        if why != Late::Idle {
                            self.door.metrics.dropped(if why == Late::Head { "slowHead" } else { "slowReader" });
                        }
                        let grace = if why == Late::Write { Duration::ZERO } else { GRACE };
                        ends.push(tokio::time::sleep(grace).map(|()| End::Now).boxed());
                        connection.as_mut().graceful_shutdown();
                    }
                    End::Now => return,
                },
            }
        }
    }

    fn call(
        &self,
        request: hyper::Request<Incoming>,
        pace: &Pace,
        last: CancellationToken,
        router: Router,
    ) -> impl Future<Output = Result<Response, Infallible>> + use<> {
        let turn = pace.turn();
        if !self.proven.swap(true, Ordering::Relaxed) {
            self.door.prove(self.id);
        }
        let mut request: Request = request.map(Body::new);
        let secure = self.tls.is_some();
        if !secure && request.headers().contains_key(header::AUTHORIZATION) {
            self.door.in_clear(self.address.ip(), request.headers());
        }
        request.extensions_mut().insert(Peer { address: self.address, secure });
        request.extensions_mut().insert(self.door.bounds.clone());
        let multiplexed = request.version() == Version::HTTP_2;
        async move {
            let mut response = router.oneshot(request).await?;
            // HTTP/1 itself has a word for it.
            if multiplexed && response.headers_mut().remove(header::CONNECTION).is_some() {
                last.cancel();
            }
            Ok(response.map(|body| Body::new(Counted { body, _turn: turn })))
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.door.leave(self.id);
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // The pace of heads is ours (`pace`): a limit of hyper's would also end connections on which nothing is asked.
    builder.http1().header_read_timeout(None).max_buf_size(MAX_HEAD as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}

/// The body of an answer, which is not answered to its end while this lives.
struct Counted {
    body: Body,
    _turn: Turn,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The bounds that a request came under; the usual ones where it came by no connection.
pub(in crate::server) fn bounds_of(extensions: &axum::http::Extensions) -> Arc<Bounds> {
    extensions.get::<Arc<Bounds>>().cloned().unwrap_or_default()
}
