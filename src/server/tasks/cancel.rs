//! `POST /tasks/{id}/cancel`: ask a task to stop, or some elements of an array.

use super::{
    kin,
    path::{OfTask, TaskPath},
};
use crate::{
    domain::{AttemptRef, TaskId},
    server::{
        auth::Principal,
        body::MaybeJson,
        clockwork,
        error::{ApiResult, no_task},
        state::App,
    },
    store::{Cancel, CancelElements, Cancelled, Cascade, StoreError, TaskRecord},
    wire::{CancelRequest, Problem, Task, TaskState},
};
use axum::{extract::State, http::StatusCode};

/// Asks a task to stop, and its children with it. `200` where it has ended, `202` where it was told; a repeat is no error.
#[utoipa::path(post, path = "/api/v1/tasks/{id}/cancel", operation_id = "cancelTask", tag = "tasks", params(TaskPath), request_body = CancelRequest,
    responses((status = 200, body = Task), (status = 202, body = Task), (status = 403, body = Problem), (status = 404, body = Problem),
    (status = 422, body = Problem)))]
pub(crate) async fn cancel(
    State(app): State<App>,
    principal: Principal,
    OfTask(id): OfTask,
    MaybeJson(request): MaybeJson<CancelRequest>,
) -> ApiResult<(StatusCode, axum::Json<Task>)> {
    let task = app.record(id).await?;
    principal.may_act_on(&task)?;
    if let Some(indices) = &request.indices {
        kin::named(&task, indices)?;
    }
    let repeated = kin::array_of(&task).is_some_and(|array| array.cancel_at.is_some());
    let by = principal.user;
    let cancelled = match request.indices {
        Some(indices) => app.store.run(CancelElements { array: id, by, indices }).await?,
        None => app.store.run(Cancel { task: id, by, silent: app.is_silent(&task) }).await?,
    };
    let Cancelled { state } = cancelled.ok_or_else(|| no_task(id))?;
    if kin::array_of(&task).is_some() && !state.is_terminal() {
        // The first step at once: few elements are cancelled when the answer comes. The clockwork does the rest.
        let step = app.store.run(Cascade).await?;
        clockwork::carry_on(&app, step).await?;
        if repeated {
            app.cancel_silent_elements(id).await?;
        }
    } else if let Some(lease) = task.lease.filter(|_| state.is_terminal()) {
        app.close_log(AttemptRef { task: id, attempt: lease.attempt.attempt }).await;
    }
    let task = app.record(id).await?;
    let status = if task.state.is_terminal() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, axum::Json(app.task(task))))
}

impl App {
    /// Ends what was asked to stop and whose agents are silent, so that nobody would carry the request out.
    pub(in crate::server) async fn cancel_silent(&self, tasks: impl Iterator<Item = TaskId>) -> Result<(), StoreError> {
        let silent = |task: &TaskRecord| task.lease.as_ref().is_some_and(|lease| lease.cancel.is_some()) && self.is_silent(task);
        for (id, task) in self.store.tasks_of(tasks).await? {
            let Some(lease) = task.lease.as_ref().filter(|_| silent(&task)) else { continue };
            let by = lease.cancel.as_ref().map(|cancel| cancel.by.clone()).unwrap_or_default();
            let ended = self.store.run(Cancel { task: id, by, silent: true }).await?;
            if ended.is_some_and(|cancelled| cancelled.state == TaskState::Cancelled) {
                self.close_log(lease.attempt).await;
            }
        }
        Ok(())
    }

    async fn cancel_silent_elements(&self, array: TaskId) -> Result<(), StoreError> {
        let active = self.store.active_children(array).await?;
        self.cancel_silent(active.into_iter().filter(|attempt| self.is_quiet(*attempt)).map(|attempt| attempt.task)).await
    }
}
