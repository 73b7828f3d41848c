//! Around every request: its id, where it comes from, its log line, its time; and every failure as a problem document, whoever
//! raised it.

use super::{
    error::Failed,
    listen::Peer,
    rates::{LEFT, POLICY},
    state::App,
};
use crate::wire::{Problem, ProblemCode};
use axum::{
    Json,
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use tracing::Instrument;

const REQUEST_ID: &str = "x-request-id";

/// Where a request comes from.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// The caller's address, as far as it is known: that of the connection, or what a trusted proxy says.
    pub(super) address: IpAddr,
    /// The request's id.
    pub(super) request_id: String,
}

impl Default for Origin {
    fn default() -> Self {
        Self { address: Ipv6Addr::UNSPECIFIED.into(), request_id: String::new() }
    }
}

/// The address behind proxies that are trusted: of the addresses that they say they heard from, nearest first, the first that is
/// none of theirs. What stands before it anybody may have written.
fn behind(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> IpAddr {
    let is_proxy = |address: IpAddr| proxies.iter().any(|net| net.contains(&address.to_canonical()));
    let said = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
    let said: Vec<&str> = said.map(str::trim).collect();
    let mut address = peer;
    for text in said.iter().rev() {
        if !is_proxy(address) {
            break;
        }
        // With a port or without.
        let Ok(next) = text.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|a| a.ip())) else { break };
        address = next;
    }
    address
}

/// The outermost layer.
pub(super) async fn wrap(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let began = app.settings.clock.monotonic();
    let id = request_id(&request).unwrap_or_else(|| app.settings.rng.uuid().to_string());
    let peer = request.extensions().get::<Peer>().map_or(Ipv6Addr::UNSPECIFIED.into(), |peer| peer.address.ip());
    let address = behind(peer, request.headers(), &app.settings.proxies);
    request.extensions_mut().insert(Origin { address, request_id: id.clone() });
    let (uri, method) = (request.uri().clone(), request.method().clone());
    let (path, route) = (uri.path(), request.extensions().get::<MatchedPath>().cloned());
    let span = tracing::info_span!("request", id = %id, %method, %path);
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    if !status.is_success() && !status.is_redirection() && status != StatusCode::SWITCHING_PROTOCOLS {
        response = problem(&response, path, &id);
    }
    let took = app.settings.clock.monotonic().saturating_sub(began);
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    app.metrics.request(method.as_str(), route, status.as_u16(), took);
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
    if let Some(seconds) = problem.retry_after_seconds {
        answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    for name in [header::ALLOW, header::CONTENT_RANGE, HeaderName::from_static(LEFT), HeaderName::from_static(POLICY)] {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_believed_as_far_as_proxies_are() {
        let proxies: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().unwrap()).into();
        let from = |peer: &str, said: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for text in said {
                headers.append("x-forwarded-for", HeaderValue::from_static(text));
            }
            behind(peer.parse().unwrap(), &headers, &proxies).to_string()
        };
        assert_eq!(from("192.0.2.1", &["1.2.3.4"]), "192.0.2.1", "nobody trusts the caller itself");
        assert_eq!(from("10.0.0.1", &["1.2.3.4"]), "1.2.3.4");
        assert_eq!(from("10.0.0.1", &["9.9.9.9, 1.2.3.4, 10.0.0.7"]), "1.2.3.4", "what stands before it may be forged");
        assert_eq!(from("10.0.0.1", &["9.9.9.9", "1.2.3.4"]), "1.2.3.4", "several headers are one list");
        assert_eq!(from("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(from("10.0.0.1", &["1.2.3.4, nonsense"]), "10.0.0.1");
        assert_eq!(from("fd00::1", &["[2001:db8::5]:4711"]), "2001:db8::5");
        assert_eq!(from("::ffff:10.0.0.1", &["1.2.3.4"]), "1.2.3.4");
    }
}
