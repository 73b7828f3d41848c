//! `POST /runner/attempts:report`: what a runner says about attempts whose agents cannot.

use crate::{
    domain::AttemptRef,
    server::{body::Json, convert::verdict, error::ApiResult, state::App},
    store::{Known, Report, ReportOutcome, Reporting},
    wire::{Problem, ReportItem, ReportKind, ReportRequest, ReportResponse, Reported},
};
use axum::extract::State;
use futures::future::try_join_all;

/// Reports on attempts. Each counts only where task, attempt and claim are the live ones and `uid` is the one that
/// started; a report that does not count is no error, and says what the attempt is.
#[utoipa::path(post, path = "/api/v1/runner/attempts:report", operation_id = "reportAttempts", tag = "runner", request_body = ReportRequest,
    responses((status = 200, body = ReportResponse), (status = 422, body = Problem)))]
pub(crate) async fn report(
    State(app): State<App>,
    Json { value: request, .. }: Json<ReportRequest>,
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
    let attempt = AttemptRef { task: item.task, attempt: item.attempt };
    let reporting = match item.kind {
        ReportKind::Returned { .. } | ReportKind::Evidence { .. } => Reporting::Returned,
        ReportKind::Ended { class, reason, message, .. } => Reporting::Ended(class, reason, message),
        ReportKind::Finish { result } => {
            let log_complete = app.left_whole(attempt, result.log_bytes, result.log_crc).await?;
            Reporting::Finish { result: result.result(), log_complete }
        }
    };
    let report = Report { task: item.task, attempt: item.attempt, claim: item.claim, uid: item.uid, reporting };
    Ok(app.store.run(report).await?)
}
