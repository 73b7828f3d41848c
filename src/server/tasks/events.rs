//! `GET /tasks/{id}/events`: what happened to a task, as a list.

use super::path::{OfTask, TaskPath};
use crate::{
    domain::EventId,
    server::{
        body::Query,
        convert,
        error::{ApiError, ApiResult},
        state::App,
    },
    store::EventFilter,
    wire::{EventList, EventQuery, Problem, ProblemCode, limits},
};
use axum::extract::State;

/// One page of the events of a task, oldest first. `GET /api/v1/events?task=1042` tells of those to come.
#[utoipa::path(get, path = "/api/v1/tasks/{id}/events", operation_id = "listEvents", tag = "tasks", params(TaskPath, EventQuery),
    responses((status = 200, body = EventList), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn list(State(app): State<App>, OfTask(id): OfTask, Query(query): Query<EventQuery>) -> ApiResult<axum::Json<EventList>> {
    app.record(id).await?;
    let (after, limit) = page(&query)?;
    let mut records = app.store.events_after(after, &EventFilter { task: Some(id) }, limit + 1).await?;
    let whole = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = records.len() > whole;
    records.truncate(whole);
    let next_cursor = records.last().filter(|_| more).map(|last| last.id.to_string());
    let complete = !app.store.events_expired(id).await?;
    Ok(axum::Json(EventList { items: records.into_iter().map(convert::event).collect(), complete, next_cursor }))
}

/// After which event, and how many.
fn page(query: &EventQuery) -> ApiResult<(EventId, u32)> {
    let wrong = |what: String| ApiError::from(Problem::new(ProblemCode::InvalidParameter).detail(what));
    let limit = query.limit.unwrap_or(limits::DEFAULT_PAGE);
    if !(1..=limits::MAX_PAGE).contains(&limit) {
        return Err(wrong(format!("limit: between 1 and {}.", limits::MAX_PAGE)));
    }
    let after = query.cursor.as_deref().map(|text| text.parse().map_err(|_| wrong("cursor: it is none of this server's.".to_owned())));
    Ok((EventId(after.transpose()?.unwrap_or(0)), limit))
}
