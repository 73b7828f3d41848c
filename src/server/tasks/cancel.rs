//! `POST /tasks/{id}/cancel`: ask a task to stop.

use crate::{
    domain::AttemptRef,
    server::{
        auth::Principal,
        body::{MaybeJson, Path},
        error::{ApiResult, no_task},
        state::App,
    },
    store::Cancel,
    wire::{Problem, Task, TaskId},
};
use axum::{extract::State, http::StatusCode};
use serde::Deserialize;

/// There is nothing to say beside the path.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// Asks a task to stop. `200` where it has ended, `202` where its agent was told; a repeat is no error.
#[utoipa::path(post, path = "/api/v1/tasks/{id}/cancel", operation_id = "cancelTask", tag = "tasks", params(("id" = i64, Path)),
    responses((status = 200, body = Task), (status = 202, body = Task), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn cancel(
    State(app): State<App>,
    principal: Principal,
    Path(id): Path<TaskId>,
    MaybeJson(Nothing {}): MaybeJson<Nothing>,
) -> ApiResult<(StatusCode, axum::Json<Task>)> {
    let task = app.record(id).await?;
    principal.may_act_on(&task)?;
    let silent = app.is_silent(&task);
    let cancelled = app.store.run(Cancel { task: id, by: principal.user, silent }).await?.ok_or_else(|| no_task(id))?;
    if cancelled.state.is_terminal()
        && let Some(lease) = task.lease
    {
        app.close_log(AttemptRef { task: id, attempt: lease.attempt.attempt }).await;
    }
    let status = if cancelled.state.is_terminal() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, axum::Json(app.task(app.record(id).await?))))
}
