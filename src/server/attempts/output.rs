//! `PUT|GET /attempts/{task}/{n}/outputs/{sha256}`: the files that an attempt leaves.

use super::{AttemptPath, upload::OfAttempt};
use crate::{
    blob::Received,
    domain::{AttemptRef, fingerprint},
    server::{
        auth::Bearer,
        body::{Path, Query, Raw},
        error::ApiResult,
        state::App,
        uploads,
    },
    store::{LeaseRecord, RecordOutput},
    wire::{Problem, ProblemCode, TaskId, Upload, UploadQuery, limits},
};
use axum::extract::State;
use secrecy::ExposeSecret;

/// Takes a piece of a file that the attempt leaves, as `PUT /uploads/{sha256}` takes one of an upload. The file is there for
/// people once the attempt's notes name it.
#[utoipa::path(put, path = "/api/v1/attempts/{task}/{n}/outputs/{sha256}", operation_id = "putOutput", tag = "attempt",
    params(OfAttempt, UploadQuery), request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 200, body = Upload), (status = 401, body = Problem), (status = 409, body = Problem), (status = 413, body = Problem),
    (status = 416, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn put(
    State(app): State<App>,
    Path(path): Path<OfAttempt>,
    Bearer(token): Bearer,
    Query(query): Query<UploadQuery>,
    Raw(bytes): Raw<{ limits::MAX_UPLOAD_PIECE }>,
) -> ApiResult<axum::Json<Upload>> {
    let lease = app.live_output(&path, token.expose_secret()).await?;
    let (task, sha256) = (path.task, path.sha256);
    let (kept, limit) = (app.store.output_bytes(task, &sha256).await?, app.queues.output_limit(&lease.queue));
    if kept.saturating_add(query.size) > limit {
        let detail = format!("The outputs of a task in the queue {} have at most {limit} bytes together.", lease.queue);
        return Err(Problem::new(ProblemCode::BodyTooLarge).detail(detail).into());
    }
    // From here to the record nothing is removed.
    let _kept = app.removing_uploads.read().await;
    let received = app.uploads.append(&owner(task), &sha256, query.size, query.offset, bytes).await.map_err(uploads::failed)?;
    let (received, complete) = match received {
        Received::Part(received) => (received, false),
        Received::Whole(size) => {
            app.store.run(RecordOutput { task, sha256: sha256.clone(), size }).await?;
            (size, true)
        }
    };
    Ok(axum::Json(Upload { sha256, received, complete }))
}

/// Says how far a file of the attempt's task has come.
#[utoipa::path(get, path = "/api/v1/attempts/{task}/{n}/outputs/{sha256}", operation_id = "getOutputOfAttempt", tag = "attempt",
    params(OfAttempt), responses((status = 200, body = Upload), (status = 401, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn get(State(app): State<App>, Path(path): Path<OfAttempt>, Bearer(token): Bearer) -> ApiResult<axum::Json<Upload>> {
    app.live_output(&path, token.expose_secret()).await?;
    let (_kept, sha256) = (app.removing_uploads.read().await, path.sha256);
    let upload = match app.store.output(path.task, &sha256).await? {
        Some(size) => Upload { sha256, received: size, complete: true },
        None => Upload { received: app.uploads.received(&owner(path.task), &sha256).await?, sha256, complete: false },
    };
    Ok(axum::Json(upload))
}

/// Who has sent the parts of a file: nobody that could be a user.
fn owner(task: TaskId) -> String {
    RecordOutput::owner(task)
}

impl App {
    async fn live_output(&self, path: &OfAttempt, token: &str) -> ApiResult<LeaseRecord> {
        let of: AttemptRef = AttemptPath { task: path.task, n: path.n }.attempt();
        self.live(of, &fingerprint(token)).await
    }
}
