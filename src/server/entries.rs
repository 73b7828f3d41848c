//! `GET /audit` and `GET /export/audit`: what the audit log tells.

use super::{
    audit,
    body::Query,
    error::{ApiError, ApiResult, invalid},
    state::App,
};
use crate::{
    domain::{UnixMs, did_you_mean},
    store::{AuditFilter, AuditRow, StoreError},
    wire::{AuditEntry, AuditExportQuery, AuditList, AuditQuery, FieldError, Problem, ProblemCode, limits, timestamp},
};
use axum::{
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::stream;
use std::io;

/// Rows of one read of an export.
const PAGE: u32 = 1_000;

/// Who did what, newest first. `nextCursor` opens the next page.
#[utoipa::path(get, path = "/api/v1/audit", operation_id = "listAudit", tag = "audit", params(AuditQuery),
    responses((status = 200, body = AuditList), (status = 400, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn list(State(app): State<App>, Query(query): Query<AuditQuery>) -> ApiResult<axum::Json<AuditList>> {
    let limit = query.limit.unwrap_or(limits::DEFAULT_PAGE);
    if !(1..=limits::MAX_PAGE).contains(&limit) {
        return Err(wrong(format!("limit: between 1 and {}.", limits::MAX_PAGE)));
    }
    let no_cursor = || wrong("cursor: it is none of this server's.".to_owned());
    let after = query.cursor.as_deref().map(|text| text.parse::<i64>().map_err(|_| no_cursor())).transpose()?;
    let mut rows = app.store.audit(&filter(&query)?, after, true, limit + 1).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next_cursor = rows.last().filter(|_| more).map(|(id, _)| id.to_string());
    Ok(axum::Json(AuditList { items: rows.into_iter().map(entry).collect(), next_cursor }))
}

/// The same oldest first, one `AuditEntry` a line, all of it.
#[utoipa::path(get, path = "/api/v1/export/audit", operation_id = "exportAudit", tag = "export", params(AuditExportQuery),
    responses((status = 200, body = AuditEntry, content_type = "application/x-ndjson"), (status = 400, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn export(State(app): State<App>, Query(query): Query<AuditExportQuery>) -> ApiResult<Response> {
    let filter = filter(&AuditQuery { since: query.since, until: query.until, ..AuditQuery::default() })?;
    let pages = stream::try_unfold((app, filter, None), |(app, filter, after)| async move {
        let rows = app.store.audit(&filter, after, false, PAGE).await.map_err(|error| broken(&error))?;
        let Some((last, _)) = rows.last() else { return Ok(None) };
        let after = Some(*last);
        let mut lines = Vec::new();
        for entry in rows.into_iter().map(entry) {
            serde_json::to_writer(&mut lines, &entry)?;
            lines.push(b'\n');
        }
        Ok::<_, io::Error>(Some((Bytes::from(lines), (app, filter, after))))
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(pages)).into_response())
}

fn filter(query: &AuditQuery) -> ApiResult<AuditFilter> {
    if let Some(action) = query.action.as_deref().filter(|action| !audit::is_action(action)) {
        let near = did_you_mean(action, audit::actions());
        let shown: String = action.chars().take(64).collect();
        let message = match near {
            Some(near) => format!("no {shown:?} is recorded. Did you mean {near:?}?"),
            None => format!("no {shown:?} is recorded; an operationId is, as cancelTask"),
        };
        return Err(invalid(vec![FieldError { pointer: "/action".to_owned(), message }]));
    }
    if let (Some(since), Some(until)) = (query.since, query.until)
        && since > until
    {
        let order = FieldError { pointer: "/since".to_owned(), message: "it is later than until".to_owned() };
        return Err(invalid(vec![order]));
    }
    Ok(AuditFilter {
        user: query.user.clone(),
        action: query.action.clone(),
        object: query.object.clone(),
        since: query.since.map(|at| UnixMs(at.as_millisecond())),
        until: query.until.map(|at| UnixMs(at.as_millisecond())),
    })
}

fn entry((id, row): (i64, AuditRow)) -> AuditEntry {
    let AuditRow { at, user, action, object, address, status, request_id } = row;
    AuditEntry { id, at: timestamp(at), user, action, object, address, status, request_id }
}

fn wrong(why: String) -> ApiError {
    Problem::new(ProblemCode::InvalidParameter).detail(why).into()
}

/// The head is out; a cut body is the one way left to say that this is not the end.
fn broken(error: &StoreError) -> io::Error {
    tracing::error!(%error, "an export was cut off");
    io::Error::other("the store failed")
}
