//! `POST /runner/claims`: work for a runner, waiting for it where there is none.

use crate::{
    domain::QueueName,
    server::{
        auth::Principal,
        body::Json,
        error::{ApiResult, valid},
        state::App,
    },
    store::{Claim, ClaimedAttempt, QueueShare},
    wire::{ClaimRequest, ClaimResponse, ClaimedTask, FieldError, Problem, Resources, limits},
};
use axum::extract::State;
use std::{collections::BTreeSet, time::Duration};

/// Takes ready tasks for a runner: of queues with a `podTemplate` or `useImageEntrypoint` for runners on Kubernetes alone,
/// and for these only of queues that make a Job of theirs, or an object of a kind that is not among `unserved`. Waits up to `waitSeconds` until there are some. A repeat of `claimId` whose attempts
/// still live gets those again.
#[utoipa::path(post, path = "/api/v1/runner/claims", operation_id = "claim", tag = "runner", request_body = ClaimRequest,
    responses((status = 200, body = ClaimResponse), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn claim(
    State(app): State<App>,
    principal: Principal,
    Json { value: request, .. }: Json<ClaimRequest>,
) -> ApiResult<axum::Json<ClaimResponse>> {
    let mut claim = check(&request)?;
    app.hear(&request.runner, request.instance).await?;
    app.unserved.put(&request.runner, &request.unserved);
    // Only a runner that counts its GPUs can keep them for a large task; on a cluster the scheduler does.
    claim.all_gpus = match app.runners.get(&request.runner) {
        Some(runner) if runner.cluster.is_none() => runner.gpus,
        _ => request.gpus,
    };
    let wait = Duration::from_secs(request.wait_seconds.min(limits::MAX_CLAIM_WAIT_SECONDS));
    let deadline = tokio::time::sleep(wait);
    tokio::pin!(deadline);
    claim.wait = !wait.is_zero();
    let mut terms = app.store.changes().terms();
    let _open = app.watchdog.asks(&request.runner);
    loop {
        terms.mark_unchanged();
        if let Some(rest) = app.quiet() {
            tokio::select! {
                () = tokio::time::sleep(rest) => continue,
                () = &mut deadline => {}
                () = app.stop().cancelled() => {}
            }
            return Ok(axum::Json(ClaimResponse { items: Vec::new() }));
        }
        claim.except = app.beyond(&request.runner);
        if !principal.may_everywhere() {
            claim.except.extend(app.queues.names().into_iter().filter(|queue| !principal.may_in(queue)));
        }
        let claimed = tokio::select! {
            biased;
            claimed = app.store.run(claim.clone()) => claimed?,
            changed = terms.changed() => {
                claim.wait &= changed.is_ok();
                continue;
            }
            // In this very moment it may have been given something, which the next one, that does not wait, gets in its place.
            () = &mut deadline, if claim.wait => {
                claim.wait = false;
                continue;
            }
            () = app.stop().cancelled() => Vec::new(),
        };
        if !claimed.is_empty() {
            app.watchdog.claimed(claimed.iter().map(|claimed| &claimed.queue), app.store.uptime().now());
            crate::crash_point!("server.claimed");
            let orders = app.orders(&request.runner, claimed.iter().map(|c| (c.task, true))).await?;
            let item = |(c, job): (ClaimedAttempt, _)| ClaimedTask {
                task: c.task,
                attempt: c.attempt,
                claim: request.claim_id,
                start_token: c.start_token,
                queue: c.queue,
                resources: Resources::of_gpus(c.gpus),
                job,
            };
            return Ok(axum::Json(ClaimResponse { items: claimed.into_iter().zip(orders).map(item).collect() }));
        }
        // What it may draw from has changed, unless it did not wait at all.
        if !claim.wait || app.stop().is_cancelled() {
            return Ok(axum::Json(ClaimResponse { items: Vec::new() }));
        }
    }
}

impl App {
    /// How long nothing is claimed yet, after a restore: what was claimed after the backup was made is unknown here, and is
    /// to hear first that it must stop.
    pub(in crate::server) fn quiet(&self) -> Option<Duration> {
        let times = &self.settings.times;
        let long = i64::try_from(times.restore_quiet_ms).unwrap_or(i64::MAX);
        let rest = self.store.restored_up()?.saturating_add(long) - self.store.uptime().now();
        (rest > 0).then(|| Duration::from_millis(rest.unsigned_abs().min(times.tick_ms)))
    }
}

fn check(request: &ClaimRequest) -> ApiResult<Claim> {
    let mut errors = Vec::new();
    let mut wrong = |pointer: String, message: String| errors.push(FieldError { pointer, message });
    if !(1..=limits::MAX_CLAIM).contains(&request.max) {
        wrong("/max".into(), format!("between 1 and {}", limits::MAX_CLAIM));
    }
    if request.unserved.len() > limits::MAX_UNSERVED {
        wrong("/unserved".into(), format!("at most {} kinds", limits::MAX_UNSERVED));
    }
    if request.queues.is_empty() {
        wrong("/queues".into(), "name a queue, or * for all".into());
    }
    let mut queues = Vec::new();
    for (i, ask) in request.queues.iter().enumerate() {
        let max = ask.max.unwrap_or(request.max);
        match (ask.name.as_str(), ask.name.parse::<QueueName>()) {
            ("*", _) => queues.push(QueueShare { queue: None, max }),
            (_, Ok(name)) => queues.push(QueueShare { queue: Some(name), max }),
            (_, Err(error)) => wrong(format!("/queues/{i}/name"), error.to_string()),
        }
    }
    valid(errors)?;
    Ok(Claim {
        runner: request.runner.clone(),
        claim: request.claim_id,
        max: request.max,
        gpus: request.gpus,
        all_gpus: request.gpus,
        queues,
        except: BTreeSet::new(),
        wait: false,
    })
}
