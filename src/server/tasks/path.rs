//! The task that a path names.

use crate::{
    domain::TaskId,
    server::{
        auth::Principal,
        error::{ApiError, ApiResult, no_task},
        state::App,
    },
    wire::{Problem, ProblemCode},
};
use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};

/// The part of the path that names a task.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct TaskPath {
    /// The task's id; an element of an array may also be named by its array and its index, `1040_7`.
    #[param(pattern = "^[0-9]{1,18}(_[0-9]{1,9})?$", example = "1042")]
    #[expect(dead_code, reason = "it describes what the extractor below reads")]
    id: String,
}

/// The id of the task that the path names by `id`: by its own id, or as an element of an array. The caller may do on it what the
/// route is for, as far as that hangs on its queue.
pub(in crate::server) struct OfTask(pub(in crate::server) TaskId);

impl FromRequestParts<App> for OfTask {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> ApiResult<Self> {
        let params = RawPathParams::from_request_parts(parts, app).await.map_err(|_| ApiError::from(ProblemCode::Internal))?;
        let text = params.iter().find_map(|(name, value)| (name == "id").then_some(value)).unwrap_or_default();
        let wrong = || {
            Problem::new(ProblemCode::InvalidParameter).detail(format!("{text:?} in the path is no task: 1042, or 1040_7 for an element."))
        };
        let principal = parts.extensions.get::<Principal>().cloned().ok_or(ProblemCode::Unauthenticated)?;
        let Some((array, index)) = text.split_once('_') else {
            let id = text.parse().map_err(|_| wrong())?;
            principal.may_on(app, id).await?;
            return Ok(Self(id));
        };
        let array: TaskId = array.parse().map_err(|_| wrong())?;
        let index = index.parse().map_err(|_| wrong())?;
        match app.store.element(array, index).await? {
            Some(id) => {
                principal.may_on(app, id).await?;
                Ok(Self(id))
            }
            None => Err(match app.store.task(array).await?.filter(|task| principal.may_in(&task.spec.queue)) {
                None => no_task(array),
                Some(_) => Problem::new(ProblemCode::TaskNotFound)
                    .detail(format!("Task {array} has no element {index}."))
                    .hint(format!("slipway get {array}"))
                    .into(),
            }),
        }
    }
}
