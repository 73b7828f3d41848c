//! `PUT /attempts/{task}/{n}/log`: a piece of the attempt's output.

use super::AttemptPath;
use crate::{
    blob::{AppendError, LogKey, Progress},
    domain::fingerprint,
    server::{
        auth::Bearer,
        body::{Path, Query, Raw},
        error::{ApiError, ApiResult},
        state::App,
    },
    wire::{LogAck, LogQuery, Problem, ProblemCode, limits},
};
use axum::extract::State;
use secrecy::ExposeSecret;

/// Appends to the log. Bytes that are there already are acknowledged without change, so a resend is safe. The agent
/// keeps everything from `durableOffset` on. With `claim` it is the runner that sends, with its own token: for an attempt
/// whose image's entrypoint is the command, so that no agent runs beside it.
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
    let lease = match query.claim {
        None => app.live(path.attempt(), &fingerprint(token.expose_secret())).await?,
        Some(claim) => app.live_agentless(path.attempt(), claim, token.expose_secret()).await?,
    };
    let key = LogKey { attempt: lease.attempt, member: query.member };
    app.open_log(&lease, query.member).await?;
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
    app.settle_if_whole(&lease).await?;
    Ok(axum::Json(LogAck { next_offset: next, durable_offset: durable }))
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
