//! `POST /attempts/{task}/{n}/finish`: the result.

use super::AttemptPath;
use crate::{
    domain::{AttemptRef, fingerprint},
    server::{
        auth::Bearer,
        body::{Json, Path},
        error::{ApiResult, refused},
        logs::log_of,
        state::App,
    },
    store::{Finish, Refusal},
    wire::{FinishRequest, FinishResponse, Problem, ProblemCode},
};
use axum::extract::State;
use secrecy::ExposeSecret;

/// Stores the result. The first one counts. The attempt is over when its log is whole and durable, or a minute later; `nextOffset` says
/// from where on bytes are missing. As long as its agent tries (`finishRetryMs` from the end on) they are taken after that minute too,
/// and `logComplete` turns true; `settled` is false until then.
#[utoipa::path(post, path = "/api/v1/attempts/{task}/{n}/finish", operation_id = "finishAttempt", tag = "attempt", params(AttemptPath),
    request_body = FinishRequest, responses((status = 200, body = FinishResponse), (status = 401, body = Problem), (status = 409, body = Problem),
    (status = 422, body = Problem)))]
pub(crate) async fn finish(
    State(app): State<App>,
    Path(path): Path<AttemptPath>,
    Bearer(token): Bearer,
    Json { value: request, .. }: Json<FinishRequest>,
) -> ApiResult<axum::Json<FinishResponse>> {
    if request.message.as_ref().is_some_and(|m| m.len() > 1024) {
        return Err(Problem::new(ProblemCode::ValidationFailed).detail("A message has at most 1,024 bytes.").into());
    }
    if let Some(wrong) = request.notes.as_ref().and_then(|notes| notes.wrong()) {
        return Err(Problem::new(ProblemCode::ValidationFailed).detail(format!("{wrong}.")).into());
    }
    if request.log_bytes > crate::blob::MAX_OFFSET {
        return Err(Problem::new(ProblemCode::ValidationFailed)
            .detail(format!("A log has at most {} bytes.", crate::blob::MAX_OFFSET))
            .into());
    }
    let attempt = path.attempt();
    let token_hash = fingerprint(token.expose_secret());
    let lease = match app.live(attempt, &token_hash).await {
        Ok(lease) => lease,
        Err(error) => return repeated(&app, attempt, &token_hash, (request.log_bytes, request.log_crc)).await?.ok_or(error),
    };
    // The first finish counts, with what it says of the log.
    let log = lease.log.filter(|_| lease.result.is_some()).unwrap_or((request.log_bytes, request.log_crc));
    // Of a log without a byte there is nothing to make durable.
    let empty = log.0 == 0 && app.logs.progress(log_of(attempt)).is_none_or(|p| p.next == 0);
    if !empty {
        app.open_log(&lease, 0).await?;
    }
    // An object store may be slow, or away: the first finish does not wait for it. The agent asks again.
    let behind = app.logs.progress(log_of(attempt)).is_some_and(|p| p.durable < p.next);
    let at_once = lease.result.is_none() && behind && app.logs.remote().is_some();
    let settled = if empty || at_once { None } else { app.whole_log(log_of(attempt), log.0, log.1).await? };
    let next_offset = app.logs.progress(log_of(attempt)).map_or(0, |p| p.next);
    let finish = Finish { task: path.task, attempt: path.n, token_hash, result: request.result(), log, notes: request.notes, settled };
    let finished = match app.store.run(finish).await? {
        Ok(finished) => finished,
        // Settled by the log that arrived meanwhile.
        Err(Refusal::Superseded) => return repeated(&app, attempt, &token_hash, log).await?.ok_or_else(|| refused(Refusal::Superseded)),
        Err(refusal) => return Err(refused(refusal)),
    };
    crate::crash_point!("server.finished");
    if finished.settled {
        app.close_log(attempt).await;
    }
    Ok(axum::Json(FinishResponse { settled: finished.settled, state: finished.state, next_offset }))
}

/// The answer to an agent whose attempt ended with the result that it reported: because the answer to its finish was lost, or
/// because the rest of its log did not come in time. While that is awaited, it may still come.
async fn repeated(app: &App, attempt: AttemptRef, token_hash: &[u8; 32], log: (u64, u32)) -> ApiResult<Option<axum::Json<FinishResponse>>> {
    let ended = app.store.ended_attempt(attempt).await?;
    let Some(own) = ended.filter(|ended| ended.has_token(token_hash) && ended.is_reported()) else { return Ok(None) };
    let (settled, next_offset) = if app.is_awaited(&own) {
        app.complete_late(attempt, log).await?
    } else {
        // The first call may have been dropped between its commit and this.
        app.close_log(attempt).await;
        (true, app.extent(log_of(attempt)).await?.len)
    };
    let Some(task) = app.store.task(attempt.task).await? else { return Ok(None) };
    Ok(Some(axum::Json(FinishResponse { settled, state: task.state, next_offset })))
}
