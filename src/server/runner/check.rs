//! `POST /runner/attempts:check`: what the server knows of attempts that a runner found.

use crate::{
    domain::AttemptRef,
    server::{body::Json, convert::verdict, error::ApiResult, state::App},
    store::Known,
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
    let ended = asked.iter().zip(&known).filter(|(_, known)| **known == Known::Ended);
    let awaiting = app.store.awaiting_logs(ended.map(|((task, attempt, _), _)| AttemptRef { task: *task, attempt: *attempt })).await?;
    let items = asked.into_iter().zip(known).map(|((task, attempt, _), known)| {
        let awaits_log = awaiting.contains(&AttemptRef { task, attempt });
        Checked { task, attempt, verdict: verdict(known), awaits_log }
    });
    Ok(axum::Json(CheckResponse { items: items.collect(), installation: app.store.instance().to_owned() }))
}
