//! `GET /tasks/{id}`: one task.

use crate::{
    server::{body::Path, error::ApiResult, state::App},
    wire::{Problem, Task, TaskId},
};
use axum::extract::State;

/// One task.
#[utoipa::path(get, path = "/api/v1/tasks/{id}", operation_id = "getTask", tag = "tasks", params(("id" = i64, Path)),
    responses((status = 200, body = Task), (status = 404, body = Problem)))]
pub(crate) async fn get(State(app): State<App>, Path(id): Path<TaskId>) -> ApiResult<axum::Json<Task>> {
    Ok(axum::Json(app.task(app.record(id).await?)))
}
