//! `POST /runner/attempts:report`: what a runner says about attempts whose agents cannot.

use crate::{
    domain::{AttemptRef, Evidence, FailureClass, Phase, Reason, reasons::refine},
    server::{body::Json, convert::verdict, error::ApiResult, state::App},
    store::{Known, Refine, Report, ReportOutcome, Reporting},
    wire::{Problem, Proof, ReportItem, ReportKind, ReportRequest, ReportResponse, Reported, TaskId, limits},
};
use axum::extract::State;
use futures::future::try_join_all;
use uuid::Uuid;

/// Reports on attempts. Each counts only where task, attempt and claim are the live ones and `uid` is the one that
/// started; a report that does not count is no error, and says what the attempt is. Evidence counts for a short while
/// after the end, too.
#[utoipa::path(post, path = "/api/v1/runner/attempts:report", operation_id = "reportAttempts", tag = "runner", request_body = ReportRequest,
    responses((status = 200, body = ReportResponse), (status = 422, body = Problem)))]
pub(crate) async fn report(
    State(app): State<App>,
    Json { value: request, .. }: Json<ReportRequest, { limits::MAX_BATCH_BODY }>,
) -> ApiResult<axum::Json<ReportResponse>> {
    super::bounded(request.items.len())?;
    let attempts: Vec<_> = request.items.iter().map(|i| AttemptRef { task: i.task, attempt: i.attempt }).collect();
    let outcomes = try_join_all(request.items.into_iter().map(|item| one(&app, item))).await?;
    crate::crash_point!("server.reported");
    let over = attempts.iter().zip(&outcomes).filter(|(_, o)| o.applied && o.known != Known::Live).map(|(a, _)| *a);
    app.close_logs(over).await;
    let items = attempts.iter().zip(&outcomes).map(|(a, o)| Reported {
        task: a.task,
        attempt: a.attempt,
        applied: o.applied,
        verdict: verdict(o.known),
    });
    Ok(axum::Json(ReportResponse { items: items.collect() }))
}

async fn one(app: &App, item: ReportItem) -> ApiResult<ReportOutcome> {
    let ReportItem { task, attempt, claim, uid, observed_ms_ago, evidence, kind } = item;
    let of = AttemptRef { task, attempt };
    // Of what an agent started, only the agent tells how far it is; the runner speaks for what it started itself.
    let own = match (&kind, &uid) {
        (ReportKind::Evidence { phase: Some(Phase::Running) }, _) | (ReportKind::Returned { .. }, Some(_)) => {
            app.store.task(task).await?.is_some_and(|task| task.spec.is_agentless())
        }
        _ => false,
    };
    let reporting = match kind {
        ReportKind::Evidence { phase: Some(Phase::Running) } if own => Reporting::Runs,
        ReportKind::Returned { reason: Some(reason) } if own => Reporting::Recalled(reason),
        ReportKind::Evidence { phase } => {
            Reporting::Seen { phase, hold_ms: if phase.is_some() { app.start_allowance_ms(task).await? } else { 0 } }
        }
        ReportKind::Returned { reason } => Reporting::Returned(reason),
        ReportKind::Ended { class, reason, message, proof } => {
            Reporting::Ended { class, reason, message, proven: app.proves(of, proof, observed_ms_ago) }
        }
        ReportKind::Finish { result } => {
            let log = (result.log_bytes, result.log_crc);
            Reporting::Finish { log_complete: app.left_whole(of, log.0, log.1).await?, log, result: result.result() }
        }
    };
    let report = Report { task, attempt, claim, uid: uid.clone(), evidence: evidence.clone(), reporting };
    let mut outcome = app.store.run(report).await?;
    if let Some(evidence) = evidence.filter(|_| !outcome.applied && outcome.known != Known::Live) {
        outcome.applied = app.refine(of, claim, uid, evidence).await?;
    }
    Ok(outcome)
}

impl App {
    /// How long in ms an attempt whose Job is there may go on towards its start while its runner is away: until the
    /// runner would have given it back.
    async fn start_allowance_ms(&self, task: TaskId) -> ApiResult<u64> {
        let queue = self.store.lease(task).await?.and_then(|lease| self.queues.get(lease.queue.as_str()));
        let seconds = queue.and_then(|q| q.pending_timeout_seconds).unwrap_or(limits::DEFAULT_PENDING_TIMEOUT_SECONDS);
        Ok(seconds.saturating_mul(1_000).saturating_add(self.settings.times.claim_lease_ms))
    }

    /// Whether what a runner saw so many ms ago proves that a started attempt is over. A later sign of life of its agent
    /// outweighs it; that nothing is there any more counts only after some silence.
    fn proves(&self, attempt: AttemptRef, proof: Proof, observed_ms_ago: u64) -> bool {
        let ms = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        let (now, heard) = (self.store.uptime().now(), self.pulses.heard(attempt));
        let outweighed = heard.is_some_and(|heard| heard > now.saturating_sub(ms(observed_ms_ago)));
        match proof {
            Proof::Seen => !outweighed,
            Proof::Gone => !outweighed && now.saturating_sub(self.pulses.last(attempt)) >= ms(self.settings.times.gone_silence_ms),
        }
    }

    /// Keeps what was seen of an attempt that has just ended, and corrects its reason by it.
    async fn refine(&self, attempt: AttemptRef, claim: Uuid, uid: Option<String>, evidence: Evidence) -> ApiResult<bool> {
        // What an agent knows that is told to go; the cluster knows who told it.
        let told = (FailureClass::Infra, Reason::Evicted);
        let better = refine(told.0, told.1, &evidence).map(|better| (told.0, told.1, better));
        Ok(self.store.run(Refine { attempt, claim, uid, evidence, better }).await?)
    }
}
