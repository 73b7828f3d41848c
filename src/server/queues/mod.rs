//! The routes of queues.

pub(super) mod apply;
mod check;
pub(super) mod delete;
pub(super) mod get;
pub(super) mod pause;

use super::{
    error::{ApiError, ApiResult},
    state::App,
};
use crate::{
    domain::QueueName,
    store::QueueRefusal,
    wire::{Problem, ProblemCode},
};
use axum::http::{HeaderMap, HeaderValue, header};

/// The strong entity tag of a revision.
fn etag(revision: i64) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{revision}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
}

impl App {
    /// The revision that `If-Match` or `If-None-Match: *` asks for; 0 asks that there is none yet.
    async fn wanted(&self, name: &QueueName, headers: &HeaderMap) -> ApiResult<Option<i64>> {
        if headers.get(header::IF_MATCH).is_some_and(|v| v == "*") {
            let known = self.store.queue(name).await?.ok_or_else(|| refused(name, QueueRefusal::Revision(0)))?;
            return Ok(Some(known.revision));
        }
        wanted(headers)
    }
}

fn wanted(headers: &HeaderMap) -> ApiResult<Option<i64>> {
    if headers.get(header::IF_NONE_MATCH).is_some_and(|v| v == "*") {
        return Ok(Some(0));
    }
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let revision = value.to_str().ok().and_then(|v| v.trim().trim_matches('"').parse().ok());
    revision.map(Some).ok_or_else(|| Problem::new(ProblemCode::PreconditionFailed).detail("If-Match is no ETag of a queue.").into())
}

fn refused(name: &QueueName, refusal: QueueRefusal) -> ApiError {
    match refusal {
        QueueRefusal::NotFound => {
            Problem::new(ProblemCode::QueueNotFound).detail(format!("There is no queue {name}.")).hint("slipway queue ls")
        }
        QueueRefusal::Revision(0) => Problem::new(ProblemCode::PreconditionFailed).detail(format!("There is no queue {name}.")),
        QueueRefusal::Revision(now) => Problem::new(ProblemCode::PreconditionFailed)
            .detail(format!("Queue {name} is at revision {now}."))
            .hint("Read it again, then apply your change."),
        QueueRefusal::Busy => Problem::new(ProblemCode::Conflict)
            .detail(format!("Queue {name} has tasks that have not ended."))
            .hint("Cancel them, or wait for them, then delete the queue."),
    }
    .into()
}
