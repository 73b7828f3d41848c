//! `GET /tasks/{id}/attempts`: every try of a task.

use super::{
    kin,
    path::{OfTask, TaskPath},
};
use crate::{
    domain::AttemptRef,
    server::{convert, error::ApiResult, logs::log_of, state::App},
    wire::{AttemptList, Problem},
};
use axum::extract::State;

/// All attempts of a task, oldest first, the live one included.
#[utoipa::path(get, path = "/api/v1/tasks/{id}/attempts", operation_id = "listAttempts", tag = "tasks", params(TaskPath),
    responses((status = 200, body = AttemptList), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn list(State(app): State<App>, OfTask(id): OfTask) -> ApiResult<axum::Json<AttemptList>> {
    kin::no_array(&app.record(id).await?, "attempts", "get")?;
    let mut items = Vec::new();
    let records = app.store.attempts(id).await?;
    let mut said = app.store.notes(id).await?;
    for record in records {
        let of = AttemptRef { task: id, attempt: record.attempt };
        let key = log_of(of);
        let mut notes = said.remove(&record.attempt).unwrap_or_default();
        if record.ended_at.is_none() {
            app.pulses.refresh(of, &mut notes);
        }
        let bytes = match app.logs.progress(key) {
            Some(open) => open.next,
            None => app.extent(key).await?.len,
        };
        items.push(convert::attempt(record, bytes, Some(notes).filter(|notes| !notes.is_empty())));
    }
    Ok(axum::Json(AttemptList { items }))
}
