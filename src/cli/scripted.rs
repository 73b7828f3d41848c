//! A server that answers as it is told, for tests.

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{StatusCode, header},
    response::Response,
};
use futures::stream::{self, StreamExt};
use serde::Serialize;
use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::{Arc, Mutex},
};

/// One answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    status: u16,
    kind: &'static str,
    body: String,
    after: After,
    date: &'static str,
    range: Option<&'static str>,
}

/// The time of the tests as a server says it.
const DATE: &str = "Fri, 20 Nov 2026 09:22:41 GMT";

/// What follows a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    End,
    Break,
    Hang,
}

/// An object of the API.
pub(super) fn json(status: u16, object: &impl Serialize) -> Answer {
    let kind = if status < 400 { "application/json" } else { "application/problem+json" };
    Answer { status, kind, body: serde_json::to_string(object).unwrap(), after: After::End, date: DATE, range: None }
}

/// A problem document.
pub(super) fn problem(problem: &crate::wire::Problem) -> Answer {
    json(problem.status, problem)
}

/// Raw bytes of a log.
pub(super) fn text(body: &str) -> Answer {
    Answer { status: 200, kind: "text/plain", body: body.into(), after: After::End, date: DATE, range: None }
}

/// An event stream that stays open.
pub(super) fn sse(body: &str) -> Answer {
    Answer { status: 200, kind: "text/event-stream", body: body.into(), after: After::Hang, date: DATE, range: None }
}

impl Answer {
    /// The same, but the connection breaks after the body.
    pub(super) fn then_break(self) -> Self {
        Self { after: After::Break, ..self }
    }

    /// The same with another status, as something before the server may answer.
    pub(super) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// The same as a part of something larger: `bytes 4-9/10`.
    pub(super) fn part(self, range: &'static str) -> Self {
        Self { status: 206, range: Some(range), ..self }
    }

    /// The same from a server whose clock says this.
    pub(super) fn dated(self, date: &'static str) -> Self {
        Self { date, ..self }
    }
}

/// What a server is to answer, by `METHOD path?query`. Answers are given in turn; the last one stays.
#[derive(Debug, Default)]
pub(super) struct Script(BTreeMap<String, VecDeque<Answer>>);

impl Script {
    pub(super) fn on(mut self, request: &str, answer: Answer) -> Self {
        self.0.entry(request.to_owned()).or_default().push_back(answer);
        self
    }

    pub(super) async fn start(self) -> Server {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared { script: Mutex::new(self.0), seen: Mutex::default() });
        let router = Router::new().fallback(answer).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Server { url, shared }
    }
}

#[derive(Debug)]
struct Shared {
    script: Mutex<BTreeMap<String, VecDeque<Answer>>>,
    seen: Mutex<Vec<Seen>>,
}

/// A request that came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) line: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
}

/// The running server.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) url: String,
    shared: Arc<Shared>,
}

impl Server {
    /// Every request so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Their first lines.
    pub(super) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let line = format!("{} {path}", head.method);
    let body: Bytes = axum::body::to_bytes(body, 16 << 20).await.unwrap();
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    let body = String::from_utf8_lossy(&body).into_owned();
    shared.seen.lock().unwrap().push(Seen { line: line.clone(), headers, body });
    let next = {
        let mut script = shared.script.lock().unwrap();
        script.get_mut(&line).and_then(|answers| if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() })
    };
    let Some(answer) = next else {
        return Response::builder().status(StatusCode::NOT_IMPLEMENTED).body(Body::from(format!("not in the script: {line}"))).unwrap();
    };
    let first = stream::iter([Ok(Bytes::from(answer.body.clone()))]);
    let body = match answer.after {
        After::End => Body::from(answer.body),
        After::Hang => Body::from_stream(first.chain(stream::pending::<io::Result<Bytes>>())),
        // The pause lets the bytes out before the connection goes down.
        After::Break => Body::from_stream(first.chain(stream::once(async {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            Err(io::Error::other("broken on purpose"))
        }))),
    };
    let head = Response::builder().status(answer.status).header(header::CONTENT_TYPE, answer.kind).header(header::DATE, answer.date);
    let head = answer.range.into_iter().fold(head, |head, range| head.header(header::CONTENT_RANGE, range));
    head.body(body).unwrap()
}
