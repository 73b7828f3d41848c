//! The routes at the root: health, version, metrics, API document, and the page that says hello.

use super::{auth::Principal, error::ApiResult, state::App};
use crate::wire::{Problem, ProblemCode, RoleGrant, Version, Whoami};
use axum::{
    Json,
    extract::State,
    http::header,
    response::{Html, IntoResponse},
};
use std::sync::OnceLock;

/// The process lives.
#[utoipa::path(get, path = "/livez", operation_id = "live", tag = "meta", responses((status = 200, body = String, content_type = "text/plain")))]
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// The server can serve: its database answers.
#[utoipa::path(get, path = "/readyz", operation_id = "ready", tag = "meta",
    responses((status = 200, body = String, content_type = "text/plain"), (status = 503, body = Problem)))]
pub(super) async fn ready(State(app): State<App>) -> ApiResult<&'static str> {
    if app.stop().is_cancelled() {
        return Err(Problem::new(ProblemCode::Unavailable).detail("The server is stopping.").into());
    }
    app.store.due(app.settings.clock.now()).await.map_err(|error| {
        tracing::error!(%error, "not ready");
        Problem::new(ProblemCode::Unavailable).detail("The database does not answer.")
    })?;
    Ok("ok\n")
}

/// Which version this is.
#[utoipa::path(get, path = "/version", operation_id = "version", tag = "meta", responses((status = 200, body = Version)))]
pub(super) async fn version() -> Json<Version> {
    Json(Version { version: env!("CARGO_PKG_VERSION").to_owned(), api: "v1".to_owned() })
}

/// Who the server takes the caller for.
#[utoipa::path(get, path = "/api/v1/whoami", operation_id = "whoami", tag = "tokens", responses((status = 200, body = Whoami)))]
pub(super) async fn whoami(principal: Principal) -> Json<Whoami> {
    let limited = principal.rights.are_limited();
    let grants = principal.rights.grants().iter().filter(|_| limited);
    let grants = grants.map(|grant| RoleGrant { role: grant.role, queues: grant.queues.clone() }).collect();
    Json(Whoami { user: principal.user, role: principal.rights.role(), grants })
}

/// Metrics in the Prometheus text format.
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "meta",
    responses((status = 200, body = String, content_type = "application/openmetrics-text")))]
pub(super) async fn metrics(State(app): State<App>) -> ApiResult<impl IntoResponse> {
    let text = app.metrics.scrape(&app).await?;
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text))
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi", tag = "meta", responses((status = 200, body = serde_json::Value)))]
pub(super) async fn openapi() -> impl IntoResponse {
    static DOCUMENT: OnceLock<serde_json::Value> = OnceLock::new();
    Json(DOCUMENT.get_or_init(super::openapi))
}

/// The page at `/`.
#[utoipa::path(get, path = "/", operation_id = "hello", tag = "meta", responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn hello() -> impl IntoResponse {
    ([(header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'")], Html(super::page::hello()))
}
