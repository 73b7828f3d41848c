//! `POST /queues/{name}/drain`.

use super::{
    pause::{reasonable, shown},
    refused,
};
use crate::{
    server::{
        auth::Principal,
        body::{MaybeJson, Path},
        error::ApiResult,
        state::App,
    },
    store::DrainQueue,
    wire::{PauseRequest, Problem, Queue, QueueName},
};
use axum::extract::State;

/// Takes no more tasks into a queue: submits and reruns are refused. Those in it are served; `resume` ends it.
#[utoipa::path(post, path = "/api/v1/queues/{name}/drain", operation_id = "drainQueue", tag = "queues", params(("name" = String, Path)),
    request_body = PauseRequest, responses((status = 200, body = Queue), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn drain(
    State(app): State<App>,
    principal: Principal,
    Path(name): Path<QueueName>,
    MaybeJson(request): MaybeJson<PauseRequest>,
) -> ApiResult<axum::Json<Queue>> {
    reasonable(request.reason.as_deref())?;
    let drain = DrainQueue { name: name.clone(), by: principal.user, reason: request.reason };
    app.store.run(drain).await?.map_err(|refusal| refused(&name, refusal))?;
    shown(&app, &name).await
}
