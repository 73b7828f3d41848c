//! `PATCH /tasks/{id}`: change a task that has not started.

use crate::{
    server::{
        auth::Principal,
        body::{Json, Path},
        error::{ApiResult, invalid, no_task},
        state::App,
    },
    store::{Patch, Patched, merge_labels},
    wire::{FieldError, Problem, ProblemCode, Task, TaskId, TaskPatch, UnixMs},
};
use axum::extract::State;

/// Changes name, labels, priority or `notBefore` of a task that is waiting or queued: a JSON Merge Patch of these members.
#[utoipa::path(patch, path = "/api/v1/tasks/{id}", operation_id = "patchTask", tag = "tasks", params(("id" = i64, Path)), request_body = TaskPatch,
    responses((status = 200, body = Task), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 422, body = Problem)))]
pub(crate) async fn patch(
    State(app): State<App>,
    principal: Principal,
    Path(id): Path<TaskId>,
    Json { value: patch, .. }: Json<TaskPatch>,
) -> ApiResult<axum::Json<Task>> {
    let task = app.record(id).await?;
    principal.may_act_on(&task)?;
    let mut wanted = task.spec.clone();
    if let Some(name) = &patch.name {
        wanted.name.clone_from(name);
    }
    merge_labels(&mut wanted.labels, &patch.labels);
    let violations = wanted.violations();
    if !violations.is_empty() {
        return Err(invalid(violations.into_iter().map(|v| FieldError { pointer: v.pointer, message: v.message }).collect()));
    }
    let not_before = patch.not_before.map(|at| at.map(|at| UnixMs(at.as_millisecond())));
    let change = Patch { task: id, by: principal.user, name: patch.name, labels: patch.labels, priority: patch.priority, not_before };
    match app.store.run(change).await? {
        Patched::Changed => Ok(axum::Json(app.task(app.record(id).await?))),
        Patched::NotFound => Err(no_task(id)),
        Patched::Refused(state) => Err(Problem::new(ProblemCode::Conflict)
            .detail(format!("Task {id} is {state}; only a task that is waiting or queued can be changed."))
            .into()),
    }
}
