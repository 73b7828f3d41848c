//! `GET /tasks/{id}/outputs`: the files that a task left.

use super::{
    kin,
    path::{OfTask, TaskPath},
};
use crate::{
    domain::Sha256,
    server::{
        body::{Path, Query},
        error::ApiResult,
        state::App,
        uploads,
    },
    wire::{AttemptNumber, OutputList, Problem, ProblemCode, UploadRange},
};
use axum::{extract::State, response::Response};
use serde::Deserialize;

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct OutputParams {
    /// Of which attempt; default the newest that left any.
    #[param(value_type = Option<u32>)]
    attempt: Option<AttemptNumber>,
}

/// The task and the file in the path.
#[derive(Clone, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OutputPath {
    /// The SHA-256 of the file's bytes.
    #[param(value_type = String)]
    sha256: Sha256,
}

/// The files that one attempt of a task left, in the order of their paths.
#[utoipa::path(get, path = "/api/v1/tasks/{id}/outputs", operation_id = "listOutputs", tag = "tasks", params(TaskPath, OutputParams),
    responses((status = 200, body = OutputList), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn list(
    State(app): State<App>,
    OfTask(id): OfTask,
    Query(query): Query<OutputParams>,
) -> ApiResult<axum::Json<OutputList>> {
    kin::no_array(&app.record(id).await?, "outputs", "outputs")?;
    let left = app.store.notes(id).await?.into_iter().filter(|(_, notes)| !notes.outputs.is_empty());
    let of = left.filter(|(attempt, _)| query.attempt.is_none_or(|wanted| *attempt == wanted)).max_by_key(|(attempt, _)| *attempt);
    let (attempt, mut items) = of.map(|(attempt, notes)| (Some(attempt), notes.outputs)).unwrap_or_default();
    items.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(axum::Json(OutputList { attempt, items }))
}

/// The bytes of a file that the task left, from `offset` on.
#[utoipa::path(get, path = "/api/v1/tasks/{id}/outputs/{sha256}", operation_id = "getOutput", tag = "tasks",
    params(TaskPath, OutputPath, UploadRange), responses((status = 200, content_type = "application/octet-stream", body = String),
    (status = 404, body = Problem)))]
pub(crate) async fn get(
    State(app): State<App>,
    OfTask(id): OfTask,
    Path(path): Path<OutputPath>,
    Query(range): Query<UploadRange>,
) -> ApiResult<Response> {
    let missing = || Problem::new(ProblemCode::UploadNotFound).detail(format!("Task {id} left no file {}.", path.sha256));
    app.store.output(id, &path.sha256).await?.ok_or_else(missing)?;
    uploads::stream(&app, path.sha256.clone(), range).await?.ok_or_else(|| missing().into())
}
