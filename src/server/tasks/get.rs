//! `GET /tasks/{id}`: one task.

use super::path::{OfTask, TaskPath};
use crate::{
    server::{error::ApiResult, state::App},
    wire::{Problem, Task},
};
use axum::extract::State;

/// One task.
#[utoipa::path(get, path = "/api/v1/tasks/{id}", operation_id = "getTask", tag = "tasks", params(TaskPath),
    responses((status = 200, body = Task), (status = 404, body = Problem)))]
pub(crate) async fn get(State(app): State<App>, OfTask(id): OfTask) -> ApiResult<axum::Json<Task>> {
    Ok(axum::Json(app.task(app.record(id).await?)))
}
