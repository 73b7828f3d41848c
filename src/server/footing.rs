//! `PUT /runners/{name}/footing`: what glues stand on in their clusters, in memory. A glue tells it again within a minute of a
//! restart.

use super::{
    body::{Json, Path},
    error::{ApiResult, valid},
    state::App,
};
use crate::{
    domain::UnixMs,
    wire::{FieldError, Footing, FootingReport, MissingRight, Problem, RunnerName, limits},
};
use axum::{extract::State, http::StatusCode};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// What each glue told last, and when.
#[derive(Default)]
pub(super) struct Footings(Mutex<HashMap<RunnerName, (UnixMs, Arc<Footing>)>>);

impl Footings {
    fn put(&self, runner: RunnerName, at: UnixMs, footing: Footing) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(runner, (at, Arc::new(footing)));
    }

    /// What a glue told last.
    pub(super) fn of(&self, runner: &RunnerName) -> Option<(UnixMs, Arc<Footing>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(runner).cloned()
    }
}

/// Tells what a glue stands on in its cluster, in place of what was told before.
#[utoipa::path(put, path = "/api/v1/runners/{name}/footing", operation_id = "reportFooting", tag = "runner", params(("name" = String, Path)),
    request_body = FootingReport, responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn report(
    State(app): State<App>,
    Path(name): Path<RunnerName>,
    Json { value: FootingReport { instance, footing }, .. }: Json<FootingReport, { limits::MAX_BATCH_BODY }>,
) -> ApiResult<StatusCode> {
    app.hear(&name, instance).await?;
    valid(bounds(&footing))?;
    app.footings.put(name, app.now(), footing);
    Ok(StatusCode::NO_CONTENT)
}

/// What is too much of it.
fn bounds(footing: &Footing) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut rule = |ok: bool, pointer: String, message: String| {
        if !ok {
            errors.push(FieldError { pointer, message });
        }
    };
    let short = |text: &str| text.len() <= limits::MAX_FINDING_TEXT;
    let long = || format!("a text has at most {} bytes", limits::MAX_FINDING_TEXT);
    rule(short(&footing.agent_url), "/footing/agentUrl".into(), long());
    rule(footing.unknown.as_deref().is_none_or(short), "/footing/unknown".into(), long());
    let namespaces = footing.namespaces.len() <= limits::MAX_NAMESPACES && footing.namespaces.iter().all(|name| short(name));
    rule(namespaces, "/footing/namespaces".into(), format!("at most {} namespaces", limits::MAX_NAMESPACES));
    let most = limits::MAX_MISSING_RIGHTS;
    rule(footing.missing.len() <= most, "/footing/missing".into(), format!("at most {most} rights"));
    for (i, right) in footing.missing.iter().take(most).enumerate() {
        let MissingRight { namespace, group, resource, verb, why, said } = right;
        let fine = [group, resource, verb, why, said].into_iter().chain(namespace).all(|text| short(text));
        rule(fine, format!("/footing/missing/{i}"), long());
    }
    errors
}
