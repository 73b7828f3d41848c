//! `POST /tasks:batch`: submit many tasks, all or none.

use super::{depend, submit};
use crate::{
    server::{
        audit,
        auth::Principal,
        body::{IdempotencyKey, Json},
        error::ApiResult,
        state::App,
    },
    store::{After, NewTask},
    wire::{self, BatchRequest, BatchResponse, Problem, ProblemCode, limits},
};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};

/// Submits up to 1,000 tasks; where one is wrong none is stored. They may depend on each other by `ref`.
#[utoipa::path(post, path = "/api/v1/tasks:batch", operation_id = "submitTasks", tag = "tasks",
    request_body = BatchRequest,
    responses((status = 201, body = BatchResponse), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 422, body = Problem)))]
pub(crate) async fn batch(
    State(app): State<App>,
    principal: Principal,
    key: IdempotencyKey,
    Json { value: request, bytes }: Json<BatchRequest, { limits::MAX_BATCH_BODY }>,
) -> ApiResult<Response> {
    if !(1..=limits::MAX_BATCH).contains(&request.tasks.len()) {
        let detail = format!("A batch has 1 to {} tasks; this one has {}.", limits::MAX_BATCH, request.tasks.len());
        return Err(Problem::new(ProblemCode::ValidationFailed).detail(detail).into());
    }
    let after = depend::of_batch(&app, &principal, &request.tasks).await?;
    let take = |((nth, new), after): ((usize, wire::NewTask), After)| {
        let task = submit::taken(&app, &principal, new, &format!("/tasks/{nth}"))?;
        Ok(NewTask { after, ..task })
    };
    let tasks = request.tasks.into_iter().enumerate().zip(after).map(take).collect::<ApiResult<Vec<_>>>()?;
    let (ids, new) = submit::store(&app, principal, tasks, key, "tasks:batch", &bytes).await?;
    let named = ids.first().zip(ids.last()).map(|(first, last)| audit::Object(format!("tasks/{first}..{last}")));
    let mut response = submit::marked((StatusCode::CREATED, axum::Json(BatchResponse { ids })).into_response(), new.is_none());
    if let Some(object) = named {
        response.extensions_mut().insert(object);
    }
    Ok(response)
}
