//! A proxy between a glue and the API server, which does to calls and watches what networks, load balancers and API
//! servers do. Plain HTTP in front, TLS behind; the caller's own credential goes through.
//!
//! What becomes of a call is decided by pure functions of the seed and the call's number (`fate`). What passes is counted
//! (`tally`).

pub(crate) mod call;
pub(crate) mod fate;
mod tally;
mod watch;

pub(crate) use fate::{CallFaults, WatchFaults};
pub(crate) use tally::Tally;

use self::{
    call::{Call, Class, Verb},
    fate::{Answer, Fate, is_stale, of_call},
    watch::{FOR_EVER, Watch},
};
use axum::{
    body::{Body, Bytes, to_bytes},
    http::{HeaderMap, Request, Response, StatusCode, header},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch as signal,
    task::{JoinHandle, JoinSet},
    time::sleep,
};

/// The longest body of a call.
const MOST: usize = 8 << 20;
/// How many older answers to a list are kept.
const KEPT: usize = 4;

/// What is done to what passes; all of it may change at any time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Faults {
    pub(crate) calls: CallFaults,
    pub(crate) watches: WatchFaults,
}

struct Shared {
    seed: u64,
    upstream: reqwest::Client,
    base: String,
    faults: Mutex<Faults>,
    tally: Mutex<Tally>,
    nth: AtomicU64,
    /// The newest whole answers to each list that watches begin with, oldest first.
    lists: Mutex<BTreeMap<String, Vec<Bytes>>>,
    /// Whether the answers to the creation of Jobs are held back, and how many are.
    holding: signal::Sender<bool>,
    held: signal::Sender<usize>,
}

impl Shared {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn faults(&self) -> Faults {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A proxy at work until it is dropped.
pub(crate) struct ApiProxy {
    shared: Arc<Shared>,
    /// Where it listens.
    pub(crate) url: String,
    listening: JoinHandle<()>,
}

impl ApiProxy {
    /// Before the API server at `base`, which `authority` (PEM) vouches for.
    pub(crate) async fn before(base: &str, authority: &[u8], seed: u64) -> Self {
        let authorities = reqwest::Certificate::from_pem_bundle(authority).expect("certificates");
        let upstream = reqwest::Client::builder().tls_certs_only(authorities).http1_only().no_proxy().build().expect("a client");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("an address");
        let address: SocketAddr = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared {
            seed,
            upstream,
            base: base.trim_end_matches('/').to_owned(),
            faults: Mutex::default(),
            tally: Mutex::default(),
            nth: AtomicU64::new(0),
            lists: Mutex::default(),
            holding: signal::Sender::new(false),
            held: signal::Sender::new(0),
        });
        let listening = tokio::spawn(listen(listener, shared.clone()));
        Self { shared, url: format!("http://{address}"), listening }
    }

    /// From now on this is done to what passes.
    pub(crate) fn set(&self, faults: Faults) {
        *self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    /// What has passed.
    pub(crate) fn tally(&self) -> Tally {
        self.shared.tally().clone()
    }

    /// Begins to count anew.
    pub(crate) fn reset(&self) {
        self.shared.tally().reset();
    }

    /// Whether the answers to the creation of Jobs are held back from now on. Those that are held go out once it is off.
    pub(crate) fn hold_creates(&self, hold: bool) {
        self.shared.holding.send_replace(hold);
    }

    /// How many such answers are held back; the Jobs of all of them are there.
    pub(crate) fn held(&self) -> usize {
        *self.shared.held.borrow()
    }
}

impl Drop for ApiProxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with the listener, and all connections with it.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, shared.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    // What is closed from here is a reset.
    let _ = stream.set_zero_linger();
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| pass(shared.clone(), request));
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Passes one call; an error resets the connection.
async fn pass(shared: Arc<Shared>, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let body = to_bytes(Body::new(body), MOST).await.map_err(io::Error::other)?;
    let call = Call::of(&head.method, &head.uri);
    let nth = shared.nth.fetch_add(1, Ordering::Relaxed);
    let faults = shared.faults();
    let fate = of_call(faults.calls, shared.seed, nth, call);
    shared.tally().called(call, head.uri.path(), &body, fate);
    sleep(fate.delay).await;
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    if call.paged
        && !path.contains("continue=")
        && is_stale(faults.watches, shared.seed, nth)
        && let Some(older) = older(&shared, &path, nth)
    {
        return answer(StatusCode::OK, &HeaderMap::new(), Body::from(older));
    }
    let answered = if fate.acts {
        let mut headers = head.headers;
        for name in [header::HOST, header::CONTENT_LENGTH, header::CONNECTION, header::ACCEPT_ENCODING] {
            headers.remove(name);
        }
        let request = shared.upstream.request(head.method, format!("{}{path}", shared.base)).headers(headers).body(body);
        Some(request.send().await.map_err(io::Error::other)?)
    } else {
        None
    };
    if let (Verb::Create, Class::Jobs, Some(response)) = (call.verb, call.class, &answered)
        && response.status().is_success()
    {
        shared.tally().created += 1;
        hold(&shared).await;
    }
    match (fate, answered) {
        (Fate { answer: Answer::Own, .. }, Some(response)) => own(shared, call, nth, &path, faults, response).await,
        (Fate { answer: Answer::Status(code), .. }, _) => refuse(code),
        (Fate { answer: Answer::Silence, .. }, _) => {
            sleep(FOR_EVER).await;
            Err(io::Error::other("silent for long enough"))
        }
        _ => Err(io::Error::other("reset")),
    }
}

/// Waits while answers are held back.
async fn hold(shared: &Shared) {
    /// Counts one answer for as long as it is held, and also where its caller dies.
    struct Held<'a>(&'a signal::Sender<usize>);
    impl Drop for Held<'_> {
        fn drop(&mut self) {
            self.0.send_modify(|held| *held -= 1);
        }
    }
    let mut holding = shared.holding.subscribe();
    if *holding.borrow() {
        shared.held.send_modify(|held| *held += 1);
        let _held = Held(&shared.held);
        // The sender is the proxy's own.
        let _ = holding.wait_for(|hold| !*hold).await;
    }
}

/// The API server's own answer.
async fn own(
    shared: Arc<Shared>,
    call: Call,
    number: u64,
    path: &str,
    faults: Faults,
    response: reqwest::Response,
) -> io::Result<Response<Body>> {
    let (status, headers) = (response.status(), response.headers().clone());
    if call.verb == Verb::Watch && status.is_success() {
        let path = path.split('?').next().unwrap_or_default().to_owned();
        let watch = Watch { shared, call, path, number, faults: faults.watches };
        return answer(status, &headers, watch.body(response.bytes_stream()));
    }
    let body = response.bytes().await.map_err(io::Error::other)?;
    if call.paged && status.is_success() {
        keep(&shared, path, &body);
    }
    answer(status, &headers, Body::from(body))
}

fn answer(status: StatusCode, headers: &HeaderMap, body: Body) -> io::Result<Response<Body>> {
    let mut response = Response::builder().status(status);
    for name in [header::DATE, header::RETRY_AFTER] {
        if let Some(value) = headers.get(&name) {
            response = response.header(name, value);
        }
    }
    response.header(header::CONTENT_TYPE, "application/json").body(body).map_err(io::Error::other)
}

/// An older answer to the same list.
fn older(shared: &Shared, path: &str, nth: u64) -> Option<Bytes> {
    let lists = shared.lists.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = lists.get(path)?;
    kept.get(usize::try_from(nth).unwrap_or(0) % kept.len()).cloned()
}

/// Keeps a list that is whole.
fn keep(shared: &Shared, path: &str, body: &Bytes) {
    let more = serde_json::from_slice::<Value>(body).is_ok_and(|list| list.pointer("/metadata/continue").is_some());
    if more || path.contains("continue=") {
        return;
    }
    let mut lists = shared.lists.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = lists.entry(path.to_owned()).or_default();
    kept.push(body.clone());
    if kept.len() > KEPT {
        kept.remove(0);
    }
}

/// A refusal in the API server's own form.
fn refuse(code: u16) -> io::Result<Response<Body>> {
    let (reason, message) = match code {
        409 => (
            "Conflict",
            "Operation cannot be fulfilled on the object: it has been modified; please apply your changes to the latest version",
        ),
        410 => ("Expired", "The provided continue parameter is too old"),
        429 => ("TooManyRequests", "the server has received too many requests and has asked us to try again later"),
        503 => ("ServiceUnavailable", "the server is currently unable to handle the request"),
        _ => ("InternalError", "Internal error occurred: etcdserver: request timed out"),
    };
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason, "code": code,
        "message": message});
    let mut headers = HeaderMap::new();
    if matches!(code, 429 | 503) {
        headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    answer(StatusCode::from_u16(code).map_err(io::Error::other)?, &headers, Body::from(status.to_string()))
}
