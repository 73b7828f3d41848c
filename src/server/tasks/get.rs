//! `GET /tasks/{id}`: one task.

use super::path::{OfTask, TaskPath};
use crate::{
    server::{error::ApiResult, state::App},
    wire::{Problem, Task},
};
use axum::extract::State;

/// One task, with what its newest attempt says of itself.
#[utoipa::path(get, path = "/api/v1/tasks/{id}", operation_id = "getTask", tag = "tasks", params(TaskPath),
    responses((status = 200, body = Task), (status = 404, body = Problem)))]
pub(crate) async fn get(State(app): State<App>, OfTask(id): OfTask) -> ApiResult<axum::Json<Task>> {
    let record = app.record(id).await?;
    let mut said = app.store.notes(id).await?;
    if let Some(lease) = record.lease.as_ref().filter(|lease| lease.started_at.is_some()) {
        app.pulses.refresh(lease.attempt, said.entry(lease.attempt.attempt).or_default());
    }
    let newest = said.into_iter().filter(|(_, notes)| !notes.is_empty()).max_by_key(|(attempt, _)| *attempt);
    Ok(axum::Json(Task { notes: newest.map(|(_, notes)| notes), ..app.task(record) }))
}
