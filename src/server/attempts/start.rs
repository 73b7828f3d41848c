//! `POST /attempts/{task}/{n}/start`: the exclusive right to run.

use super::AttemptPath;
use crate::{
    domain::Times,
    server::{
        auth::Bearer,
        body::{Json, Path},
        error::{ApiResult, no_task, refused},
        orders,
        state::App,
    },
    store::{Start, TaskRecord},
    wire::{NewQueue, Problem, ProblemCode, SelfStop, StartRequest, StartResponse},
};
use axum::extract::State;
use secrecy::ExposeSecret;

/// Starts the attempt for the agent that bears its start token, and for no other.
#[utoipa::path(post, path = "/api/v1/attempts/{task}/{n}/start", operation_id = "startAttempt", tag = "attempt", params(AttemptPath),
    request_body = StartRequest, responses((status = 200, body = StartResponse), (status = 401, body = Problem), (status = 409, body = Problem),
    (status = 410, body = Problem)))]
pub(crate) async fn start(
    State(app): State<App>,
    Path(path): Path<AttemptPath>,
    Bearer(token): Bearer,
    Json { value: request, .. }: Json<StartRequest>,
) -> ApiResult<axum::Json<StartResponse>> {
    if !(1..=64).contains(&request.uid.len()) {
        return Err(Problem::new(ProblemCode::ValidationFailed).detail("A uid has 1 to 64 characters.").into());
    }
    let attempt = path.attempt();
    let task = app.store.task(path.task).await?;
    // Where an object carries it, its runner tells when it runs.
    let by_object = |t: &TaskRecord| app.queues.get(t.spec.queue.as_str()).is_some_and(|queue| queue.object.is_some());
    let agentless = task.as_ref().is_some_and(|t| t.spec.is_agentless() && !by_object(t));
    let queue = task.as_ref().and_then(|t| app.queues.get(t.spec.queue.as_str()));
    let with_agent = task.as_ref().is_some_and(|t| !t.spec.is_agentless());
    let self_stop = queue.filter(|queue| queue.idempotent && with_agent).map(|queue| self_stop(&queue, &app.settings.times));
    let (uid, nonce) = (request.uid, request.nonce);
    let start = Start { task: path.task, attempt: path.n, token, uid, nonce, agentless, self_stop: self_stop.is_some() };
    app.pulses.starts(attempt, app.store.uptime().now());
    let attempt_token = app.store.run(start).await?.map_err(|why| {
        app.pulses.refused(attempt);
        refused(why)
    })?;
    crate::crash_point!("server.started");
    app.pulses.beat(attempt, app.store.uptime().now());
    let task = task.ok_or_else(|| no_task(path.task))?;
    if task.started_at.is_none() {
        app.flow.started(&task, app.now());
    }
    let timeout_seconds = task.time_limit(app.store.uptime().now());
    let resume = if path.n.0 > 1 { app.store.resume(path.task, path.n).await? } else { None };
    let spec = orders::runs(&task);
    let output_limit_bytes = app.queues.output_limit(&spec.queue);
    Ok(axum::Json(StartResponse {
        attempt_token: attempt_token.expose_secret().to_owned(),
        task: path.task,
        attempt: path.n,
        log_limit_bytes: app.queues.log_limit(&spec.queue),
        sources: app.queues.get(spec.queue.as_str()).map(|queue| queue.sources()).unwrap_or_default(),
        queue: spec.queue,
        name: spec.name,
        work: spec.work,
        env: spec.env,
        setup: spec.setup,
        ending: spec.ending,
        output_limit_bytes,
        resume,
        timeout_seconds,
        grace_seconds: spec.grace_seconds,
        self_stop,
        times: app.settings.times.clone(),
    }))
}

/// By when an agent of an idempotent queue ends its command: before the server's silence is so long that another attempt may follow.
fn self_stop(queue: &NewQueue, times: &Times) -> SelfStop {
    let kill_ms = times.heartbeat_lost_ms.saturating_sub(times.stop_margin_ms);
    let stop_ms = queue.stop_after_seconds.map_or(times.stop_after_ms, |seconds| seconds.saturating_mul(1000));
    SelfStop { stop_ms: stop_ms.min(kill_ms), kill_ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_dead_before_another_attempt_may_begin() {
        let of = |stop_after_seconds| self_stop(&NewQueue { stop_after_seconds, ..NewQueue::default() }, &Times::default());
        assert_eq!(of(None), SelfStop { stop_ms: 540_000, kill_ms: 590_000 });
        assert_eq!(of(Some(60)), SelfStop { stop_ms: 60_000, kill_ms: 590_000 });
        let short = Times { heartbeat_lost_ms: 9_000, stop_margin_ms: 1_000, ..Times::default() };
        assert_eq!(self_stop(&NewQueue::default(), &short), SelfStop { stop_ms: 8_000, kill_ms: 8_000 });
    }
}
