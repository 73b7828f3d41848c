//! `PUT /queues/{name}`: create or replace a queue.

use super::{check::check, refused, unfit};
use crate::{
    server::{
        auth::Principal,
        body::{Json, Path, Query},
        error::{ApiError, ApiResult, to_the_end},
        etag::etag,
        orders,
        state::App,
    },
    store::{ApplyQueue, Keeper, QueueRefusal},
    wire::{BudgetName, NewQueue, Problem, ProblemCode, Queue, QueueName},
};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

/// Whether a queue is replaced whoever keeps it.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Force {
    /// Replaces the queue although its `managedBy` is another than the document's.
    force: bool,
}

/// Creates a queue, or replaces what it was applied with. The same document changes nothing. `If-Match` asks for a
/// revision, `If-None-Match: *` that it is new. A queue that another keeps (`managedBy`) is replaced only by `force`.
#[utoipa::path(put, path = "/api/v1/queues/{name}", operation_id = "applyQueue", tag = "queues", params(("name" = String, Path), Force),
    request_body = NewQueue, responses((status = 200, body = Queue), (status = 201, body = Queue), (status = 409, body = Problem), (status = 412, body = Problem),
    (status = 422, body = Problem)))]
pub(crate) async fn apply(
    State(app): State<App>,
    principal: Principal,
    Path(name): Path<QueueName>,
    Query(Force { force }): Query<Force>,
    headers: HeaderMap,
    Json { value: mut queue, .. }: Json<NewQueue>,
) -> ApiResult<Response> {
    let values = check(&name, &queue)?;
    app.may_turn(&name, &queue).await?;
    queue.name = None;
    let doc = serde_json::to_string(&queue).map_err(|_| ProblemCode::Internal)?;
    let cost = orders::cost(&queue, &values);
    let if_revision = app.wanted(&name, &headers).await?;
    let kept_by = if force { Keeper::Any } else { Keeper::Only(queue.managed_by) };
    let apply = ApplyQueue { name: name.clone(), doc, cost, by: principal.user, if_revision, kept_by };
    let (applied, warmed) = (app.clone(), name.clone());
    let outcome = to_the_end(async move {
        let outcome = applied.store.run(apply).await?;
        applied.queues.refresh(&applied.store).await?;
        applied.warm(&warmed);
        applied.store.changes().terms_changed();
        Ok(outcome)
    });
    let created = match outcome.await? {
        Ok(created) => created,
        Err(refusal) => return Err(app.refused(&name, refusal).await?),
    };
    let record = app.store.queue(&name).await?.ok_or_else(|| refused(&name, QueueRefusal::NotFound))?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, [(header::ETAG, etag(record.revision))], axum::Json(app.queue(&record))).into_response())
}

impl App {
    /// What is said of a refusal, with the budget that was meant where one is unknown.
    async fn refused(&self, name: &QueueName, refusal: QueueRefusal) -> ApiResult<ApiError> {
        let QueueRefusal::Budgets(faults) = refusal else { return Ok(refused(name, refusal)) };
        let known: Vec<BudgetName> = self.store.budgets().await?.into_iter().map(|budget| budget.name).collect();
        Ok(unfit(&faults, &known))
    }

    /// Who chooses the command, the task, the image or the object, can change only while no task waits or runs: each was
    /// submitted for one of them.
    async fn may_turn(&self, name: &QueueName, queue: &NewQueue) -> ApiResult<()> {
        let chooser = |queue: &NewQueue| match (&queue.object, queue.use_image_entrypoint) {
            (Some(_), _) => "object",
            (None, true) => "image",
            (None, false) => "task",
        };
        let Some(known) = self.queues.get(name.as_str()).filter(|known| chooser(known) != chooser(queue)) else {
            return Ok(());
        };
        match self.store.queue(name).await? {
            Some(record) if record.waiting + record.queued + record.active > 0 => {
                let (now, then) = (chooser(&known), chooser(queue));
                let detail = format!(
                    "Queue {name} has tasks that have not ended, whose command is chosen by the {now}; it cannot be chosen by the {then} for them."
                );
                Err(Problem::new(ProblemCode::Conflict).detail(detail).hint("Let them end first, or make another queue.").into())
            }
            _ => Ok(()),
        }
    }
}
