//! `GET /export/…`: history as lines of JSON, streamed as it is read.

use super::{
    body::Query,
    convert,
    error::{ApiError, ApiResult, invalid},
    state::App,
};
use crate::{
    domain::{End, QueueName, TaskId, UnixMs},
    store::{AttemptRecord, Result, TaskRecord},
    wire::{AttemptLine, ExportQuery, FieldError, Problem, ProblemCode, Task, Timestamp, UsageLine, timestamp},
};
use axum::{
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::stream;
use serde::Serialize;

/// Tasks, oldest first, one `Task` a line.
#[utoipa::path(get, path = "/api/v1/export/tasks", operation_id = "exportTasks", tag = "export", params(ExportQuery),
    responses((status = 200, body = Task, content_type = "application/x-ndjson"), (status = 400, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn tasks(State(app): State<App>, Query(query): Query<ExportQuery>) -> ApiResult<Response> {
    Export::new(app, &query, Kind::Tasks).map(lines)
}

/// Attempts by task, ended and live, one `AttemptLine` a line.
#[utoipa::path(get, path = "/api/v1/export/attempts", operation_id = "exportAttempts", tag = "export", params(ExportQuery),
    responses((status = 200, body = AttemptLine, content_type = "application/x-ndjson"), (status = 400, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn attempts(State(app): State<App>, Query(query): Query<ExportQuery>) -> ApiResult<Response> {
    Export::new(app, &query, Kind::Attempts).map(lines)
}

/// What attempts used, by task, one `UsageLine` a line.
#[utoipa::path(get, path = "/api/v1/export/usage", operation_id = "exportUsage", tag = "export", params(ExportQuery),
    responses((status = 200, body = UsageLine, content_type = "application/x-ndjson"), (status = 400, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn usage(State(app): State<App>, Query(query): Query<ExportQuery>) -> ApiResult<Response> {
    Export::new(app, &query, Kind::Usage).map(lines)
}

#[derive(Clone, Copy)]
enum Kind {
    Tasks,
    Attempts,
    Usage,
}

/// How far an export has come.
struct Export {
    app: App,
    kind: Kind,
    since: i64,
    until: i64,
    queue: Option<QueueName>,
    after: TaskId,
}

impl Export {
    fn new(app: App, query: &ExportQuery, kind: Kind) -> ApiResult<Self> {
        let wrong = |why: String| ApiError::from(Problem::new(ProblemCode::InvalidParameter).detail(why));
        let queue = query.queue.as_deref().map(str::parse::<QueueName>).transpose().map_err(|e| wrong(format!("queue: {e}.")))?;
        let since = query.since.map_or(i64::MIN, Timestamp::as_millisecond);
        let until = query.until.map_or(i64::MAX, Timestamp::as_millisecond);
        if since > until {
            let order = FieldError { pointer: "/since".to_owned(), message: "it is later than until".to_owned() };
            return Err(invalid(vec![order]));
        }
        Ok(Self { app, kind, since, until, queue, after: TaskId(0) })
    }

    fn covers(&self, at: UnixMs) -> bool {
        (self.since..self.until).contains(&at.0)
    }

    /// The lines of the next page, which may be empty; none after the last.
    async fn page(&mut self) -> Result<Option<Vec<u8>>> {
        let tasks = self.app.store.tasks_after(self.after, self.queue.as_ref()).await?;
        let Some(last) = tasks.last() else { return Ok(None) };
        self.after = last.id;
        let mut out = Vec::new();
        if matches!(self.kind, Kind::Tasks) {
            for task in tasks.into_iter().filter(|task| self.covers(task.created_at)) {
                line(&mut out, &self.app.task(task));
            }
            return Ok(Some(out));
        }
        let attempts = self.app.store.attempts_of_page(&tasks).await?;
        for (task, attempts) in tasks.iter().zip(attempts) {
            for (attempt, bytes) in attempts.into_iter().filter(|(attempt, _)| self.covers(attempt.claimed_at)) {
                if matches!(self.kind, Kind::Usage) {
                    line(&mut out, &used(task, &attempt, self.app.now()));
                } else {
                    let (queue, user) = (task.spec.queue.clone(), task.user.clone());
                    line(&mut out, &AttemptLine { task: task.id, queue, user, attempt: convert::attempt(attempt, bytes, None) });
                }
            }
        }
        Ok(Some(out))
    }
}

fn line(out: &mut Vec<u8>, value: &impl Serialize) {
    // Writing our own types into memory cannot fail.
    if serde_json::to_writer(&mut *out, value).is_ok() {
        out.push(b'\n');
    }
}

/// What an attempt has used by `now`.
fn used(task: &TaskRecord, attempt: &AttemptRecord, now: UnixMs) -> UsageLine {
    let slot_seconds = attempt.ended_at.unwrap_or(now).since(attempt.claimed_at).as_secs();
    let gpus = task.spec.resources.gpus;
    let end = attempt.ended.as_ref().map(|(outcome, _)| outcome.end);
    UsageLine {
        task: task.id,
        attempt: attempt.attempt,
        queue: task.spec.queue.clone(),
        user: task.user.clone(),
        labels: task.spec.labels.clone(),
        gpus,
        claimed_at: timestamp(attempt.claimed_at),
        started_at: attempt.started_at.map(timestamp),
        ended_at: attempt.ended_at.map(timestamp),
        state: end.map(End::state),
        class: end.and_then(End::class),
        reason: end.and_then(End::reason).or(attempt.unplaced),
        slot_seconds,
        gpu_seconds: slot_seconds.saturating_mul(u64::from(gpus)),
    }
}

fn lines(export: Export) -> Response {
    let pages = stream::unfold(Some(export), |export| async move {
        let mut export = export?;
        loop {
            if export.app.stop().is_cancelled() {
                return Some((cut("the server stops"), None));
            }
            match export.page().await {
                // A page of which nothing is wanted is no reason to stop reading, nor to send anything.
                Ok(Some(lines)) if lines.is_empty() => {}
                Ok(Some(lines)) => return Some((Ok(Bytes::from(lines)), Some(export))),
                Ok(None) => return None,
                Err(error) => {
                    tracing::error!(%error, "an export was cut off");
                    return Some((cut("the store failed"), None));
                }
            }
        }
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(pages)).into_response()
}

/// The head is out; a cut body is the one way left to say that this is not the end.
fn cut(why: &'static str) -> std::io::Result<Bytes> {
    Err(std::io::Error::other(why))
}
