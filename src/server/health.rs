//! `GET /health`: how the server is, measured when it is asked.

use super::{auth::Principal, error::ApiResult, state::App};
use crate::{
    store::KeepUptime,
    wire::{BytesHealth, DatabaseHealth, Health, Problem, timestamp},
};
use axum::{Json, extract::State};
use std::time::Duration;

/// How the server is: its clock, and how long its database and its object store take to read and to write. What is written changes nothing.
#[utoipa::path(get, path = "/api/v1/health", operation_id = "health", tag = "meta",
    responses((status = 200, body = Health), (status = 503, body = Problem)))]
pub(super) async fn health(State(app): State<App>, principal: Principal) -> ApiResult<Json<Health>> {
    let clock = &app.settings.clock;
    let begun = clock.monotonic();
    let (schema, known_schema) = app.store.schema().await?;
    let read = clock.monotonic();
    app.store.run(KeepUptime).await?;
    let written = clock.monotonic();
    let ms = |from: Duration, to: Duration| u64::try_from(to.saturating_sub(from).as_millis()).unwrap_or(u64::MAX);
    let database =
        DatabaseHealth { kind: app.store.kind().to_owned(), schema, known_schema, read_ms: ms(begun, read), commit_ms: ms(read, written) };
    let mut bytes = BytesHealth { url: None, took_ms: None };
    if let Some(remote) = app.logs.remote() {
        bytes.url = Some(remote.url().to_owned());
        match remote.probe().await {
            Ok(()) => bytes.took_ms = Some(ms(written, clock.monotonic())),
            Err(error) => tracing::warn!(%error, "the object store failed"),
        }
    }
    let stuck =
        app.watchdog.found().iter().filter(|stuck| stuck.queue.as_ref().is_none_or(|queue| principal.may_in(queue))).cloned().collect();
    Ok(Json(Health { version: env!("CARGO_PKG_VERSION").to_owned(), at: timestamp(app.now()), database, bytes: Some(bytes), stuck }))
}
