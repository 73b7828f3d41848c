//! `POST /attempts/{task}/{n}/finish`: the result.

use super::AttemptPath;
use crate::{
    domain::{AttemptRef, End, FailureClass, Outcome, fingerprint},
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
use subtle::ConstantTimeEq;

/// Stores the result. The first one counts. The attempt is over when its log is whole and durable, or a minute later;
/// until then `nextOffset` says from where on bytes are missing.
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
        Err(error) => return repeated(&app, attempt, &token_hash).await?.ok_or(error),
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
        Err(Refusal::Superseded) => return repeated(&app, attempt, &token_hash).await?.ok_or_else(|| refused(Refusal::Superseded)),
        Err(refusal) => return Err(refused(refusal)),
    };
    crate::crash_point!("server.finished");
    if finished.settled {
        app.close_log(attempt).await;
    }
    Ok(axum::Json(FinishResponse { settled: finished.settled, state: finished.state, next_offset }))
}

/// Whether an attempt ended by what its agent reported. An end that others brought about has neither exit code nor
/// signal; nor has that of a command which never started.
fn reported(outcome: &Outcome, log_known: bool) -> bool {
    let seen = outcome.result.exit_code.or(outcome.result.signal).is_some();
    seen || match outcome.end {
        End::Succeeded => true,
        End::Cancelled => log_known,
        End::Failed(class, _) => !matches!(class, FailureClass::Lost | FailureClass::Infra),
    }
}

/// The answer to an agent whose finish was stored and whose answer was lost: its attempt ended with a result of its own.
async fn repeated(app: &App, attempt: AttemptRef, token_hash: &[u8; 32]) -> ApiResult<Option<axum::Json<FinishResponse>>> {
    let attempts = app.store.attempts(attempt.task).await?;
    let own = attempts.into_iter().find(|a| {
        let token = a.token_hash.as_deref().is_some_and(|own| own.ct_eq(token_hash).into());
        a.attempt == attempt.attempt && token && a.ended.as_ref().is_some_and(|(outcome, log)| reported(outcome, log.is_some()))
    });
    if own.is_none() {
        return Ok(None);
    }
    // The first call may have been dropped between its commit and this.
    app.close_log(attempt).await;
    let Some(task) = app.store.task(attempt.task).await? else { return Ok(None) };
    let next_offset = app.extent(log_of(attempt)).await?.len;
    Ok(Some(axum::Json(FinishResponse { settled: true, state: task.state, next_offset })))
}
