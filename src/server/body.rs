//! Reading requests: bounded, strict, and with errors that name the place.

use super::{
    error::{ApiError, ApiResult, invalid},
    listen::bounds_of,
};
use crate::{
    domain::did_you_mean,
    wire::{FieldError, Problem, ProblemCode, limits},
};
use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, FromRequestParts, Request, path::ErrorKind, rejection::PathRejection},
    http::{HeaderMap, header, request::Parts},
};
use futures::StreamExt;
use serde::de::DeserializeOwned;

/// A JSON body of at most `LIMIT` bytes, and those bytes, whose digest tells repeated requests from others.
pub(super) struct Json<T, const LIMIT: usize = { limits::MAX_BODY }> {
    pub(super) value: T,
    pub(super) bytes: Bytes,
}

impl<S: Sync, T: DeserializeOwned, const LIMIT: usize> FromRequest<S> for Json<T, LIMIT> {
    type Rejection = ApiError;
    async fn from_request(request: Request, _: &S) -> ApiResult<Self> {
        let (parts, body) = request.into_parts();
        json_type(&parts.headers)?;
        let bytes = read(&parts, body, LIMIT).await?;
        Ok(Self { value: parse(&bytes)?, bytes })
    }
}

/// The same where the body may be missing altogether.
pub(super) struct MaybeJson<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned + Default> FromRequest<S> for MaybeJson<T> {
    type Rejection = ApiError;
    async fn from_request(request: Request, _: &S) -> ApiResult<Self> {
        let (parts, body) = request.into_parts();
        let bytes = read(&parts, body, limits::MAX_BODY).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        json_type(&parts.headers)?;
        parse(&bytes).map(Self)
    }
}

/// Raw bytes of at most `LIMIT`.
pub(super) struct Raw<const LIMIT: usize>(pub(super) Bytes);

impl<S: Sync, const LIMIT: usize> FromRequest<S> for Raw<LIMIT> {
    type Rejection = ApiError;
    async fn from_request(request: Request, _: &S) -> ApiResult<Self> {
        let (parts, body) = request.into_parts();
        read(&parts, body, LIMIT).await.map(Self)
    }
}

/// The query string as a type, unknown parameters refused where the type does.
pub(super) struct Query<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> ApiResult<Self> {
        axum::extract::Query::try_from_uri(&parts.uri)
            .map(|axum::extract::Query(value)| Self(value))
            .map_err(|error| Problem::new(ProblemCode::InvalidParameter).detail(sentence(&deepest(&error))).into())
    }
}

/// The parts of the path as a type.
pub(super) struct Path<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        axum::extract::Path::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Path(value)| Self(value))
            .map_err(|error| Problem::new(ProblemCode::InvalidParameter).detail(in_path(&error)).into())
    }
}

/// What is wrong with a part of the path, without the name of a type of ours.
fn in_path(error: &PathRejection) -> String {
    match error {
        PathRejection::FailedToDeserializePathParams(inner) => match inner.kind() {
            ErrorKind::ParseError { value, .. } | ErrorKind::ParseErrorAtIndex { value, .. } | ErrorKind::ParseErrorAtKey { value, .. } => {
                format!("{value:?} in the path is no number that can stand there.")
            }
            _ => sentence(&deepest(error)),
        },
        _ => sentence(&deepest(error)),
    }
}

/// The innermost cause, which is the part that tells something.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

fn json_type(headers: &HeaderMap) -> ApiResult<()> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    let essence = given.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    if essence == "application/json" || essence == "application/merge-patch+json" {
        return Ok(());
    }
    let detail = if given.is_empty() { "The request has no Content-Type.".to_owned() } else { format!("The Content-Type is {given:?}.") };
    Err(Problem::new(ProblemCode::UnsupportedMediaType).detail(detail).hint("Send Content-Type: application/json").into())
}

/// Reads a body up to its limit. A longer one is read on for a while and thrown away, so that its sender gets to read
/// the answer instead of a reset connection. One that comes too slowly is given up.
async fn read(parts: &Parts, body: Body, limit: usize) -> ApiResult<Bytes> {
    let bounds = bounds_of(&parts.extensions);
    let mut stream = body.into_data_stream();
    let mut kept = bytes::BytesMut::new();
    let mut seen = 0_usize;
    let began = tokio::time::Instant::now();
    loop {
        let until = (began + bounds.body_until(seen)).min(tokio::time::Instant::now() + bounds.body_pause);
        let next = tokio::time::timeout_at(until, stream.next());
        let Some(chunk) = next.await.map_err(|_| ApiError::from(ProblemCode::BodyTooSlow))? else { break };
        let chunk = chunk.map_err(|_| Problem::new(ProblemCode::InvalidBody).detail("The body was cut off."))?;
        seen += chunk.len();
        if seen <= limit {
            kept.extend_from_slice(&chunk);
        } else if seen > limit + (16 << 20) {
            break;
        }
    }
    if seen > limit {
        return Err(Problem::new(ProblemCode::BodyTooLarge).detail(format!("This route takes at most {limit} bytes.")).into());
    }
    Ok(kept.freeze())
}

/// JSON with errors by place, line and column.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> ApiResult<T> {
    // serde would take a list for an object, its items in the order of our fields.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(invalid(vec![FieldError { pointer: String::new(), message: "the body must be an object, not a list".into() }]));
    }
    // To keep track of the place costs more than the reading, so only what is wrong is read a second time.
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    let mut de = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut de).map_err(|error| {
        let pointer = pointer(error.path());
        let inner = error.into_inner();
        if !inner.is_data() {
            return ApiError::from(Problem::new(ProblemCode::InvalidBody).detail(format!("The body is no JSON: {inner}.")));
        }
        invalid(vec![FieldError { pointer, message: plain(&inner.to_string()) }])
    })?;
    de.end().map_err(|error| Problem::new(ProblemCode::InvalidBody).detail(format!("The body goes on after the JSON: {error}.")))?;
    Ok(value)
}

/// serde's words for people: the likely word in place of a list of all, and no position, which the pointer tells.
fn plain(text: &str) -> String {
    let text = text.rsplit_once(" at line ").map_or(text, |(before, _)| before);
    match (suggestion(text), text.split_once(", expected")) {
        (Some(known), Some((before, _))) => format!("{before}. Did you mean {known:?}?"),
        _ => text.to_owned(),
    }
}

/// The same as a sentence.
fn sentence(text: &str) -> String {
    let text = match text.split_once(": ") {
        // The name of a parameter stands before what is wrong with it, which for an unknown one names it again.
        Some((_, rest)) if rest.starts_with("unknown ") => plain(rest),
        _ => plain(text),
    };
    if text.ends_with('?') { text } else { format!("{text}.") }
}

/// serde's path as an RFC 6901 pointer.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(format!("/{index}")),
            Segment::Map { key } => Some(format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

/// The likely word behind serde's "unknown field `x`, expected one of `a`, `b`".
fn suggestion(text: &str) -> Option<&str> {
    let mut quoted = text.strip_prefix("unknown ")?.split('`').skip(1).step_by(2);
    let given = quoted.next()?;
    did_you_mean(given, quoted)
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).into()
}

/// The caller's `Idempotency-Key`: 1 to 255 visible ASCII characters.
pub(super) struct IdempotencyKey(pub(super) Option<String>);

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> ApiResult<Self> {
        let Some(value) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        let key = value.to_str().ok().map(|k| k.trim_matches('"')).filter(|k| (1..=limits::MAX_IDEMPOTENCY_KEY).contains(&k.len()));
        key.map(|k| Self(Some(k.to_owned()))).ok_or_else(|| {
            let detail = format!("An Idempotency-Key has 1 to {} visible ASCII characters.", limits::MAX_IDEMPOTENCY_KEY);
            Problem::new(ProblemCode::InvalidParameter).detail(detail).into()
        })
    }
}
