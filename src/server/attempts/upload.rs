//! `GET /attempts/{task}/{n}/uploads/{sha256}`: what its submitter sent along with a task.

use super::AttemptPath;
use crate::{
    domain::{Sha256, fingerprint},
    server::{
        auth::Bearer,
        body::{Path, Query},
        error::{ApiResult, no_task},
        state::App,
        uploads,
    },
    wire::{AttemptNumber, Problem, ProblemCode, TaskId, UploadRange},
};
use axum::{extract::State, response::Response};
use secrecy::ExposeSecret;
use serde::Deserialize;

/// The attempt and the upload in the path.
#[derive(Clone, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OfAttempt {
    /// The task.
    #[param(value_type = i64)]
    pub(super) task: TaskId,
    /// The attempt.
    #[param(value_type = u32)]
    pub(super) n: AttemptNumber,
    /// The SHA-256 of the bytes.
    #[param(value_type = String)]
    pub(super) sha256: Sha256,
}

/// The bytes of an upload that the attempt's task names, from `offset` on; no other.
#[utoipa::path(get, path = "/api/v1/attempts/{task}/{n}/uploads/{sha256}", operation_id = "getUploadOfAttempt", tag = "attempt",
    params(OfAttempt, UploadRange), responses((status = 200, content_type = "application/octet-stream", body = String),
    (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn get(
    State(app): State<App>,
    Path(path): Path<OfAttempt>,
    Bearer(token): Bearer,
    Query(range): Query<UploadRange>,
) -> ApiResult<Response> {
    let attempt = AttemptPath { task: path.task, n: path.n }.attempt();
    app.live(attempt, &fingerprint(token.expose_secret())).await?;
    let task = app.store.task(path.task).await?.ok_or_else(|| no_task(path.task))?;
    let missing =
        || Problem::new(ProblemCode::UploadNotFound).detail(format!("Task {} names no upload {} that is there.", path.task, path.sha256));
    if !task.spec.setup.uploads().any(|named| *named == path.sha256) {
        return Err(missing().into());
    }
    uploads::stream(&app, path.sha256.clone(), range).await?.ok_or_else(|| missing().into())
}
