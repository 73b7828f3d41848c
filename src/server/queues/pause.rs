//! `POST /queues/{name}/pause` and `…/resume`.

use super::refused;
use crate::{
    server::{
        auth::Principal,
        body::{MaybeJson, Path},
        error::ApiResult,
        state::App,
    },
    store::{PauseQueue, QueueRefusal},
    wire::{PauseRequest, Problem, ProblemCode, Queue, QueueName},
};
use axum::extract::State;

/// Stops claims from a queue. What runs goes on; submits are still taken.
#[utoipa::path(post, path = "/api/v1/queues/{name}/pause", operation_id = "pauseQueue", tag = "queues", params(("name" = String, Path)),
    request_body = PauseRequest, responses((status = 200, body = Queue), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn pause(
    State(app): State<App>,
    principal: Principal,
    Path(name): Path<QueueName>,
    MaybeJson(request): MaybeJson<PauseRequest>,
) -> ApiResult<axum::Json<Queue>> {
    reasonable(request.reason.as_deref())?;
    set(&app, PauseQueue { name, by: principal.user, pause: Some(request.reason) }).await
}

/// Refuses a reason that is too long.
pub(super) fn reasonable(reason: Option<&str>) -> ApiResult<()> {
    if reason.is_some_and(|reason| reason.len() > 1000) {
        return Err(Problem::new(ProblemCode::ValidationFailed).detail("A reason has at most 1,000 bytes.").into());
    }
    Ok(())
}

/// Lets claims from a queue go on, and submits into it: ends a pause and a drain.
#[utoipa::path(post, path = "/api/v1/queues/{name}/resume", operation_id = "resumeQueue", tag = "queues", params(("name" = String, Path)),
    responses((status = 200, body = Queue), (status = 404, body = Problem)))]
pub(crate) async fn resume(State(app): State<App>, principal: Principal, Path(name): Path<QueueName>) -> ApiResult<axum::Json<Queue>> {
    set(&app, PauseQueue { name, by: principal.user, pause: None }).await
}

async fn set(app: &App, operation: PauseQueue) -> ApiResult<axum::Json<Queue>> {
    let name = operation.name.clone();
    app.store.run(operation).await?.map_err(|refusal| refused(&name, refusal))?;
    shown(app, &name).await
}

/// A queue as it is now.
pub(super) async fn shown(app: &App, name: &QueueName) -> ApiResult<axum::Json<Queue>> {
    let record = app.store.queue(name).await?.ok_or_else(|| refused(name, QueueRefusal::NotFound))?;
    Ok(axum::Json(app.queue(&record)))
}
