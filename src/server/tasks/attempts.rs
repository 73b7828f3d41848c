//! `GET /tasks/{id}/attempts`: every try of a task.

use crate::{
    domain::AttemptRef,
    server::{body::Path, convert, error::ApiResult, logs::log_of, state::App},
    wire::{AttemptList, Problem, TaskId},
};
use axum::extract::State;

/// All attempts of a task, oldest first, the live one included.
#[utoipa::path(get, path = "/api/v1/tasks/{id}/attempts", operation_id = "listAttempts", tag = "tasks", params(("id" = i64, Path)),
    responses((status = 200, body = AttemptList), (status = 404, body = Problem)))]
pub(crate) async fn list(State(app): State<App>, Path(id): Path<TaskId>) -> ApiResult<axum::Json<AttemptList>> {
    app.record(id).await?;
    let mut items = Vec::new();
    for record in app.store.attempts(id).await? {
        let key = log_of(AttemptRef { task: id, attempt: record.attempt });
        let bytes = match app.logs.progress(key) {
            Some(open) => open.next,
            None => app.extent(key).await?.len,
        };
        items.push(convert::attempt(record, bytes));
    }
    Ok(axum::Json(AttemptList { items }))
}
