//! `PUT /queues/{name}`: create or replace a queue.

use super::{etag, refused};
use crate::{
    domain::{Labels, Priority, Resources, TaskSpec, Work},
    server::{
        auth::Principal,
        body::{Json, Path},
        convert,
        error::{ApiResult, to_the_end, valid},
        state::App,
    },
    store::{ApplyQueue, QueueRefusal},
    wire::{FieldError, NewQueue, Problem, ProblemCode, Queue, QueueName},
};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

/// Creates a queue, or replaces what it was applied with. The same document changes nothing. `If-Match` asks for a
/// revision, `If-None-Match: *` that it is new.
#[utoipa::path(put, path = "/api/v1/queues/{name}", operation_id = "applyQueue", tag = "queues", params(("name" = String, Path)),
    request_body = NewQueue, responses((status = 200, body = Queue), (status = 201, body = Queue), (status = 412, body = Problem),
    (status = 422, body = Problem)))]
pub(crate) async fn apply(
    State(app): State<App>,
    principal: Principal,
    Path(name): Path<QueueName>,
    headers: HeaderMap,
    Json { value: mut queue, .. }: Json<NewQueue>,
) -> ApiResult<Response> {
    check(&name, &queue)?;
    queue.name = None;
    let doc = serde_json::to_string(&queue).map_err(|_| ProblemCode::Internal)?;
    let apply = ApplyQueue { name: name.clone(), doc, by: principal.user, if_revision: app.wanted(&name, &headers).await? };
    let applied = app.clone();
    let outcome = to_the_end(async move {
        let outcome = applied.store.run(apply).await?;
        applied.queues.refresh(&applied.store).await?;
        Ok(outcome)
    });
    let created = outcome.await?.map_err(|refusal| refused(&name, refusal))?;
    let record = app.store.queue(&name).await?.ok_or_else(|| refused(&name, QueueRefusal::NotFound))?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, [(header::ETAG, etag(record.revision))], axum::Json(convert::queue(&record))).into_response())
}

/// A queue's defaults must make legal tasks: they are checked as the task that they would complete.
fn check(name: &QueueName, queue: &NewQueue) -> ApiResult<()> {
    let mut errors = Vec::new();
    if let Some(given) = queue.name.as_ref().filter(|given| *given != name) {
        errors.push(FieldError { pointer: "/name".into(), message: format!("the path says {name}, the body {given}") });
    }
    if queue.description.as_ref().is_some_and(|d| d.len() > 1000) {
        errors.push(FieldError { pointer: "/description".into(), message: "at most 1,000 bytes".into() });
    }
    if queue.limits.log_bytes.is_some_and(|n| !(4096..=1 << 40).contains(&n)) {
        errors.push(FieldError { pointer: "/limits/logBytes".into(), message: "between 4,096 bytes and 1 TiB".into() });
    }
    let sample = TaskSpec {
        name: None,
        queue: name.clone(),
        labels: Labels::new(),
        priority: Priority::Normal,
        work: Work::Command(vec!["true".into()]),
        env: queue.defaults.env.clone(),
        resources: Resources::default(),
        timeout_seconds: queue.defaults.timeout_seconds,
        grace_seconds: queue.defaults.grace_seconds.unwrap_or(0),
        retries: queue.defaults.retries.unwrap_or_default(),
    };
    errors.extend(sample.violations().into_iter().map(|v| FieldError { pointer: format!("/defaults{}", v.pointer), message: v.message }));
    valid(errors)
}
