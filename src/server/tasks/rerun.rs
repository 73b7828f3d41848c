//! `POST /tasks/{id}/rerun`: the same task again, as a new one.

use super::{
    intake, kin,
    path::{OfTask, TaskPath},
    submit,
};
use crate::{
    domain::{ArraySpec, Code, Indices, TaskSpec},
    server::{
        auth::Principal,
        body::{IdempotencyKey, MaybeJson},
        error::{ApiError, ApiResult, invalid},
        state::App,
    },
    store::{NewTask, Place, TaskRecord},
    wire::{FieldError, Problem, ProblemCode, RerunRequest, Task},
};
use axum::{extract::State, response::Response};

/// Submits a new task like this one, with `rerunOf`. The old one stays as it is. `dependsOn` and `notBefore` were for the first
/// submit: the new one has none. Queue and GPUs are the old ones, or those of the body; so are the values of its variables, one by one, and the code. Of an array all elements are repeated, or those that the body names, and keep their indices; an
/// element is repeated as an array of its one index.
#[utoipa::path(post, path = "/api/v1/tasks/{id}/rerun", operation_id = "rerunTask", tag = "tasks",
    params(TaskPath), request_body = RerunRequest,
    responses((status = 201, body = Task), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 422, body = Problem)))]
pub(crate) async fn rerun(
    State(app): State<App>,
    principal: Principal,
    key: IdempotencyKey,
    OfTask(id): OfTask,
    MaybeJson(request): MaybeJson<RerunRequest>,
) -> ApiResult<Response> {
    let task = app.record(id).await?;
    principal.may_act_on(&task)?;
    let spec = if request.queue.is_none() && request.gpus.is_none() && request.variables.is_empty() && request.code.is_none() {
        intake::again(&app, &principal.user, id, &task.spec)?;
        task.spec.clone()
    } else {
        app.sent(&principal, &task, &request).await?;
        let queue = request.queue.as_deref().unwrap_or(task.spec.queue.as_str());
        intake::elsewhere(&app, &principal, changed(task.spec.clone(), &request)?, queue)?
    };
    let same = format!("{id} {request:?}");
    let array = app.array_again(&task, request).await?;
    let task = NewTask { rerun_of: Some(id), array, ..NewTask::new(spec) };
    submit::one(&app, principal, task, key, "tasks/rerun", same.as_bytes()).await
}

/// The task with what the request says over it.
fn changed(mut spec: TaskSpec, request: &RerunRequest) -> ApiResult<TaskSpec> {
    spec.overrides.variables.extend(request.variables.clone());
    spec.setup.code = request.code.clone().or(spec.setup.code);
    if let Some(gpus) = request.gpus {
        spec.resources.gpus = gpus;
        let wrong = spec.violations().into_iter().find(|violation| violation.pointer == "/resources/gpus");
        if let Some(violation) = wrong {
            return Err(invalid(vec![FieldError { pointer: "/gpus".into(), message: violation.message }]));
        }
    }
    Ok(spec)
}

impl App {
    /// Refuses code that names an upload which the caller did not send, and the task does not name either.
    async fn sent(&self, principal: &Principal, task: &TaskRecord, request: &RerunRequest) -> ApiResult<()> {
        for sum in request.code.iter().flat_map(Code::uploads) {
            let named = task.spec.setup.uploads().any(|known| known == sum);
            if !named && self.store.upload(&principal.user, sum).await?.is_none() {
                return Err(submit::no_upload(sum).into());
            }
        }
        Ok(())
    }

    /// What makes the repetition of a task an array; none where it is none.
    async fn array_again(&self, task: &TaskRecord, request: RerunRequest) -> ApiResult<Option<ArraySpec>> {
        if request.only.is_some() && request.indices.is_some() {
            return Err(wrong("/indices", "either only or indices"));
        }
        if let Some(indices) = &request.indices {
            kin::named(task, indices)?;
        }
        let array = match &task.place {
            Some(Place::Array(array)) => array.spec.clone(),
            Some(Place::Element { index, size }) if request.only.is_none() => {
                return Ok(Some(ArraySpec { indices: Indices::of([*index]), size: *size, max_parallel: None }));
            }
            _ if request.only.is_some() => return Err(wrong("/only", &format!("task {} is no array", task.id))),
            _ => return Ok(None),
        };
        let indices = match request {
            RerunRequest { indices: Some(indices), .. } => indices,
            RerunRequest { only: None, .. } => return Ok(Some(array)),
            RerunRequest { only: Some(_), .. } => {
                let failed = self.store.failed_elements(task.id).await?;
                if failed.is_empty() {
                    let problem = Problem::new(ProblemCode::Conflict).detail(format!("No element of {} has failed.", task.id));
                    return Err(problem.hint(format!("All of them: slipway rerun {}", task.id)).into());
                }
                Indices::of(failed)
            }
        };
        Ok(Some(ArraySpec { indices, ..array }))
    }
}

fn wrong(pointer: &str, message: &str) -> ApiError {
    invalid(vec![FieldError { pointer: pointer.to_owned(), message: message.to_owned() }])
}
