//! `PUT /attempts/{task}/{n}/log`: a piece of the attempt's output.

use super::AttemptPath;
use crate::{
    blob::{AppendError, LogKey, Progress},
    domain::{AttemptRef, fingerprint},
    server::{
        auth::Bearer,
        body::{Path, Query, Raw},
        error::{ApiError, ApiResult},
        state::App,
    },
    store::LeaseRecord,
    wire::{LogAck, LogQuery, Problem, ProblemCode, limits},
};
use axum::extract::State;
use secrecy::ExposeSecret;

/// Appends to the log. Bytes that are there already are acknowledged without change, so a resend is safe. The agent
/// keeps everything from `durableOffset` on. Of an attempt that has ended, its agent may send the rest for as long as `finish`
/// says. With `claim` it is the runner that sends, with its own token: for an attempt whose image's entrypoint is the command,
/// so that no agent runs beside it.
#[utoipa::path(put, path = "/api/v1/attempts/{task}/{n}/log", operation_id = "putLog", tag = "attempt", params(AttemptPath, LogQuery),
    request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 200, body = LogAck), (status = 401, body = Problem), (status = 409, body = Problem), (status = 413, body = Problem),
    (status = 416, body = Problem)))]
pub(crate) async fn put(
    State(app): State<App>,
    Path(path): Path<AttemptPath>,
    Bearer(token): Bearer,
    Query(query): Query<LogQuery>,
    Raw(bytes): Raw<{ limits::MAX_LOG_FRAME }>,
) -> ApiResult<axum::Json<LogAck>> {
    if query.member != 0 {
        return Err(Problem::new(ProblemCode::InvalidParameter).detail("The attempt has one pod: member is 0.").into());
    }
    if query.gap.is_some() && !bytes.is_empty() {
        return Err(Problem::new(ProblemCode::ValidationFailed).detail("A gap has no body: those bytes are lost.").into());
    }
    let key = LogKey { attempt: path.attempt(), member: query.member };
    let live = match query.claim {
        None => live_or_late(&app, path.attempt(), token.expose_secret()).await?,
        Some(claim) => Some(app.live_agentless(path.attempt(), claim, token.expose_secret()).await?),
    };
    match &live {
        Some(lease) => app.open_log(lease, query.member).await?,
        None => app.open_late_log(path.attempt()).await?,
    };
    let before = app.logs.progress(key).map_or(0, |p| p.next);
    let Progress { next, durable } = match query.gap {
        Some(len) => app.logs.gap(key, query.offset, len).await.inspect(|p| {
            app.metrics.gap_bytes.inc_by(p.next.saturating_sub(before));
        }),
        None => app.logs.append(key, query.offset, bytes, query.crc32c).await.inspect(|p| {
            app.metrics.log_bytes.inc_by(p.next.saturating_sub(before));
        }),
    }
    .map_err(failed)?;
    crate::crash_point!("server.appended");
    if let Some(lease) = &live {
        app.settle_if_whole(lease).await?;
    }
    Ok(axum::Json(LogAck { next_offset: next, durable_offset: durable }))
}

/// The lease of a live attempt; none where the attempt has ended and the rest of its log is awaited.
async fn live_or_late(app: &App, attempt: AttemptRef, token: &str) -> ApiResult<Option<LeaseRecord>> {
    let token_hash = fingerprint(token);
    match app.live(attempt, &token_hash).await {
        Ok(lease) => Ok(Some(lease)),
        Err(_) if app.may_send_late(attempt, &token_hash).await? => Ok(None),
        Err(error) => Err(error),
    }
}

fn failed(error: AppendError) -> ApiError {
    match error {
        AppendError::Offset { next } => {
            let mut problem = Problem::new(ProblemCode::LogOffset).detail(format!("The log goes on at offset {next}."));
            problem.next_offset = Some(next);
            problem.into()
        }
        AppendError::Checksum => {
            Problem::new(ProblemCode::InvalidParameter).detail("The body does not have the CRC-32C that crc32c names.").into()
        }
        AppendError::Full => ProblemCode::LogFull.into(),
        // It was closed between opening and appending: its attempt ended, or a sync failed. The agent asks again.
        AppendError::NotOpen => ProblemCode::Unavailable.into(),
        AppendError::Io(error) => error.into(),
    }
}
