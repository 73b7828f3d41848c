//! `POST /tasks`: submit one task.

use super::{depend, intake, kin};
use crate::{
    domain::{Sha256, UnixMs},
    server::{
        auth::Principal,
        body::{IdempotencyKey, Json, sha256},
        error::ApiResult,
        state::App,
    },
    store::{Halt, Idempotency, NewTask, Submit, Submitted},
    wire::{self, Problem, ProblemCode, QueueName, Task, TaskId, timestamp},
};
use axum::{
    extract::State,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

/// Submits a task. A repeat with the same `Idempotency-Key` and body answers with the same task.
#[utoipa::path(post, path = "/api/v1/tasks", operation_id = "submitTask", tag = "tasks",
    request_body = wire::NewTask,
    responses((status = 201, body = Task), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn submit(
    State(app): State<App>,
    principal: Principal,
    key: IdempotencyKey,
    Json { value: new, bytes }: Json<wire::NewTask>,
) -> ApiResult<Response> {
    let after = depend::of_one(&app, &principal, &new).await?;
    let task = NewTask { after, ..taken(&app, &principal, new, "")? };
    one(&app, principal, task, key, "tasks", &bytes).await
}

/// A task as it is stored, checked. `at`: where it stands in the request.
pub(super) fn taken(app: &App, principal: &Principal, new: wire::NewTask, at: &str) -> ApiResult<NewTask> {
    let array = new.array.as_ref().map(|array| kin::array(array, at)).transpose()?;
    let parent = new.parent.map(|id| kin::parent(principal, id));
    let not_before = depend::not_before(&new);
    Ok(NewTask { not_before, parent, array, ..NewTask::new(intake::take(app, principal, new, at)?) })
}

/// Stores one task; the answer is what is stored, which for a plain one nobody has to read.
pub(super) async fn one(
    app: &App,
    principal: Principal,
    task: NewTask,
    key: IdempotencyKey,
    route: &'static str,
    body: &[u8],
) -> ApiResult<Response> {
    let plain = task.is_plain().then(|| (task.clone(), principal.user.clone()));
    let (ids, new) = store(app, principal, vec![task], key, route, body).await?;
    let id = *ids.first().ok_or(ProblemCode::Internal)?;
    let record = match (plain, new) {
        (Some((task, user)), Some(at)) => task.stored(id, user, at),
        _ => app.record(id).await?,
    };
    let location = [(header::LOCATION, format!("/api/v1/tasks/{id}"))];
    Ok(marked((StatusCode::CREATED, location, axum::Json(app.task(record))).into_response(), new.is_none()))
}

/// Stores tasks; ids in order, and when, or none where an earlier request stored them. `body`: the bytes that a repeat has again.
pub(super) async fn store(
    app: &App,
    principal: Principal,
    tasks: Vec<NewTask>,
    IdempotencyKey(key): IdempotencyKey,
    route: &'static str,
    body: &[u8],
) -> ApiResult<(Vec<TaskId>, Option<UnixMs>)> {
    let idempotency = key.map(|key| Idempotency { route, key, digest: sha256(body) });
    let submitted = app.store.run(Submit { user: principal.user.clone(), tasks, idempotency }).await?;
    crate::crash_point!("server.submitted");
    match submitted {
        Submitted::New(ids, at) => Ok((ids, Some(at))),
        Submitted::Repeated(ids) => Ok((ids, None)),
        Submitted::Mismatch => Err(Problem::new(ProblemCode::IdempotencyMismatch)
            .detail("This Idempotency-Key came before with another body; nothing was stored.")
            .hint("Use a new key for a new request.")
            .into()),
        Submitted::NoTask(id) => Err(Problem::new(ProblemCode::TaskNotFound).detail(depend::no_task(id)).into()),
        Submitted::NoQueue(name) => Err(intake::no_queue(app, &principal, name.as_str(), "").into()),
        Submitted::NoUpload(sum) => Err(no_upload(&sum).into()),
        Submitted::NoParent(id, why) => Err(kin::no_parent(id, &why)),
        Submitted::Draining { queue, halt } => Err(draining(&queue, &halt).into()),
        Submitted::Full { queue, pending, max, refused } => Err(full(&queue, pending, max, refused).into()),
    }
}

/// An upload that is not the caller's to name.
pub(super) fn no_upload(sum: &Sha256) -> Problem {
    Problem::new(ProblemCode::UploadNotFound)
        .detail(format!("You have sent no upload {sum}, or so long ago that it is gone: nothing stored."))
        .hint("Send its bytes first: PUT /api/v1/uploads/SHA256; what no task names goes after a day.")
}

/// A queue that an operator drains.
fn draining(queue: &QueueName, (by, reason, at): &Halt) -> Problem {
    let why = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let at = timestamp(*at);
    Problem::new(ProblemCode::QueueDraining)
        .detail(format!("The queue {queue} takes no new tasks: {by} drains it since {at:.0}{why}"))
        .hint(format!("Submit to another queue, or ask {by}; to end it: slipway queue resume {queue}"))
}

/// A queue with so many tasks that it takes no more.
fn full(queue: &QueueName, pending: u64, max: u32, refused: u64) -> Problem {
    let pending = if pending > u64::from(max) { format!("more than {max}") } else { pending.to_string() };
    Problem::new(ProblemCode::QueueFull)
        .detail(format!(
            "The queue {queue} takes at most {max} tasks that wait or are queued (limits.maxPending), and has {pending}: {refused} refused, nothing stored."
        ))
        .hint("Try again when some of them have started, or ask an admin for a higher maxPending.")
}

/// Marks the answer to a repeated request.
pub(super) fn marked(mut response: Response, repeated: bool) -> Response {
    if repeated {
        response.headers_mut().insert(HeaderName::from_static("idempotent-replayed"), HeaderValue::from_static("true"));
    }
    response
}
