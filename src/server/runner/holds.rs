//! `GET /runner/holds`: everything a runner holds, in full.

use crate::{
    server::{auth::Principal, body::Query, error::ApiResult, state::App},
    wire::{Hold, Holds, Phase, Problem, Resources, RunnerName},
};
use axum::extract::State;
use serde::Deserialize;
use uuid::Uuid;

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct HoldsQuery {
    /// The runner.
    #[param(value_type = String)]
    runner: RunnerName,
    /// The instance it registered with.
    instance: Uuid,
}

/// Every live attempt of a runner, by task, with what it needs to start those that have not.
#[utoipa::path(get, path = "/api/v1/runner/holds", operation_id = "holds", tag = "runner", params(HoldsQuery),
    responses((status = 200, body = Holds), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn holds(State(app): State<App>, principal: Principal, Query(query): Query<HoldsQuery>) -> ApiResult<axum::Json<Holds>> {
    app.hear(&query.runner, query.instance).await?;
    let mut leases = app.store.leases_of(&query.runner).await?;
    leases.retain(|lease| principal.may_in(&lease.queue));
    let orders = app.orders(&query.runner, leases.iter().map(|l| (l.attempt.task, l.start_token.is_some()))).await?;
    let items = leases.into_iter().zip(orders).map(|(l, job)| Hold {
        task: l.attempt.task,
        attempt: l.attempt.attempt,
        claim: l.claim,
        phase: l.phase.unwrap_or(Phase::Claimed),
        finished: l.result.is_some(),
        start_token: l.start_token,
        uid: l.uid,
        instance: l.instance,
        queue: l.queue,
        resources: Resources::of_gpus(l.gpus),
        job,
    });
    Ok(axum::Json(Holds { items: items.collect() }))
}
