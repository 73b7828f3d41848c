//! How handlers fail: a problem document, or a fault of ours that is logged here and shown as a bare 500.

use crate::{
    store::{Refusal, StoreError},
    template::Fault,
    wire::{FieldError, Problem, ProblemCode, TaskId},
};
use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use tracing::Instrument;

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
            error if error.may_pass() => {
                Problem::new(ProblemCode::Unavailable).detail("The database does not answer this server now; nothing was stored.").into()
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
        // So `blob` calls an object store that does not answer, for now.
        if error.kind() == std::io::ErrorKind::HostUnreachable {
            tracing::warn!(%error, "the object store failed");
            return ProblemCode::Unavailable.into();
        }
        tracing::error!(%error, "a file failed");
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

/// A request that breaks rules: the first one as a sentence, all of them by place.
pub(super) fn invalid(errors: Vec<FieldError>) -> ApiError {
    let mut problem = Problem::new(ProblemCode::ValidationFailed);
    problem.detail = errors.first().map(|FieldError { pointer, message }| {
        let said = if pointer.is_empty() { message.clone() } else { format!("{pointer}: {message}") };
        if said.ends_with('?') { said } else { format!("{said}.") }
    });
    problem.errors = errors;
    problem.into()
}

/// The same where there may be none.
pub(super) fn valid(errors: Vec<FieldError>) -> ApiResult<()> {
    if errors.is_empty() { Ok(()) } else { Err(invalid(errors)) }
}

/// The faults of a template that stands at `at` in a request.
pub(super) fn placed(at: &str, faults: Vec<Fault>) -> impl Iterator<Item = FieldError> {
    faults.into_iter().map(move |Fault { pointer, message }| FieldError { pointer: format!("{at}{pointer}"), message })
}

/// Runs work to its end even where its caller hangs up, which drops the caller's future at any point: for what must
/// follow a commit.
pub(super) async fn to_the_end<T: Send + 'static>(work: impl Future<Output = ApiResult<T>> + Send + 'static) -> ApiResult<T> {
    match tokio::spawn(work.in_current_span()).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(ProblemCode::Unavailable.into()),
    }
}

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
