//! `GET /tasks/{id}/manifest`: the object of the newest attempt.

use super::{
    kin,
    path::{OfTask, TaskPath},
};
use crate::{
    domain::AttemptRef,
    server::{error::ApiResult, orders, preview::Parts, state::App},
    wire::{NewQueue, Problem, ProblemCode, TaskManifest},
};
use axum::extract::State;
use std::sync::Arc;

/// The Job of the newest attempt, with the layer that set each of its values, rendered from the queue as it was when the
/// attempt was claimed and from its runner as it is registered now. What the runner adds is computed here by the same rules; in
/// place of the agent's image stands a name for it.
#[utoipa::path(get, path = "/api/v1/tasks/{id}/manifest", operation_id = "getManifest", tag = "tasks", params(TaskPath),
    responses((status = 200, body = TaskManifest), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn get(State(app): State<App>, OfTask(id): OfTask) -> ApiResult<axum::Json<TaskManifest>> {
    let task = app.record(id).await?;
    kin::no_array(&task, "manifest", "get")?;
    let conflict = |detail: String, hint: &str| Problem::new(ProblemCode::Conflict).detail(detail).hint(hint);
    let attempts = app.store.attempts(id).await?;
    let name = &task.spec.queue;
    let preview = format!("What it would be: POST /api/v1/queues/{name}/render");
    let last = attempts.last().ok_or_else(|| conflict(format!("Task {id} has no attempt yet, so no manifest."), &preview))?;
    let runner = app.runners.get(&last.runner);
    let offer = runner.as_ref().and_then(|runner| runner.cluster.as_ref());
    let offer = offer
        .ok_or_else(|| conflict(format!("Attempt {} of task {id} has no pod: {} makes none.", last.attempt, last.runner), &preview))?;
    let kept = app.store.revision_at(name, last.claimed_at).await?;
    let then = kept.as_ref().and_then(|kept| serde_json::from_str::<NewQueue>(&kept.doc).ok().map(|doc| (kept.revision, Arc::new(doc))));
    let (revision, queue) = match then {
        Some((revision, queue)) => (Some(revision), queue),
        None => (None, app.queues.get(name.as_str()).unwrap_or_default()),
    };
    let of = AttemptRef { task: id, attempt: last.attempt };
    let spec = orders::runs(&task);
    let parts = Parts {
        runner: Some(&last.runner),
        offer,
        name,
        queue: &queue,
        spec: &spec,
        user: &task.user,
        of,
        claim: task.lease.as_ref().map(|lease| lease.claim).unwrap_or_default(),
        instance: app.store.instance(),
    };
    let made = parts.whole().map_err(|faults| {
        let first = faults.first().map(|fault| format!("{}: {}", fault.pointer, fault.message)).unwrap_or_default();
        conflict(format!("Task {id} makes no Job any more: {first}"), &format!("slipway why {id}"))
    })?;
    let origins = serde_json::to_value(&made.origins).map_err(|_| ProblemCode::Internal)?;
    Ok(axum::Json(TaskManifest { attempt: last.attempt, runner: last.runner.clone(), revision, manifest: made.manifest, origins }))
}
