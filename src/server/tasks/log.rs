//! `GET /tasks/{id}/log`: what a task wrote, as bytes or as a stream of events.

use super::{
    kin,
    path::{OfTask, TaskPath},
    stream::{Reader, Span, Step},
};
use crate::{
    domain::{AttemptNumber, AttemptRef, TaskId},
    server::{
        body::Query,
        error::{ApiError, ApiResult},
        logs::log_of,
        state::App,
    },
    wire::{LogChunk, Problem, ProblemCode},
};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures::{Stream, stream};
use serde::Deserialize;
use std::{convert::Infallible, time::Duration};

const RAW_CHUNK: usize = 256 << 10;
const SSE_CHUNK: usize = 48 << 10;

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogParams {
    /// Which attempt. Without it the newest one is read; a follow begins with the first and goes on into the next.
    #[param(value_type = Option<u32>)]
    attempt: Option<AttemptNumber>,
    /// The first byte to read.
    offset: Option<u64>,
    /// At most so many bytes.
    limit: Option<u64>,
    /// Wait for what is still to come, until the task has ended.
    #[serde(default)]
    follow: bool,
}

/// The log as raw bytes, with `Range`; or, for `Accept: text/event-stream`, as events: `log` with a `LogChunk` and the id
/// `attempt:next`, and `end` with the task's state. `Last-Event-ID` goes on after such an id.
#[utoipa::path(get, path = "/api/v1/tasks/{id}/log", operation_id = "getLog", tag = "tasks", params(TaskPath, LogParams),
    responses((status = 200, content((String = "text/plain"), (LogChunk = "text/event-stream"))), (status = 206, body = String, content_type = "text/plain"),
    (status = 404, body = Problem), (status = 409, body = Problem), (status = 410, body = Problem), (status = 416, body = Problem)))]
pub(crate) async fn get(
    State(app): State<App>,
    OfTask(id): OfTask,
    Query(query): Query<LogParams>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let task = app.record(id).await?;
    kin::no_array(&task, "log", "logs")?;
    if query.attempt.is_some_and(|n| n > task.attempt || n == AttemptNumber::NONE) {
        let detail = format!("Task {id} has had {} attempts.", task.attempt);
        return Err(Problem::new(ProblemCode::AttemptNotFound).detail(detail).into());
    }
    if app.store.log_expired(id).await? {
        return Err(expired(id));
    }
    let accepts = |kind: &str| headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).is_some_and(|v| v.contains(kind));
    let mut span = Span {
        attempt: query.attempt,
        only: query.attempt.is_some(),
        offset: query.offset.unwrap_or(0),
        limit: query.limit,
        follow: query.follow,
        chunk: RAW_CHUNK,
    };
    if accepts("text/event-stream") {
        span.chunk = SSE_CHUNK;
        if let Some(id) = headers.get("last-event-id") {
            let wrong = || Problem::new(ProblemCode::InvalidParameter).detail("Last-Event-ID is no place in a log (attempt:next).");
            let (attempt, offset) = resume(id).ok_or_else(wrong)?;
            span.attempt = Some(attempt);
            span.offset = offset;
        }
        let reader = Reader::new(app, id, task.attempt, span);
        let keep_alive = KeepAlive::new().interval(Duration::from_secs(15));
        let mut response = Sse::new(events(reader)).keep_alive(keep_alive).into_response();
        response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
        return Ok(response);
    }
    let range = headers.get(header::RANGE).filter(|_| !query.follow && query.offset.is_none() && query.limit.is_none());
    let attempt = AttemptRef { task: id, attempt: query.attempt.unwrap_or(task.attempt) };
    let ranged = match range.and_then(byte_range) {
        Some(range) => match app.within(attempt, range).await? {
            Ok(ranged) => ranged,
            Err(total) => return Ok(unsatisfiable(total)),
        },
        None => None,
    };
    if let Some((first, len, _)) = ranged {
        span.offset = first;
        span.limit = Some(len);
    }
    let body = Body::from_stream(bytes(Reader::new(app, id, task.attempt, span)));
    let mut response = ([(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::ACCEPT_RANGES, "bytes")], body).into_response();
    if let Some((first, len, total)) = ranged {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let content_range = format!("bytes {first}-{}/{total}", first + len - 1);
        if let Ok(value) = HeaderValue::from_str(&content_range) {
            response.headers_mut().insert(header::CONTENT_RANGE, value);
        }
    }
    Ok(response)
}

impl App {
    /// First byte, length and total of a range of a log; `None` where the log has gaps: their notices have another
    /// length than they, so the whole is sent, as RFC 9110 allows.
    /// Fails with the total where the range lies beyond it.
    async fn within(&self, attempt: AttemptRef, (first, last): Bounds) -> ApiResult<Result<Option<(u64, u64, u64)>, u64>> {
        let extent = match self.logs.extent(log_of(attempt)) {
            Some(open) => open,
            None => self.extent(log_of(attempt)).await?,
        };
        let total = extent.len;
        if !extent.gaps.is_empty() {
            return Ok(Ok(None));
        }
        let (first, end) = match (first, last) {
            (Some(first), last) => (first, last.map_or(total, |last| last.saturating_add(1).min(total))),
            (None, suffix) => (total.saturating_sub(suffix.unwrap_or(0)), total),
        };
        if first >= end {
            return Ok(Err(total));
        }
        Ok(Ok(Some((first, end - first, total))))
    }
}

/// The refusal where the bytes of a task's log were removed.
pub(super) fn expired(id: TaskId) -> ApiError {
    let detail = format!("The log of task {id} was removed by the retention of its queue.");
    Problem::new(ProblemCode::LogExpired).detail(detail).hint(format!("slipway get {id}")).into()
}

/// First and last byte of a range as asked for.
type Bounds = (Option<u64>, Option<u64>);

fn unsatisfiable(total: u64) -> Response {
    let mut problem = Problem::new(ProblemCode::LogOffset).detail(format!("The log has {total} bytes."));
    problem.next_offset = Some(total);
    let mut response = ApiError::from(problem).into_response();
    if let Ok(value) = HeaderValue::from_str(&format!("bytes */{total}")) {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}

/// One range of RFC 9110: `bytes=a-b`, `bytes=a-` or `bytes=-n`. Anything else is ignored, as it allows.
fn byte_range(value: &HeaderValue) -> Option<(Option<u64>, Option<u64>)> {
    let (first, last) = value.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) };
    match (number(first.trim())?, number(last.trim())?) {
        (None, None) => None,
        (Some(first), Some(last)) if last < first => None,
        range => Some(range),
    }
}

fn resume(value: &HeaderValue) -> Option<(AttemptNumber, u64)> {
    let (attempt, offset) = value.to_str().ok()?.split_once(':')?;
    Some((attempt.parse().ok()?, offset.parse().ok()?))
}

fn bytes(reader: Reader) -> impl Stream<Item = std::io::Result<bytes::Bytes>> {
    stream::unfold(Some(reader), |reader| async move {
        let mut reader = reader?;
        match reader.step().await {
            Ok(Step::Bytes { bytes, .. }) => Some((Ok(bytes), Some(reader))),
            Ok(Step::End(_)) => None,
            // The head is out; a cut body is the one way left to say that this is not the end.
            Ok(Step::Stopped) | Err(_) => Some((Err(std::io::Error::other("the log was cut off")), None)),
        }
    })
}

fn events(reader: Reader) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(Some(reader), |reader| async move {
        let mut reader = reader?;
        match reader.step().await {
            Ok(Step::Bytes { attempt, offset, next, bytes }) => {
                let chunk = LogChunk { attempt, offset, next, b64: STANDARD.encode(&bytes) };
                let event = Event::default().event("log").id(format!("{attempt}:{next}")).json_data(chunk);
                Some((Ok(event.unwrap_or_default()), Some(reader)))
            }
            Ok(Step::End(state)) => {
                let end = Event::default().event("end").data(serde_json::json!({ "state": state }).to_string());
                Some((Ok(end), None))
            }
            Ok(Step::Stopped) | Err(_) => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_plain_range_is_read_and_everything_else_ignored() {
        let read = |text: &'static str| byte_range(&HeaderValue::from_static(text));
        assert_eq!(read("bytes=0-99"), Some((Some(0), Some(99))));
        assert_eq!(read("bytes=100-"), Some((Some(100), None)));
        assert_eq!(read("bytes=-5"), Some((None, Some(5))));
        for ignored in ["bytes=-", "bytes=9-1", "lines=1-2", "bytes=0-1,5-6", "bytes=a-b"] {
            assert_eq!(read(ignored), None, "{ignored}");
        }
    }
}
