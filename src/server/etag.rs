//! Revisions as entity tags: what a change asks of the thing that it changes.

use super::error::ApiResult;
use crate::wire::{Problem, ProblemCode};
use axum::http::{HeaderMap, HeaderValue, header};

/// The strong entity tag of a revision.
pub(super) fn etag(revision: i64) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{revision}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
}

/// Whether the caller has this revision already.
pub(super) fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    headers.get(header::IF_NONE_MATCH) == Some(tag)
}

/// Whether `If-Match: *` asks that the thing exists.
pub(super) fn must_exist(headers: &HeaderMap) -> bool {
    headers.get(header::IF_MATCH).is_some_and(|v| v == "*")
}

/// The revision that `If-Match` or `If-None-Match: *` asks for; 0 asks that there is none yet.
pub(super) fn wanted(headers: &HeaderMap) -> ApiResult<Option<i64>> {
    if headers.get(header::IF_NONE_MATCH).is_some_and(|v| v == "*") {
        return Ok(Some(0));
    }
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let revision = value.to_str().ok().and_then(|v| v.trim().trim_matches('"').parse().ok());
    revision.map(Some).ok_or_else(|| Problem::new(ProblemCode::PreconditionFailed).detail("If-Match is no ETag of ours.").into())
}
