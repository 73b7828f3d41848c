//! `POST /tasks/{id}/rerun`: the same task again, as a new one.

use super::{
    cancel::Nothing,
    intake,
    submit::{created, store},
};
use crate::{
    server::{
        auth::Principal,
        body::{IdempotencyKey, MaybeJson, Path, sha256},
        error::ApiResult,
        state::App,
    },
    store::NewTask,
    wire::{Problem, Task, TaskId},
};
use axum::{extract::State, response::Response};

/// Submits a new task like this one, with `rerunOf`. The old one stays as it is. `dependsOn` and `notBefore` were for the first
/// submit: the new one has none.
#[utoipa::path(post, path = "/api/v1/tasks/{id}/rerun", operation_id = "rerunTask", tag = "tasks",
    params(("id" = i64, Path)),
    responses((status = 201, body = Task), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 422, body = Problem)))]
pub(crate) async fn rerun(
    State(app): State<App>,
    principal: Principal,
    key: IdempotencyKey,
    Path(id): Path<TaskId>,
    MaybeJson(Nothing {}): MaybeJson<Nothing>,
) -> ApiResult<Response> {
    let task = app.record(id).await?;
    principal.may_act_on(&task)?;
    intake::again(&app, id, &task.spec)?;
    let digest = sha256(&id.0.to_be_bytes());
    let tasks = vec![NewTask { rerun_of: Some(id), ..NewTask::new(task.spec) }];
    let (ids, repeated) = store(&app, principal, tasks, key, "tasks/rerun", digest).await?;
    created(&app, ids.first().copied(), repeated).await
}
