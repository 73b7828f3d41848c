//! Around every request: its id, its log line, its time; and every failure as a problem document, whoever raised it.

use super::{error::Failed, state::App};
use crate::wire::{Problem, ProblemCode};
use axum::{
    Json,
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tracing::Instrument;

const REQUEST_ID: &str = "x-request-id";

/// The outermost layer.
pub(super) async fn wrap(State(app): State<App>, request: Request, next: Next) -> Response {
    let began = app.settings.clock.monotonic();
    let id = request_id(&request).unwrap_or_else(|| app.settings.rng.uuid().to_string());
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", |m| m.as_str()).to_owned();
    let span = tracing::info_span!("request", id = %id, %method, %path);
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    if !status.is_success() && !status.is_redirection() && status != StatusCode::SWITCHING_PROTOCOLS {
        response = problem(&response, &path, &id);
    }
    let took = app.settings.clock.monotonic().saturating_sub(began);
    app.metrics.request(method.as_str(), &route, status.as_u16(), took);
    span.in_scope(|| tracing::debug!(status = status.as_u16(), ms = took.as_millis(), "answered"));
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The caller's own request id, where it is short and plain.
fn request_id(request: &Request) -> Option<String> {
    let given = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let plain = !given.is_empty() && given.len() <= 64 && given.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    plain.then(|| given.to_owned())
}

/// The problem document of a failed response. What came from a layer or from axum itself has none of ours yet: its
/// status picks the code, and its text, which may be internal, is dropped.
fn problem(response: &Response, path: &str, id: &str) -> Response {
    let status = response.status();
    let mut problem = match response.extensions().get::<Failed>() {
        Some(Failed(problem)) => (**problem).clone(),
        None => Problem::new(code_of(status)),
    };
    problem.instance = Some(path.to_owned());
    problem.request_id = Some(id.to_owned());
    let status = StatusCode::from_u16(problem.status).unwrap_or(status);
    let mut answer = (status, Json(&problem)).into_response();
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if status == StatusCode::UNAUTHORIZED {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    for name in [header::ALLOW, header::CONTENT_RANGE] {
        if let Some(value) = response.headers().get(&name) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    answer
}

fn code_of(status: StatusCode) -> ProblemCode {
    match status {
        StatusCode::NOT_FOUND => ProblemCode::RouteNotFound,
        StatusCode::METHOD_NOT_ALLOWED => ProblemCode::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => ProblemCode::BodyTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ProblemCode::UnsupportedMediaType,
        status if status.is_client_error() => ProblemCode::InvalidParameter,
        StatusCode::SERVICE_UNAVAILABLE => ProblemCode::Unavailable,
        StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => ProblemCode::TimedOut,
        _ => ProblemCode::Internal,
    }
}
