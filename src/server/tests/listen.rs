//! The way in, over real sockets: who is slow, who takes places, and which certificate is shown.

use super::rig::{Rig, Who};
use crate::server::{Bounds, Listener, Tls, serve, stand_by};
use axum::body::Body;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use reqwest::{Certificate, Client};
use std::{fs, net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, pem::PemObject},
    },
};
use tokio_util::sync::CancellationToken;

fn short() -> Bounds {
    Bounds {
        head: Duration::from_millis(300),
        body_pause: Duration::from_millis(300),
        body_start: Duration::from_millis(800),
        idle: Duration::from_secs(2),
        ..Bounds::default()
    }
}

async fn listening(rig: &Rig, bounds: Bounds, tls: Option<Tls>) -> SocketAddr {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    tokio::spawn(serve(Listener::new(tcp, tls).within(bounds), rig.app.clone()));
    address
}

/// All that comes until the end of the connection, ten seconds at most.
async fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    // One that was cut off may end with an error; what came before it counts.
    let _ = timeout(Duration::from_secs(10), stream.read_to_end(&mut all)).await.expect("the server ends it");
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test]
async fn hundreds_connect_at_once_before_anybody_is_accepted() {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let listener = Listener::new(tcp, None);
    let bound = fs::read_to_string("/proc/sys/net/core/somaxconn").ok().and_then(|text| text.trim().parse().ok()).unwrap_or(128);
    let mut all = Vec::new();
    for nth in 0..bound.min(500) {
        let connecting = timeout(Duration::from_secs(10), TcpStream::connect(address)).await;
        all.push(connecting.unwrap_or_else(|_| panic!("connection {nth} has no place")).unwrap());
    }
    drop(listener);
}

#[tokio::test]
async fn a_head_that_drips_is_not_waited_for() {
    let rig = Rig::new().await;
    let address = listening(&rig, short(), None).await;
    for (beginning, drips) in
        [("", false), ("P", false), ("GET /livez HTTP/1.1\r\nhost: a\r\nx: ", true), ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", false)]
    {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let began = Instant::now();
        stream.write_all(beginning.as_bytes()).await.unwrap();
        let (mut read, mut write) = stream.split();
        let drip = async {
            while write.write_all(b"x").await.is_ok() {
                sleep(Duration::from_millis(50)).await;
            }
            std::future::pending::<()>().await;
        };
        let mut bytes = Vec::new();
        tokio::select! {
            _ = timeout(Duration::from_secs(8), read.read_to_end(&mut bytes)) => {}
            () = drip, if drips => {}
        }
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(250) && took < Duration::from_secs(6), "{beginning:?} lived {took:?}");
    }
    let text = rig.call("GET", "/metrics").bearer(rig.token(Who::Viewer)).await.text();
    assert!(text.contains("slipway_connections_dropped_total{why=\"slowHead\"}"), "{text}");
}

#[tokio::test]
async fn a_body_that_stops_or_drips_ends_with_408_and_one_that_goes_on_does_not() {
    let rig = Rig::new().await;
    let address = listening(&rig, short(), None).await;
    let head = |length: usize| {
        format!(
            "POST /api/v1/tasks HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n",
            rig.token(Who::Sam)
        )
    };
    for drips in [false, true] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head(400).as_bytes()).await.unwrap();
        let began = Instant::now();
        let answer = if drips {
            let mut answer = [0; 4096];
            loop {
                let _ = stream.write_all(b"x").await;
                if let Ok(read) = timeout(Duration::from_millis(100), stream.read(&mut answer)).await {
                    break String::from_utf8_lossy(&answer[..read.unwrap_or(0)]).into_owned();
                }
            }
        } else {
            rest(&mut stream).await
        };
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("BODY_TOO_SLOW"), "{answer}");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
    let body = r#"{"command":["true"]}"#;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head(body.len()).as_bytes()).await.unwrap();
    let (first, second) = body.split_at(9);
    stream.write_all(first.as_bytes()).await.unwrap();
    sleep(Duration::from_millis(150)).await;
    stream.write_all(second.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 201");
}

#[tokio::test]
async fn held_calls_outlive_every_bound_and_an_unused_connection_does_not() {
    let rig = Rig::new().await;
    let bounds = Bounds { idle: Duration::from_millis(300), ..short() };
    let address = listening(&rig, bounds, None).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let ask = format!(
        "GET /api/v1/events?after=0 HTTP/1.1\r\nhost: a\r\naccept: text/event-stream\r\nauthorization: Bearer {}\r\n\r\n",
        rig.token(Who::Sam)
    );
    stream.write_all(ask.as_bytes()).await.unwrap();
    sleep(Duration::from_millis(1_500)).await;
    let task = rig.task().await;
    let mut seen = String::new();
    while !seen.contains("task.submitted") {
        let mut piece = [0; 4096];
        let read = timeout(Duration::from_secs(5), stream.read(&mut piece)).await.expect("the event comes").unwrap();
        assert!(read > 0, "the stream ended before task {task} was told: {seen}");
        seen += &String::from_utf8_lossy(&piece[..read]);
    }
    let mut unused = TcpStream::connect(address).await.unwrap();
    unused.write_all(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let began = Instant::now();
    assert!(rest(&mut unused).await.starts_with("HTTP/1.1 200"));
    assert!(began.elapsed() >= Duration::from_millis(250), "it may be used again for a while");
}

#[tokio::test]
async fn who_asks_gets_the_place_of_who_does_not() {
    let rig = Rig::new().await;
    let bounds = Bounds { max: 4, head: Duration::from_secs(30), ..short() };
    let address = listening(&rig, bounds, None).await;
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let client = Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    assert_eq!(client.get(format!("http://{address}/livez")).send().await.unwrap().status(), 200);
    // The oldest went.
    assert_eq!(rest(&mut silent[0]).await, "");
    let mut byte = [0];
    assert!(timeout(Duration::from_millis(200), silent[3].read(&mut byte)).await.is_err(), "the newest stays");
}

/// An authority of the test's own.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Writes a certificate for `localhost`, and its key.
    fn issue(&self, dir: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let (at, secret) = (dir.join("tls.crt"), dir.join("tls.key"));
        fs::write(&at, cert.pem()).unwrap();
        fs::write(&secret, key.serialize_pem()).unwrap();
        (at, secret)
    }

    fn client(&self) -> Client {
        let roots = Certificate::from_pem_bundle(self.pem.as_bytes()).unwrap();
        Client::builder().no_proxy().tls_certs_only(roots).build().unwrap()
    }
}

#[tokio::test]
async fn a_new_certificate_is_shown_without_a_restart_and_a_bad_one_is_not() {
    let (rig, dir) = (Rig::new().await, tempfile::tempdir().unwrap());
    let (first, second) = (Authority::new(), Authority::new());
    let (cert, key) = first.issue(dir.path());
    let address = listening(&rig, short(), Some(Tls::open(&cert, &key).unwrap())).await;
    let url = format!("https://localhost:{}/livez", address.port());
    assert_eq!(first.client().get(&url).send().await.unwrap().status(), 200);
    assert!(second.client().get(&url).send().await.is_err(), "nobody vouches for it");
    // Plain http gets nothing.
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert!(!rest(&mut plain).await.contains("200 OK"));

    fs::write(&cert, "-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n").unwrap();
    let metric = async |line: &str| {
        timeout(Duration::from_secs(20), async {
            while !rig.call("GET", "/metrics").bearer(rig.token(Who::Viewer)).await.text().contains(line) {
                sleep(Duration::from_millis(100)).await;
            }
        })
        .await
        .unwrap_or_else(|_| panic!("no {line}"));
    };
    metric("slipway_tls_certificate_stale 1\n").await;
    assert_eq!(first.client().get(&url).send().await.unwrap().status(), 200, "the old one goes on");

    second.issue(dir.path());
    metric("slipway_tls_certificate_stale 0\n").await;
    assert_eq!(second.client().get(&url).send().await.unwrap().status(), 200);
    assert!(first.client().get(&url).send().await.is_err());
}

/// A connection of HTTP/2 under TLS, and what carries it.
async fn http_2(address: SocketAddr, authority: &Authority) -> (SendRequest<Body>, JoinHandle<hyper::Result<()>>) {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider())).with_safe_default_protocol_versions();
    let mut config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let tcp = TcpStream::connect(address).await.unwrap();
    let io = TlsConnector::from(Arc::new(config)).connect("localhost".try_into().unwrap(), tcp).await.unwrap();
    assert_eq!(io.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (calls, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await.unwrap();
    (calls, tokio::spawn(connection))
}

/// Two calls at once over one connection of HTTP/2, and then none.
#[tokio::test]
async fn http_2_is_spoken_to_who_asks_for_it() {
    let (rig, dir, authority) = (Rig::new().await, tempfile::tempdir().unwrap(), Authority::new());
    let (cert, key) = authority.issue(dir.path());
    let bounds = Bounds { idle: Duration::from_millis(300), ..short() };
    let address = listening(&rig, bounds, Some(Tls::open(&cert, &key).unwrap())).await;
    let (mut calls, connection) = http_2(address, &authority).await;
    let ask = |path: &str| hyper::Request::get(format!("https://localhost{path}")).body(Body::empty()).unwrap();
    let (one, other) = (calls.send_request(ask("/livez")), calls.send_request(ask("/version")));
    let (one, other) = tokio::join!(one, other);
    assert_eq!((one.unwrap().status(), other.unwrap().status()), (hyper::StatusCode::OK, hyper::StatusCode::OK));
    // Nothing is asked any more, so the server says goodbye.
    timeout(Duration::from_secs(5), connection).await.expect("it ends").unwrap().expect("it ends well");
}

/// Whoever asked one that stands by asks anew, and so is led to the one that serves.
#[tokio::test]
async fn who_stands_by_keeps_no_connection() {
    let (rig, dir, authority) = (Rig::new().await, tempfile::tempdir().unwrap(), Authority::new());
    let (cert, key) = authority.issue(dir.path());
    let [secure, plain] = [TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap()];
    let addresses = [&secure, &plain].map(|tcp| tcp.local_addr().unwrap());
    let (ready, done) = (watch::Sender::new(false), CancellationToken::new());
    let (listener, clock) = (Listener::new(secure, Some(Tls::open(&cert, &key).unwrap())).and(plain), rig.app.settings.clock.clone());
    let standing = tokio::spawn({
        let (ready, done) = (ready.subscribe(), done.clone());
        async move { stand_by(&listener, clock, ready, done).await }
    });
    let ask = async |path: &str| {
        let mut stream = TcpStream::connect(addresses[1]).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await.unwrap();
        rest(&mut stream).await
    };
    assert!(ask("/livez").await.starts_with("HTTP/1.1 200"));
    for path in ["/readyz", "/readyz?standby=ok", "/api/v1/tasks"] {
        let said = ask(path).await;
        assert!(said.starts_with("HTTP/1.1 503") && said.contains("connection: close"), "{path}: {said}");
    }
    ready.send_replace(true);
    assert!(ask("/readyz?a=b&standby=ok").await.starts_with("HTTP/1.1 200"));
    assert!(ask("/readyz").await.starts_with("HTTP/1.1 503"));
    let (mut calls, connection) = http_2(addresses[0], &authority).await;
    let call = hyper::Request::get("https://localhost/readyz").body(Body::empty()).unwrap();
    assert_eq!(calls.send_request(call).await.unwrap().status(), hyper::StatusCode::SERVICE_UNAVAILABLE);
    timeout(Duration::from_secs(5), connection).await.expect("it ends").unwrap().expect("it ends well");
    done.cancel();
    timeout(Duration::from_secs(5), standing).await.expect("it ends").unwrap();
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_not_waited_for() {
    let (rig, dir) = (Rig::new().await, tempfile::tempdir().unwrap());
    let (cert, key) = Authority::new().issue(dir.path());
    let address = listening(&rig, short(), Some(Tls::open(&cert, &key).unwrap())).await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    assert_eq!(rest(&mut silent).await, "");
    let text = rig.call("GET", "/metrics").bearer(rig.token(Who::Viewer)).await.text();
    assert!(text.contains("slipway_connections_dropped_total{why=\"handshake\"}"), "{text}");
}

#[test]
fn what_is_wrong_with_a_certificate_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = Authority::new().issue(dir.path());
    let other = tempfile::tempdir().unwrap();
    let (_, strange) = Authority::new().issue(other.path());
    let wrong = |cert: &Path, key: &Path| Tls::open(cert, key).map(|_| ()).unwrap_err();
    assert!(wrong(&cert, &strange).contains("do not go together"), "{}", wrong(&cert, &strange));
    assert!(wrong(&key, &key).contains("there is no certificate in it"), "{}", wrong(&key, &key));
    assert!(wrong(&cert, &cert).contains("there is no private key in it"), "{}", wrong(&cert, &cert));
    assert!(wrong(&dir.path().join("gone"), &key).contains("No such file"));
    assert!(Tls::open(&cert, &key).is_ok());
}
