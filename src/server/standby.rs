//! What a server answers that may not serve yet, because another one does: that it lives, is not ready, and that one asks again.

use super::{Listener, metrics::Metrics};
use crate::{
    domain::Clock,
    wire::{Problem, ProblemCode},
};
use axum::{
    Json, Router,
    extract::RawQuery,
    http::{HeaderValue, StatusCode, header},
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::get,
};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long callers that are answered late may hold up a take-over.
const PATIENCE: Duration = Duration::from_millis(200);

/// What is added to `/readyz` by whoever takes a server that stands by, able to take over, for as good as one that serves.
const EITHER: &str = "standby=ok";

/// Answers on a listener until `done` is cancelled and the calls in flight are answered: `/livez` with 200, and so
/// `/readyz?standby=ok` while it is `ready` to take over; all else with 503 and `Retry-After`. No database is asked. Each answer
/// is the last of its connection, so that whoever asks again is led to the one that serves by then, and does not stay here.
pub async fn stand_by(listener: &Listener, clock: Arc<dyn Clock>, ready: watch::Receiver<bool>, done: CancellationToken) {
    let readyz = async move |RawQuery(query): RawQuery| {
        let either = query.is_some_and(|query| query.split('&').any(|part| part == EITHER));
        if either && *ready.borrow() { "stands by\n".into_response() } else { refused() }
    };
    let router = Router::new().route("/livez", get(async || "ok\n")).route("/readyz", get(readyz)).fallback(async || refused());
    let router = router.layer(map_response(async |mut response: Response| {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    }));
    let patience = async {
        done.cancelled().await;
        tokio::time::sleep(PATIENCE).await;
    };
    tokio::select! {
        () = listener.serve_until(done.clone(), clock, Arc::new(Metrics::new()), router) => {}
        () = patience => {}
    }
}

fn refused() -> Response {
    let problem = Problem::new(ProblemCode::Unavailable)
        .detail("This server stands by: another one serves this database.")
        .hint("Ask again; it answers as soon as the other one is gone.");
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, Json(problem)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}
