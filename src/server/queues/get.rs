//! `GET /queues` and `GET /queues/{name}`.

use super::refused;
use crate::{
    server::{
        auth::Principal,
        body::Path,
        error::ApiResult,
        etag::{etag, is_known},
        state::App,
    },
    store::QueueRefusal,
    wire::{Problem, Queue, QueueList, QueueName},
};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

/// All queues that the caller may see, by name.
#[utoipa::path(get, path = "/api/v1/queues", operation_id = "listQueues", tag = "queues", responses((status = 200, body = QueueList)))]
pub(crate) async fn list(State(app): State<App>, principal: Principal) -> ApiResult<axum::Json<QueueList>> {
    let queues = app.store.queues().await?;
    Ok(axum::Json(QueueList { items: queues.iter().filter(|queue| principal.may_in(&queue.name)).map(|queue| app.queue(queue)).collect() }))
}

/// One queue, with its `ETag`.
#[utoipa::path(get, path = "/api/v1/queues/{name}", operation_id = "getQueue", tag = "queues", params(("name" = String, Path)),
    responses((status = 200, body = Queue), (status = 304), (status = 404, body = Problem)))]
pub(crate) async fn get(State(app): State<App>, Path(name): Path<QueueName>, headers: HeaderMap) -> ApiResult<Response> {
    let record = app.store.queue(&name).await?.ok_or_else(|| refused(&name, QueueRefusal::NotFound))?;
    let tag = etag(record.revision);
    if is_known(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    Ok(([(header::ETAG, tag)], axum::Json(app.queue(&record))).into_response())
}
