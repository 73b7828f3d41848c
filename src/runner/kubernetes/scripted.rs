//! An API server for tests that answers as it is told.

use super::{
    act::{Done, Hands},
    cluster::Cluster,
    examples::config,
    meter::Meter,
    metrics::Metrics,
};
use crate::{
    domain::{Clock, UnixMs},
    wire::AttemptRef,
};
use axum::{
    body::Bytes,
    http::{Request, Response, header},
};
use kube::client::Body;
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::mpsc;

struct Still;
impl Clock for Still {
    fn now(&self) -> UnixMs {
        UnixMs(1_000_000)
    }
    fn monotonic(&self) -> Duration {
        Duration::from_secs(1_000)
    }
}

pub(super) type Answer = (u16, Value);

/// What an API server was asked: `VERB /path?query`, and what of an object where that is not all.
pub(super) type Asked = Arc<Mutex<Vec<String>>>;

/// A cluster whose API server answers to `VERB /path`.
pub(super) fn cluster(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> (Cluster, Asked) {
    let asked = Asked::default();
    let (seen, answer) = (asked.clone(), Arc::new(answer));
    let service = tower::service_fn(move |request: Request<Body>| {
        let path = format!("{} {}", request.method(), request.uri().path());
        let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        let part = if accept.contains("as=PartialObjectMetadata;") { " metadata" } else { "" };
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        seen.lock().unwrap().push(format!("{path}{query}{part}"));
        let (status, body) = answer(&path);
        let answer = Response::builder().status(status).body(axum::body::Body::from(Bytes::from(body.to_string()))).unwrap();
        async move { Ok::<_, std::convert::Infallible>(answer) }
    });
    let meter = Meter::new(Arc::new(Still), Metrics::new());
    (Cluster::with(kube::Client::new(service, "a"), meter, (50, 100)), asked)
}

/// Hands at it, and what becomes of their acts.
pub(super) fn hands(
    answer: impl Fn(&str) -> Answer + Send + Sync + 'static,
) -> (Hands, mpsc::UnboundedReceiver<(AttemptRef, Done)>, Asked) {
    let (cluster, asked) = cluster(answer);
    let (tell, done) = mpsc::unbounded_channel();
    let mut hands = Hands::new(cluster, Arc::new(config()), Metrics::new(), tell);
    "k3f9a".clone_into(&mut hands.instance);
    (hands, done, asked)
}

/// An answer that is none of what was asked for.
pub(super) fn status(code: u16, reason: &str, message: &str) -> Answer {
    (code, json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}))
}
