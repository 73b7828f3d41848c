//! Requests and answers without a socket.

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderValue, Request, Response, StatusCode},
};
use bytes::Bytes;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream};
use serde_json::Value;
use std::time::Duration;
use tower::ServiceExt;

/// Longer than anything in a test takes that does not hang.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A request in the making; awaiting it sends it and reads the whole answer.
pub(super) struct Call {
    router: Router,
    request: Request<Body>,
}

impl Call {
    pub(super) fn new(router: Router, method: &str, path: String) -> Self {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        Self { router, request }
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.request.headers_mut().insert(name, value.parse().unwrap());
        self
    }

    pub(super) fn value(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.request.headers_mut().insert(name, value);
        self
    }

    pub(super) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(super) fn extension<E: Clone + Send + Sync + 'static>(mut self, extension: E) -> Self {
        self.request.extensions_mut().insert(extension);
        self
    }

    pub(super) fn body(mut self, body: impl Into<Body>) -> Self {
        *self.request.body_mut() = body.into();
        self
    }

    pub(super) fn json(self, value: &Value) -> Self {
        self.header("content-type", "application/json").body(value.to_string())
    }

    /// The answer with its body still to come.
    pub(super) async fn open(self) -> Response<Body> {
        self.router.oneshot(self.request).await.unwrap()
    }
}

impl IntoFuture for Call {
    type Output = Reply;
    type IntoFuture = BoxFuture<'static, Reply>;
    fn into_future(self) -> Self::IntoFuture {
        async move {
            let label = format!("{} {}", self.request.method(), self.request.uri());
            let whole = async {
                let (parts, body) = self.open().await.into_parts();
                // A body that is cut off is as much of it as came.
                let mut stream = body.into_data_stream();
                let mut kept = Vec::new();
                let mut cut = false;
                while let Some(chunk) = stream.next().await {
                    match chunk {
                        Ok(chunk) => kept.extend_from_slice(&chunk),
                        Err(_) => cut = true,
                    }
                }
                (parts, kept, cut)
            };
            let (parts, body, cut) = tokio::time::timeout(PATIENCE, whole).await.unwrap_or_else(|_| panic!("{label} hangs"));
            Reply { label, status: parts.status, headers: parts.headers, body: body.into(), cut }
        }
        .boxed()
    }
}

#[derive(Debug)]
pub(super) struct Reply {
    label: String,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Whether the body ended before its end.
    pub(super) cut: bool,
}

impl Reply {
    /// The JSON of an answer that must have this status.
    #[track_caller]
    pub(super) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}: {}", self.label, self.text());
        if self.body.is_empty() { Value::Null } else { serde_json::from_slice(&self.body).unwrap_or(Value::Null) }
    }

    /// The problem document of an answer that must have this status and code.
    #[track_caller]
    pub(super) fn problem(&self, status: u16, code: &str) -> Value {
        let problem = self.expect(status);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.label);
        assert_eq!((&problem["code"], &problem["status"]), (&Value::from(code), &Value::from(status)), "{}: {problem}", self.label);
        assert_eq!(problem["requestId"].as_str(), self.header("x-request-id"), "{}", self.label);
        assert!(problem["instance"].is_string() && problem["title"].is_string() && problem["type"].is_string(), "{problem}");
        problem
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|v| v.to_str().unwrap())
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A stream of server-sent events.
pub(super) struct Frames {
    body: BoxStream<'static, Result<Bytes, axum::Error>>,
    read: String,
}

/// One of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Frame {
    pub(super) id: String,
    pub(super) event: String,
    pub(super) data: Value,
}

impl Frames {
    #[track_caller]
    pub(super) fn of(response: Response<Body>) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        Self { body: response.into_body().into_data_stream().boxed(), read: String::new() }
    }

    /// The next event; none where the stream ends.
    pub(super) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some((block, rest)) = self.read.split_once("\n\n") {
                let frame = parse(block);
                self.read = rest.to_owned();
                if let Some(frame) = frame {
                    return Some(frame);
                }
                continue;
            }
            let chunk = tokio::time::timeout(PATIENCE, self.body.next()).await.expect("the stream goes on or ends")?;
            self.read.push_str(std::str::from_utf8(&chunk.ok()?).unwrap());
        }
    }

    /// Whether nothing comes for a moment.
    pub(super) async fn is_quiet(&mut self) -> bool {
        tokio::time::timeout(Duration::from_millis(150), self.next()).await.is_err()
    }
}

fn parse(block: &str) -> Option<Frame> {
    let mut frame = Frame::default();
    for line in block.lines() {
        match line.split_once(": ") {
            Some(("id", id)) => id.clone_into(&mut frame.id),
            Some(("event", event)) => event.clone_into(&mut frame.event),
            Some(("data", data)) => frame.data = serde_json::from_str(data).unwrap(),
            _ => {}
        }
    }
    (!frame.event.is_empty()).then_some(frame)
}
