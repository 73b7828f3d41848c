//! `GET /tasks/{id}/timeline`: where a task's time went.

use super::{
    kin,
    path::{OfTask, TaskPath},
};
use crate::{
    domain::{
        AttemptRef, EventId, Ledger,
        timeline::{Moment, ledger, spans},
    },
    server::{error::ApiResult, state::App},
    store::{EventFilter, EventRecord},
    wire::{Problem, Timeline, TimelineSpan, Usage, timestamp},
};
use axum::extract::State;

/// The most events that are looked at: those of a task are few, unless something goes wrong again and again.
const MOST: u32 = 10_000;

/// What a task did and waited for, from the submit to its end or to now, and what its time went to in all.
#[utoipa::path(get, path = "/api/v1/tasks/{id}/timeline", operation_id = "taskTimeline", tag = "tasks", params(TaskPath),
    responses((status = 200, body = Timeline), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn get(State(app): State<App>, OfTask(id): OfTask) -> ApiResult<axum::Json<Timeline>> {
    let task = app.record(id).await?;
    kin::no_array(&task, "timeline", "stats")?;
    let events = app.store.events_after(EventId(0), &EventFilter { task: Some(id) }, MOST).await?;
    let complete = !app.store.events_expired(id).await?;
    let moments: Vec<_> = events.iter().map(moment).collect();
    let (spans, now) = (spans(&moments, task.state), app.now());
    let mut notes = app.store.notes(id).await?.remove(&task.attempt).unwrap_or_default();
    if task.lease.is_some() {
        app.pulses.refresh(AttemptRef { task: id, attempt: task.attempt }, &mut notes);
    }
    let ledger = Ledger { gpu_idle_ms: notes.usage.as_ref().and_then(idle), ..ledger(&spans, task.attempt, now) };
    let spans = spans.iter().map(|span| TimelineSpan {
        what: span.what,
        attempt: span.attempt,
        from: timestamp(span.from),
        to: span.to.map(timestamp),
        ms: span.ms(now),
    });
    Ok(axum::Json(Timeline { task: id, state: task.state, complete, spans: spans.collect(), ledger }))
}

fn moment(event: &EventRecord) -> Moment<'_> {
    Moment {
        at: event.at,
        kind: &event.kind,
        attempt: event.attempt,
        phase: event.data["phase"].as_str().and_then(|phase| phase.parse().ok()),
        held: event.data["reason"].is_string(),
    }
}

/// The time in which GPUs were held and not busy; none where nobody measured how busy they were.
fn idle(usage: &Usage) -> Option<u64> {
    let shares: Vec<_> = usage.gpus.iter().filter_map(|gpu| Some(100 - u64::from(gpu.mean_busy_percent?.min(100)))).collect();
    (!shares.is_empty()).then(|| shares.iter().map(|percent| usage.elapsed_ms.saturating_mul(*percent) / 100).sum())
}
