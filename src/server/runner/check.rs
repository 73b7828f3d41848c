//! `POST /runner/attempts:check`: what the server knows of attempts that a runner found.

use crate::{
    server::{body::Json, convert::verdict, error::ApiResult, state::App},
    wire::{CheckRequest, CheckResponse, Checked, Problem},
};
use axum::extract::State;

/// Verdicts on attempts, in the order asked.
#[utoipa::path(post, path = "/api/v1/runner/attempts:check", operation_id = "checkAttempts", tag = "runner", request_body = CheckRequest,
    responses((status = 200, body = CheckResponse), (status = 422, body = Problem)))]
pub(crate) async fn check(State(app): State<App>, Json { value: request, .. }: Json<CheckRequest>) -> ApiResult<axum::Json<CheckResponse>> {
    super::bounded(request.items.len())?;
    let asked: Vec<_> = request.items.iter().map(|i| (i.task, i.attempt, i.claim)).collect();
    let known = app.store.check(&asked).await?;
    let items = asked.into_iter().zip(known).map(|((task, attempt, _), known)| Checked { task, attempt, verdict: verdict(known) });
    Ok(axum::Json(CheckResponse { items: items.collect() }))
}
