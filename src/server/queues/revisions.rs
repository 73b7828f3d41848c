//! `GET /queues/{name}/revisions` and `…/revisions/{n}`: what a queue was.

use super::refused;
use crate::{
    server::{body::Path, error::ApiResult, state::App},
    store::{QueueRefusal, RevisionRecord},
    wire::{Problem, ProblemCode, QueueName, QueueRevision, QueueRevisionList, timestamp},
};
use axum::extract::State;

/// The revisions of a queue, newest first, without their documents. The last 100 are kept.
#[utoipa::path(get, path = "/api/v1/queues/{name}/revisions", operation_id = "listQueueRevisions", tag = "queues", params(("name" = String, Path)),
    responses((status = 200, body = QueueRevisionList), (status = 404, body = Problem)))]
pub(crate) async fn list(State(app): State<App>, Path(name): Path<QueueName>) -> ApiResult<axum::Json<QueueRevisionList>> {
    let records = app.store.revisions(&name).await?;
    if records.is_empty() {
        app.store.queue(&name).await?.ok_or_else(|| refused(&name, QueueRefusal::NotFound))?;
    }
    Ok(axum::Json(QueueRevisionList { items: records.iter().map(|record| QueueRevision { queue: None, ..shown(record) }).collect() }))
}

/// One revision of a queue, with its document.
#[utoipa::path(get, path = "/api/v1/queues/{name}/revisions/{revision}", operation_id = "getQueueRevision", tag = "queues",
    params(("name" = String, Path), ("revision" = i64, Path)),
    responses((status = 200, body = QueueRevision), (status = 404, body = Problem)))]
pub(crate) async fn get(State(app): State<App>, Path((name, revision)): Path<(QueueName, i64)>) -> ApiResult<axum::Json<QueueRevision>> {
    let records = app.store.revisions(&name).await?;
    if records.is_empty() {
        app.store.queue(&name).await?.ok_or_else(|| refused(&name, QueueRefusal::NotFound))?;
    }
    let found = records.iter().find(|record| record.revision == revision);
    let missing = || {
        let problem = Problem::new(ProblemCode::QueueNotFound).detail(format!("Of queue {name} no revision {revision} is kept."));
        problem.hint(format!("slipway queue history {name}"))
    };
    Ok(axum::Json(shown(found.ok_or_else(missing)?)))
}

fn shown(record: &RevisionRecord) -> QueueRevision {
    // What another version wrote and this one cannot read is shown without its document.
    let queue = serde_json::from_str(&record.doc).ok();
    QueueRevision { name: record.queue.clone(), revision: record.revision, by: record.by.clone(), at: timestamp(record.at), queue }
}
