//! `POST /runner/heartbeat`: one call renews everything a runner holds.

use crate::{
    server::{
        body::Json,
        error::{ApiResult, valid},
        state::App,
    },
    store::{LeaseRecord, Renew},
    wire::{CancelOrder, FieldError, Problem, RunnerBeatRequest, RunnerBeatResponse, RunnerState, known_hash, limits},
};
use axum::extract::State;

/// The longest name in a cluster.
const MAX_NAME: usize = 253;

/// A runner's sign of life: renews its claims, and tells what it must stop and whether both sides know the same.
#[utoipa::path(post, path = "/api/v1/runner/heartbeat", operation_id = "runnerHeartbeat", tag = "runner", request_body = RunnerBeatRequest,
    responses((status = 200, body = RunnerBeatResponse), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn heartbeat(
    State(app): State<App>,
    Json { value: request, .. }: Json<RunnerBeatRequest>,
) -> ApiResult<axum::Json<RunnerBeatResponse>> {
    valid(request.state.iter().flat_map(bounds).collect())?;
    app.hear(&request.runner, request.instance).await?;
    app.seen.told(&request.runner, request.state);
    let leases = app.store.leases_of(&request.runner).await?;
    if leases.iter().any(|l| l.expires_up.is_some()) {
        app.store.run(Renew(request.runner)).await?;
    }
    let known = known_hash(leases.iter().map(|l| (l.attempt.task, l.attempt.attempt))) == request.known;
    let mut cancels = Vec::new();
    for lease in leases.iter().filter(|l| l.cancel.is_some() && l.result.is_none()) {
        cancels.push(CancelOrder { task: lease.attempt.task, attempt: lease.attempt.attempt, overdue: app.overdue(lease).await? });
    }
    Ok(axum::Json(RunnerBeatResponse { known, cancels }))
}

/// What is too much of what a runner says of itself.
fn bounds(state: &RunnerState) -> Vec<FieldError> {
    let queues = state.room.iter().flat_map(|room| &room.queues);
    let silent = state.cluster.iter().flat_map(|cluster| &cluster.silent);
    let many = |pointer: &str, most: usize| FieldError {
        pointer: pointer.into(),
        message: format!("at most {most}, of names no longer than 253 bytes"),
    };
    let short = |text: &str| text.len() <= MAX_NAME;
    let mut errors = Vec::new();
    if queues.clone().count() > limits::MAX_ROOM_QUEUES || !queues.clone().all(|ask| short(&ask.name)) {
        errors.push(many("/state/room/queues", limits::MAX_ROOM_QUEUES));
    }
    if silent.clone().count() > limits::MAX_SILENT_WATCHES || !silent.clone().all(|watch| short(&watch.resource) && short(&watch.namespace))
    {
        errors.push(many("/state/cluster/silent", limits::MAX_SILENT_WATCHES));
    }
    let unknown = state.cluster.iter().filter_map(|cluster| cluster.unknown.as_ref());
    if unknown.flat_map(|jobs| &jobs.named).enumerate().any(|(nth, name)| nth >= limits::MAX_UNKNOWN_JOBS || name.len() > 2 * MAX_NAME) {
        errors.push(many("/state/cluster/unknown/named", limits::MAX_UNKNOWN_JOBS));
    }
    errors
}

impl App {
    /// Whether a cancelled attempt has had its grace period and the time for its agent's report. Where it has no agent,
    /// nobody but the runner can act, and at once.
    async fn overdue(&self, lease: &LeaseRecord) -> ApiResult<bool> {
        let Some(cancel) = &lease.cancel else { return Ok(false) };
        let Some(task) = self.store.task(lease.attempt.task).await? else { return Ok(true) };
        if task.spec.is_agentless() {
            return Ok(true);
        }
        let grace = task.spec.grace_seconds;
        let allowed = grace.saturating_mul(1000).saturating_add(self.settings.times.cancel_overdue_ms);
        Ok(self.store.uptime().now().saturating_sub(cancel.up) >= i64::try_from(allowed).unwrap_or(i64::MAX))
    }
}
