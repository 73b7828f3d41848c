//! `PUT|GET /uploads/{sha256}`: bytes that go with tasks.

use super::{
    auth::Principal,
    body::{Path, Query, Raw},
    error::{ApiError, ApiResult},
    state::App,
};
use crate::{
    blob::{MAX_READ, Received, UploadError},
    domain::Sha256,
    store::{ForgetUploads, RecordUpload, StoreError},
    wire::{Problem, ProblemCode, Upload, UploadQuery, UploadRange, limits},
};
use axum::{
    body::Body,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::stream;
use serde::Deserialize;
use std::time::Duration;

/// The upload in the path.
#[derive(Clone, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct UploadPath {
    /// The SHA-256 of its bytes, 64 lower-case hexadecimal digits.
    #[param(value_type = String)]
    sha256: Sha256,
}

/// Takes a piece of an upload. Pieces come in order; bytes that are there already may come again, so a piece is safe to repeat,
/// and an upload that broke off goes on where `received` says. Once all bytes are there and have this SHA-256, tasks of the
/// caller may name it.
#[utoipa::path(put, path = "/api/v1/uploads/{sha256}", operation_id = "putUpload", tag = "tasks", params(UploadPath, UploadQuery),
    request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 200, body = Upload), (status = 409, body = Problem), (status = 413, body = Problem), (status = 416, body = Problem),
    (status = 422, body = Problem)))]
pub(crate) async fn put(
    State(app): State<App>,
    principal: Principal,
    Path(path): Path<UploadPath>,
    Query(query): Query<UploadQuery>,
    Raw(bytes): Raw<{ limits::MAX_UPLOAD_PIECE }>,
) -> ApiResult<axum::Json<Upload>> {
    if query.size > limits::MAX_UPLOAD {
        let detail = format!("An upload has at most {} bytes, and this one would have {}.", limits::MAX_UPLOAD, query.size);
        return Err(Problem::new(ProblemCode::BodyTooLarge).detail(detail).into());
    }
    // From here to the record nothing is removed.
    let _kept = app.removing_uploads.read().await;
    let (owner, sha256) = (principal.user, path.sha256);
    let received = app.uploads.append(&owner, &sha256, query.size, query.offset, bytes).await.map_err(failed)?;
    let (received, complete) = match received {
        Received::Part(received) => (received, false),
        Received::Whole(size) => {
            app.store.run(RecordUpload { owner, sha256: sha256.clone(), size }).await?;
            (size, true)
        }
    };
    Ok(axum::Json(Upload { sha256, received, complete }))
}

/// Says how far an upload of the caller has come; what others sent is not told.
#[utoipa::path(get, path = "/api/v1/uploads/{sha256}", operation_id = "getUpload", tag = "tasks", params(UploadPath),
    responses((status = 200, body = Upload)))]
pub(crate) async fn get(State(app): State<App>, principal: Principal, Path(path): Path<UploadPath>) -> ApiResult<axum::Json<Upload>> {
    let (_kept, sha256) = (app.removing_uploads.read().await, path.sha256);
    let upload = match app.store.upload(&principal.user, &sha256).await? {
        // It counts as new again: who asks is about to name it.
        Some(size) => {
            app.store.run(RecordUpload { owner: principal.user, sha256: sha256.clone(), size }).await?;
            Upload { sha256, received: size, complete: true }
        }
        None => Upload { received: app.uploads.received(&principal.user, &sha256).await?, sha256, complete: false },
    };
    Ok(axum::Json(upload))
}

pub(super) fn failed(error: UploadError) -> ApiError {
    match error {
        UploadError::Offset { received } => {
            let mut problem = Problem::new(ProblemCode::LogOffset).detail(format!("The upload goes on at offset {received}."));
            problem.next_offset = Some(received);
            problem.into()
        }
        UploadError::Busy => Problem::new(ProblemCode::Conflict).detail("Another call sends the same upload now.").into(),
        UploadError::Checksum => Problem::new(ProblemCode::ValidationFailed)
            .detail("The bytes do not have the SHA-256 in the path; all of them are forgotten.")
            .hint("Send it again from the beginning.")
            .into(),
        UploadError::Io(error) => error.into(),
    }
}

/// An answer with the bytes of an upload from an offset on; none where it is not there whole.
pub(super) async fn stream(app: &App, sum: Sha256, range: UploadRange) -> ApiResult<Option<Response>> {
    let Some(size) = app.uploads.size(&sum).await? else { return Ok(None) };
    let rest = size.saturating_sub(range.offset);
    let pieces = stream::try_unfold((app.uploads.clone(), sum, range.offset), |(uploads, sum, at)| async move {
        let bytes = uploads.read(&sum, at, MAX_READ).await?;
        let next = at + bytes.len() as u64;
        Ok::<_, std::io::Error>((!bytes.is_empty()).then_some((bytes, (uploads, sum, next))))
    });
    let headers = [(header::CONTENT_TYPE, "application/octet-stream".to_owned()), (header::CONTENT_LENGTH, rest.to_string())];
    Ok(Some((StatusCode::OK, headers, Body::from_stream(pieces)).into_response()))
}

/// A day: how long what no task names is kept, at least.
const KEPT: Duration = Duration::from_hours(24);

/// Removes what no task needs any more.
pub(super) async fn sweep(app: &App) -> Result<(), StoreError> {
    let before = crate::domain::UnixMs(app.now().0.saturating_sub(i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX)));
    loop {
        let gone = {
            let Ok(Some(_removing)) = app.logs.removing() else { return Ok(()) };
            let _alone = app.removing_uploads.write().await;
            let gone = app.store.run(ForgetUploads { before }).await?;
            for sha256 in &gone {
                // A file without a row is never read, and the next upload of the same bytes takes its place.
                if let Err(error) = app.uploads.remove(sha256, before).await {
                    tracing::error!(%error, %sha256, "an upload could not be removed");
                }
            }
            gone
        };
        if gone.is_empty() {
            break;
        }
    }
    if let Err(error) = app.uploads.forget_parts(before).await {
        tracing::error!(%error, "parts of uploads could not be removed");
    }
    Ok(())
}
