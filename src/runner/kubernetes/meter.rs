//! What goes to the API server and comes back, seen at the one place where all of it passes: counts, signs of life of
//! each watch, and what time it is over there.

use super::metrics::Metrics;
use crate::{
    domain::{Clock, UnixMs},
    wire::{ClusterSight, SilentWatch, limits},
};
use axum::{
    body::{Body, Bytes, HttpBody},
    http::{Method, Request, Response, Uri, header},
};
use futures::StreamExt;
use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::sync::watch;
use tower::{BoxError, Layer, Service};

/// What a request asks of the API server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asked {
    /// `get list watch create patch delete`.
    pub(super) verb: &'static str,
    /// For instance `pods`, `pods/log`.
    pub(super) resource: String,
    pub(super) namespace: String,
}

impl Asked {
    pub(super) fn of(method: &Method, uri: &Uri) -> Self {
        let parts: Vec<&str> = uri.path().split('/').filter(|part| !part.is_empty()).collect();
        let watched = uri.query().is_some_and(|q| q.split('&').any(|pair| pair == "watch=true" || pair == "watch=1"));
        let (namespace, rest) = match parts.iter().position(|part| *part == "namespaces") {
            Some(at) => (parts.get(at + 1).copied().unwrap_or_default(), parts.get(at + 2..).unwrap_or_default()),
            None => ("", &parts[..]),
        };
        let (resource, named) = match rest {
            [kind, _, sub, ..] => (format!("{kind}/{sub}"), true),
            [kind, _] => ((*kind).to_owned(), true),
            [kind] => ((*kind).to_owned(), false),
            [] => (String::new(), false),
        };
        let verb = match method.as_str() {
            "GET" if watched => "watch",
            "GET" if named => "get",
            "GET" => "list",
            "POST" => "create",
            "DELETE" => "delete",
            _ => "patch",
        };
        Self { verb, resource, namespace: namespace.to_owned() }
    }
}

/// What is known from the traffic.
pub(super) struct Meter {
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    /// When anything was heard last on the watch of a resource in a namespace, by the monotonic clock.
    heard: Mutex<BTreeMap<(String, String), Duration>>,
    /// Whether the newest answer, or its absence, shows an API server at work.
    answers: watch::Sender<bool>,
    /// What is to be added to our wall clock for the API server's, in ms.
    ahead_ms: AtomicI64,
}

impl Meter {
    pub(super) fn new(clock: Arc<dyn Clock>, metrics: Metrics) -> Arc<Self> {
        Arc::new(Self { clock, metrics, heard: Mutex::default(), answers: watch::Sender::new(true), ahead_ms: AtomicI64::new(0) })
    }

    /// Whether the API server is at work, as far as the newest call tells.
    pub(super) fn answers(&self) -> bool {
        *self.answers.borrow()
    }

    /// Told whenever that changes.
    pub(super) fn changed(&self) -> watch::Receiver<bool> {
        self.answers.subscribe()
    }

    /// Notes a call that got no answer in time.
    pub(super) fn silent(&self) {
        self.set(false);
    }

    fn set(&self, answers: bool) {
        let changed = self.answers.send_if_modified(|now| std::mem::replace(now, answers) != answers);
        match (changed, answers) {
            (false, _) => {}
            (true, true) => tracing::info!("the API server answers again"),
            (true, false) => tracing::warn!("the API server does not answer; nothing is claimed until it does"),
        }
    }

    /// The API server's wall clock.
    pub(super) fn cluster_now(&self) -> UnixMs {
        UnixMs(self.clock.now().0 + self.ahead_ms.load(Ordering::Relaxed))
    }

    /// How long each watch has been silent, by resource and namespace.
    pub(super) fn watch_ages(&self) -> Vec<((String, String), Duration)> {
        let now = self.clock.monotonic();
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.iter().map(|(watch, at)| (watch.clone(), now.saturating_sub(*at))).collect()
    }

    /// How the cluster is seen: a watch that has been silent for longer than `limit` while the API server answers is deaf.
    pub(super) fn sight(&self, limit: Duration) -> ClusterSight {
        let answers = self.answers();
        let deaf = self.watch_ages().into_iter().filter(|(_, age)| answers && *age > limit);
        let told = deaf.map(|((resource, namespace), age)| SilentWatch { resource, namespace, seconds: age.as_secs() });
        ClusterSight { answers, silent: told.take(limits::MAX_SILENT_WATCHES).collect(), unknown: None }
    }

    /// Notes a sign of life of a watch, or that one begins now.
    pub(super) fn hear(&self, resource: &str, namespace: &str) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.insert((resource.to_owned(), namespace.to_owned()), self.clock.monotonic());
    }

    fn answered<B>(&self, asked: &Asked, answer: Result<&Response<B>, ()>) {
        let status = answer.map_or(0, |response| response.status().as_u16());
        self.metrics.request(asked.verb, &asked.resource, status);
        // A refusal for rate or by right is an answer of a server at work.
        self.set(status != 0 && status < 500);
        let date = answer.ok().and_then(|response| response.headers().get(header::DATE)).and_then(|date| date.to_str().ok());
        if let Some(there) = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()) {
            self.ahead_ms.store(there.timestamp().as_millisecond() - self.clock.now().0, Ordering::Relaxed);
        }
    }
}

/// Wraps a client's service so that `Meter` sees what passes.
#[derive(Clone)]
pub(super) struct MeterLayer(pub(super) Arc<Meter>);

impl<S> Layer<S> for MeterLayer {
    type Service = Metered<S>;
    fn layer(&self, inner: S) -> Metered<S> {
        Metered { inner, meter: self.0.clone() }
    }
}

#[derive(Clone)]
pub(super) struct Metered<S> {
    inner: S,
    meter: Arc<Meter>,
}

impl<S, In, Out> Service<Request<In>> for Metered<S>
where
    S: Service<Request<In>, Response = Response<Out>>,
    S::Future: Send + 'static,
    Out: HttpBody<Data = Bytes> + Send + 'static,
    Out::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<In>) -> Self::Future {
        let asked = Asked::of(request.method(), request.uri());
        let meter = self.meter.clone();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            meter.answered(&asked, answer.as_ref().map_err(drop));
            let answer = answer?.map(Body::new);
            if asked.verb != "watch" {
                return Ok(answer);
            }
            // Bookmarks are signs of life too, and the watcher keeps them to itself.
            meter.hear(&asked.resource, &asked.namespace);
            Ok(answer
                .map(|body| Body::from_stream(body.into_data_stream().inspect(move |_| meter.hear(&asked.resource, &asked.namespace)))))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_tells_what_it_asks() {
        for (method, uri, verb, resource, namespace) in [
            ("GET", "/apis/batch/v1/namespaces/a/jobs?limit=500", "list", "jobs", "a"),
            ("GET", "/apis/batch/v1/namespaces/a/jobs?watch=true&resourceVersion=1", "watch", "jobs", "a"),
            ("POST", "/apis/batch/v1/namespaces/a/jobs?fieldValidation=Strict", "create", "jobs", "a"),
            ("DELETE", "/apis/batch/v1/namespaces/a/jobs/x", "delete", "jobs", "a"),
            ("PATCH", "/api/v1/namespaces/a/secrets/x?", "patch", "secrets", "a"),
            ("GET", "/api/v1/namespaces/b/pods/x/log?follow=true", "get", "pods/log", "b"),
            ("GET", "/version", "list", "version", ""),
        ] {
            let asked = Asked::of(&method.parse().unwrap(), &uri.parse().unwrap());
            assert_eq!((asked.verb, asked.resource.as_str(), asked.namespace.as_str()), (verb, resource, namespace), "{uri}");
        }
    }
}
