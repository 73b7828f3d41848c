//! `GET /attempts/{task}/{n}/uploads/{sha256}`: what its submitter sent along with a task.

use super::AttemptPath;
use crate::{
    blob::MAX_READ,
    domain::{Sha256, fingerprint},
    server::{
        auth::Bearer,
        body::{Path, Query},
        error::{ApiResult, no_task},
        state::App,
    },
    wire::{AttemptNumber, Problem, ProblemCode, TaskId, UploadRange},
};
use axum::{
    body::Body,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::stream;
use secrecy::ExposeSecret;
use serde::Deserialize;

/// The attempt and the upload in the path.
#[derive(Clone, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OfAttempt {
    /// The task.
    #[param(value_type = i64)]
    task: TaskId,
    /// The attempt.
    #[param(value_type = u32)]
    n: AttemptNumber,
    /// The SHA-256 of the upload.
    #[param(value_type = String)]
    sha256: Sha256,
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
    let size = app.uploads.size(&path.sha256).await?.ok_or_else(missing)?;
    let rest = size.saturating_sub(range.offset);
    let pieces = stream::try_unfold((app.uploads.clone(), path.sha256, range.offset), |(uploads, sum, at)| async move {
        let bytes = uploads.read(&sum, at, MAX_READ).await?;
        let next = at + bytes.len() as u64;
        Ok::<_, std::io::Error>((!bytes.is_empty()).then_some((bytes, (uploads, sum, next))))
    });
    let headers = [(header::CONTENT_TYPE, "application/octet-stream".to_owned()), (header::CONTENT_LENGTH, rest.to_string())];
    Ok((StatusCode::OK, headers, Body::from_stream(pieces)).into_response())
}
