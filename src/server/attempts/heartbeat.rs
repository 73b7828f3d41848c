//! `POST /attempts/{task}/{n}/heartbeat`: a sign of life, held open until there is something to say.

use super::AttemptPath;
use crate::{
    domain::{Phase, fingerprint},
    server::{
        auth::Bearer,
        body::{Json, Path},
        error::{ApiResult, refused},
        state::App,
    },
    store::{Beat, Refusal},
    wire::{HeartbeatRequest, HeartbeatResponse, Problem, ProblemCode, Progress},
};
use axum::extract::State;
use secrecy::ExposeSecret;
use std::time::Duration;

/// Records a sign of life. The first one after the start closes the start and is answered at once; later ones are held
/// until somebody asks to stop the task, the attempt ends, or `waitMs` have passed.
#[utoipa::path(post, path = "/api/v1/attempts/{task}/{n}/heartbeat", operation_id = "attemptHeartbeat", tag = "attempt", params(AttemptPath),
    request_body = HeartbeatRequest, responses((status = 200, body = HeartbeatResponse), (status = 401, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn heartbeat(
    State(app): State<App>,
    Path(path): Path<AttemptPath>,
    Bearer(token): Bearer,
    Json { value: request, .. }: Json<HeartbeatRequest>,
) -> ApiResult<axum::Json<HeartbeatResponse>> {
    if !(Phase::Starting..=Phase::Running).contains(&request.phase) {
        let detail = "An agent reports the phases starting, setup and running.";
        return Err(Problem::new(ProblemCode::ValidationFailed).detail(detail).into());
    }
    let wrong = request.progress.as_ref().and_then(Progress::wrong);
    let wrong = wrong.or_else(|| request.usage.as_ref().is_some_and(|usage| !usage.is_fit()).then(|| "it tells of too many GPUs".into()));
    if let Some(wrong) = wrong {
        return Err(Problem::new(ProblemCode::ValidationFailed).detail(format!("{wrong}.")).into());
    }
    let attempt = path.attempt();
    let token_hash = fingerprint(token.expose_secret());
    let mut changes = app.store.changes().task(path.task);
    let lease = app.live(attempt, &token_hash).await?;
    if !app.pulses.beat(attempt, app.store.uptime().now()) {
        return Err(refused(Refusal::Superseded));
    }
    app.pulses.told(attempt, request.usage, request.progress);
    let first = lease.start_token.is_some();
    let mut cancel = lease.cancel.is_some();
    if first || lease.phase < Some(request.phase) {
        let beat = Beat { task: path.task, attempt: path.n, token_hash, phase: request.phase };
        cancel = app.store.run(beat).await?.map_err(refused)?;
        crate::crash_point!("server.beaten");
    }
    let wait = request.wait_ms.min(app.settings.times.heartbeat_hold_ms);
    if first || wait == 0 || (cancel && !request.cancel_known) {
        return Ok(axum::Json(HeartbeatResponse { cancel }));
    }
    let Some(_place) = app.pulses.hold() else { return Ok(axum::Json(HeartbeatResponse { cancel })) };
    let over = tokio::time::sleep(Duration::from_millis(wait));
    tokio::pin!(over);
    loop {
        tokio::select! {
            () = changes.changed() => {}
            () = &mut over => return Ok(axum::Json(HeartbeatResponse { cancel })),
            () = app.stop().cancelled() => return Ok(axum::Json(HeartbeatResponse { cancel })),
        }
        cancel = app.live(attempt, &token_hash).await?.cancel.is_some();
        if cancel && !request.cancel_known {
            return Ok(axum::Json(HeartbeatResponse { cancel }));
        }
    }
}
