//! `DELETE /queues/{name}`.

use super::refused;
use crate::{
    server::{
        auth::Principal,
        body::Path,
        error::{ApiResult, to_the_end},
        state::App,
    },
    store::DeleteQueue,
    wire::{Problem, QueueName},
};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};

/// Deletes a queue all of whose tasks have ended. The tasks stay.
#[utoipa::path(delete, path = "/api/v1/queues/{name}", operation_id = "deleteQueue", tag = "queues", params(("name" = String, Path)),
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem)))]
pub(crate) async fn delete(
    State(app): State<App>,
    principal: Principal,
    Path(name): Path<QueueName>,
    headers: HeaderMap,
) -> ApiResult<StatusCode> {
    let delete = DeleteQueue { name: name.clone(), by: principal.user, if_revision: app.wanted(&name, &headers).await? };
    let outcome = to_the_end(async move {
        let outcome = app.store.run(delete).await?;
        app.queues.refresh(&app.store).await?;
        Ok(outcome)
    });
    outcome.await?.map_err(|refusal| refused(&name, refusal))?;
    Ok(StatusCode::NO_CONTENT)
}
