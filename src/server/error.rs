//! How handlers fail: a problem document, or a fault of ours that is logged here and shown as a bare 500.

use crate::{
    store::{Refusal, StoreError},
    wire::{Problem, ProblemCode, TaskId},
};
use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};

/// A failed request.
#[derive(Debug)]
pub(super) struct ApiError(pub(super) Box<Problem>);

/// The answer of every handler.
pub(super) type ApiResult<T> = Result<T, ApiError>;

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl From<ProblemCode> for ApiError {
    fn from(code: ProblemCode) -> Self {
        Problem::new(code).into()
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store failed");
        match error {
            StoreError::Closed | StoreError::Unavailable(_) => {
                Problem::new(ProblemCode::Unavailable).detail("The database does not take writes now; nothing was stored.").into()
            }
            StoreError::Unsure(_) => Problem::new(ProblemCode::Internal)
                .detail("It is not known whether the request took effect.")
                .hint("Repeat it with the same Idempotency-Key.")
                .into(),
            _ => ProblemCode::Internal.into(),
        }
    }
}

impl From<std::io::Error> for ApiError {
    fn from(error: std::io::Error) -> Self {
        tracing::error!(%error, "a log file failed");
        ProblemCode::Internal.into()
    }
}

impl IntoResponse for ApiError {
    /// The body is made by `envelope.rs`, which knows request id and path.
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(Failed(self.0));
        response
    }
}

/// The problem of a response, on its way to `envelope.rs`.
#[derive(Clone)]
pub(super) struct Failed(pub(super) Box<Problem>);

/// No such task.
pub(super) fn no_task(id: TaskId) -> ApiError {
    Problem::new(ProblemCode::TaskNotFound).detail(format!("There is no task {id}.")).hint("slipway ls --all").into()
}

/// The refusal of an attempt route.
pub(super) fn refused(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::NotFound => ProblemCode::AttemptNotFound.into(),
        Refusal::Superseded => ProblemCode::Superseded.into(),
        Refusal::Cancelled => ProblemCode::Cancelled.into(),
        Refusal::WrongToken => Problem::new(ProblemCode::Unauthenticated).detail("The attempt is live, and this is not its token.").into(),
    }
}
