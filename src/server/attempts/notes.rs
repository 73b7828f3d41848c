//! `PUT /attempts/{task}/{n}/notes`: what an attempt says of itself.

use super::AttemptPath;
use crate::{
    domain::fingerprint,
    server::{
        auth::Bearer,
        body::{Json, Path},
        error::{ApiResult, refused},
        state::App,
    },
    store::Note,
    wire::{Notes, Problem, ProblemCode},
};
use axum::{extract::State, http::StatusCode};
use secrecy::ExposeSecret;

/// Keeps what an attempt says of itself, in place of what it said before: the whole each time.
#[utoipa::path(put, path = "/api/v1/attempts/{task}/{n}/notes", operation_id = "putNotes", tag = "attempt", params(AttemptPath),
    request_body = Notes, responses((status = 204), (status = 401, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn put(
    State(app): State<App>,
    Path(path): Path<AttemptPath>,
    Bearer(token): Bearer,
    Json { value: notes, .. }: Json<Notes>,
) -> ApiResult<StatusCode> {
    if let Some(wrong) = notes.wrong() {
        return Err(Problem::new(ProblemCode::ValidationFailed).detail(format!("{wrong}.")).into());
    }
    let token_hash = fingerprint(token.expose_secret());
    app.live(path.attempt(), &token_hash).await?;
    app.store.run(Note { task: path.task, attempt: path.n, token_hash, notes }).await?.map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}
