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
        orders,
        state::App,
    },
    store::{Patch, Patched, merge_labels},
    wire::{FieldError, Problem, ProblemCode, Task, TaskPatch, UnixMs},
};
use axum::extract::State;
/// Changes name, labels, priority or `notBefore` of a task that is waiting or queued: a JSON Merge Patch of these members. Name,
/// labels and priority of an array are changed for all its elements that are waiting or queued.
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
    let mut violations = wanted.violations();
    if let (Some(priority), Some(queue)) = (patch.priority, app.queues.get(wanted.queue.as_str())) {
        wanted.priority = priority;
        let denied = queue.allow.denies(&wanted, &orders::of_queue(&queue));
        violations.extend(denied.into_iter().filter(|violation| violation.pointer == "/priority"));
    }
    if !violations.is_empty() {
        return Err(invalid(violations.into_iter().map(|v| FieldError { pointer: v.pointer, message: v.message }).collect()));
    }
    let not_before = patch.not_before.map(|at| at.map(|at| UnixMs(at.as_millisecond())));
    let is_array = kin::array_of(&task).is_some();
    if is_array && not_before.is_some() && app.store.waits(id).await?.is_none() {
        let detail = format!("The elements of {id} are no longer held back together; notBefore of an array can be changed until then.");
        return Err(Problem::new(ProblemCode::Conflict).detail(detail).into());
    }
    let of = |task, not_before| Patch {
        task,
        by: principal.user.clone(),
        name: patch.name.clone(),
        labels: patch.labels.clone(),
        priority: patch.priority,
        not_before,
    };
    let patched = app.store.run(of(id, not_before)).await?;
    if patched == Patched::Changed && is_array {
        // What was claimed meanwhile takes no change.
        kin::each_unclaimed(&app, id, |element| of(element, None)).await?;
    }
    match patched {
        Patched::Changed => Ok(axum::Json(app.task(app.record(id).await?))),
        Patched::NotFound => Err(no_task(id)),
        Patched::Refused(state) => Err(Problem::new(ProblemCode::Conflict)
            .detail(format!("Task {id} is {state}; only a task that is waiting or queued can be changed."))
            .into()),
    }
}
