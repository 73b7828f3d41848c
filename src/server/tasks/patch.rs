//! `PATCH /tasks/{id}`: change a task that has not started.

use super::{
    kin,
    path::{OfTask, TaskPath},
};
use crate::{
    server::{
        auth::Principal,
        body::Json,
        error::{ApiResult, invalid, no_task},
        state::App,
    },
    store::{Patch, Patched, merge_labels},
    wire::{FieldError, Problem, ProblemCode, Task, TaskPatch},
};
use axum::extract::State;
use futures::future::join_all;

/// So many elements are changed in one commit.
const STEP: u32 = 500;

/// Changes name, labels or priority of a task that is waiting or queued: a JSON Merge Patch of these members. Of an array
/// it changes them for all its elements that are waiting or queued.
#[utoipa::path(patch, path = "/api/v1/tasks/{id}", operation_id = "patchTask", tag = "tasks", params(TaskPath), request_body = TaskPatch,
    responses((status = 200, body = Task), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 422, body = Problem)))]
pub(crate) async fn patch(
    State(app): State<App>,
    principal: Principal,
    OfTask(id): OfTask,
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
    let of =
        |task| Patch { task, by: principal.user.clone(), name: patch.name.clone(), labels: patch.labels.clone(), priority: patch.priority };
    let patched = app.store.run(of(id)).await?;
    if patched == Patched::Changed && kin::array_of(&task).is_some() {
        let mut after = id;
        // What was claimed meanwhile takes no change.
        while let step = app.store.unclaimed_elements(id, after, STEP).await?
            && let Some(last) = step.last().copied()
        {
            join_all(step.into_iter().map(|element| app.store.run(of(element)))).await.into_iter().collect::<Result<Vec<_>, _>>()?;
            after = last;
        }
    }
    match patched {
        Patched::Changed => Ok(axum::Json(app.task(app.record(id).await?))),
        Patched::NotFound => Err(no_task(id)),
        Patched::Refused(state) => Err(Problem::new(ProblemCode::Conflict)
            .detail(format!("Task {id} is {state}; only a task that is waiting or queued can be changed."))
            .into()),
    }
}
