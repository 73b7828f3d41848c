//! `POST /tasks/{id}/attempts/{n}/abandon`: give an attempt up without proof that it is over.

use super::path::{OfTask, TaskPath};
use crate::{
    domain::AttemptRef,
    server::{
        auth::Principal,
        body::{Json, Path},
        error::{ApiResult, refused},
        state::App,
    },
    store::Abandon,
    wire::{AbandonRequest, AttemptNumber, Problem, ProblemCode, Task},
};
use axum::extract::State;
use serde::Deserialize;

/// The attempt in the path.
#[derive(Deserialize)]
pub(crate) struct Nth {
    n: AttemptNumber,
}

/// Gives the live attempt up: the task goes on without it. Its command may still be running somewhere; whoever calls
/// this says that it is not, or that it does no harm.
#[utoipa::path(post, path = "/api/v1/tasks/{id}/attempts/{n}/abandon", operation_id = "abandonAttempt", tag = "tasks",
    params(TaskPath, ("n" = u32, Path)), request_body = AbandonRequest,
    responses((status = 200, body = Task), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn abandon(
    State(app): State<App>,
    principal: Principal,
    OfTask(task): OfTask,
    Path(Nth { n: attempt }): Path<Nth>,
    Json { value: request, .. }: Json<AbandonRequest>,
) -> ApiResult<axum::Json<Task>> {
    if request.reason.trim().is_empty() || request.reason.len() > 1000 {
        return Err(Problem::new(ProblemCode::ValidationFailed).detail("A reason has 1 to 1,000 bytes.").into());
    }
    app.store.run(Abandon { task, attempt, by: principal.user, reason: request.reason }).await?.map_err(refused)?;
    app.close_log(AttemptRef { task, attempt }).await;
    Ok(axum::Json(app.task(app.record(task).await?)))
}
