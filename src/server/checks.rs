//! `/runners/{name}/checks`: what the clusters of runners say of queues before a task meets them, in memory. A runner tells it
//! again after a restart.

use super::{
    auth::Principal,
    body::{Json, Path, Query},
    error::{ApiResult, valid},
    nodes::Told,
    queues::{
        refused,
        render::{sample, with_image},
    },
    state::App,
    tasks::intake,
};
use crate::{
    domain::{TaskSpec, UnixMs},
    store::QueueRefusal,
    template::{Rendered, lint},
    wire::{
        CheckDue, CheckOrder, ChecksDue, ChecksReport, ClusterOffer, FieldError, NewQueue, Problem, QueueCheck, QueueName, RegisterRequest,
        RunnerName, TemplateFinding, limits,
    },
};
use axum::{extract::State, http::StatusCode};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};
use uuid::Uuid;

/// What each runner told last of each queue, and when.
#[derive(Default)]
pub(super) struct Checks(Mutex<HashMap<RunnerName, ByQueue>>);

type ByQueue = BTreeMap<QueueName, (UnixMs, Arc<QueueCheck>)>;

impl Checks {
    /// Keeps what is told of queues that there are.
    fn put(&self, runner: RunnerName, at: UnixMs, items: Vec<QueueCheck>, exists: impl Fn(&QueueName) -> bool) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let by_queue = told.entry(runner).or_default();
        by_queue.extend(items.into_iter().map(|check| (check.queue.clone(), (at, Arc::new(check)))));
        by_queue.retain(|queue, _| exists(queue));
    }

    /// What a runner told of a queue, where it is about this document and these layers.
    fn of(&self, runner: &RunnerName, queue: &QueueName, of: &str) -> Option<(UnixMs, Arc<QueueCheck>)> {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.get(runner)?.get(queue).filter(|(_, check)| check.of == of).cloned()
    }
}

/// Who asks.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ChecksQuery {
    /// The instance that holds the runner's name.
    instance: Uuid,
}

/// The queues that a runner on Kubernetes serves, and which of them it has told of.
#[utoipa::path(get, path = "/api/v1/runners/{name}/checks", operation_id = "checksDue", tag = "runner", params(("name" = String, Path), ChecksQuery),
    responses((status = 200, body = ChecksDue), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn due(
    State(app): State<App>,
    principal: Principal,
    Path(name): Path<RunnerName>,
    Query(ChecksQuery { instance }): Query<ChecksQuery>,
) -> ApiResult<axum::Json<ChecksDue>> {
    app.hear(&name, instance).await?;
    let Some((runner, offer)) = app.offer(&name) else { return Ok(axum::Json(ChecksDue { items: Vec::new() })) };
    let all = app.queues.all();
    let its = all.iter().filter(|queue| {
        principal.may_in(queue.0) && serves(&runner, queue.0) && app.templates.prepare((&name, &runner), &offer, *queue, None).is_ok()
    });
    let item = |queue: (&QueueName, &Arc<NewQueue>)| {
        let of = app.templates.mark((&name, &runner), queue);
        CheckDue { queue: queue.0.clone(), told: app.checks.of(&name, queue.0, &of).is_some(), of }
    };
    Ok(axum::Json(ChecksDue { items: its.map(item).collect() }))
}

/// What a runner's cluster is to be asked about a queue: the object of a task without fields of its own.
#[utoipa::path(get, path = "/api/v1/runners/{name}/checks/{queue}", operation_id = "checkOrder", tag = "runner",
    params(("name" = String, Path), ("queue" = String, Path), ChecksQuery),
    responses((status = 200, body = CheckOrder), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn order(
    State(app): State<App>,
    principal: Principal,
    Path((name, queue)): Path<(RunnerName, QueueName)>,
    Query(ChecksQuery { instance }): Query<ChecksQuery>,
) -> ApiResult<axum::Json<CheckOrder>> {
    app.hear(&name, instance).await?;
    let missing = || refused(&queue, QueueRefusal::NotFound);
    principal.within(&queue, missing)?;
    let document = app.queues.get(queue.as_str()).ok_or_else(missing)?;
    let (runner, offer) = app.offer(&name).ok_or_else(missing)?;
    let spec = intake::spec(sample(&document), &principal.user, queue.clone(), &document).ok();
    let made = |spec: &TaskSpec| app.first_order((&name, &runner), &offer, &document, spec, &principal.user);
    let job = spec.and_then(|spec| made(&spec).or_else(|| made(&with_image(&document, &spec)?)));
    let of = app.templates.mark((&name, &runner), (&queue, &document));
    Ok(axum::Json(CheckOrder { queue, of, job }))
}

/// Tells what a runner's cluster says of queues, in place of what was told of the same ones before.
#[utoipa::path(put, path = "/api/v1/runners/{name}/checks", operation_id = "reportChecks", tag = "runner", params(("name" = String, Path)),
    request_body = ChecksReport, responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn report(
    State(app): State<App>,
    Path(name): Path<RunnerName>,
    Json { value: request, .. }: Json<ChecksReport, { limits::MAX_BATCH_BODY }>,
) -> ApiResult<StatusCode> {
    app.hear(&name, request.instance).await?;
    valid(bounds(&request.items))?;
    let queues = app.queues.all();
    app.checks.put(name, app.now(), request.items, |queue| queues.contains_key(queue));
    Ok(StatusCode::NO_CONTENT)
}

/// What is too much of it.
fn bounds(items: &[QueueCheck]) -> Vec<FieldError> {
    let fault = |pointer: String, message: String| FieldError { pointer, message };
    if items.len() > limits::MAX_CHECKS {
        return vec![fault("/items".into(), format!("at most {} queues", limits::MAX_CHECKS))];
    }
    let mut errors = Vec::new();
    for (i, QueueCheck { findings, of, .. }) in items.iter().enumerate() {
        if findings.len() > limits::MAX_FINDINGS {
            errors.push(fault(format!("/items/{i}/findings"), format!("at most {} findings", limits::MAX_FINDINGS)));
        }
        let texts = |finding: &TemplateFinding| {
            let TemplateFinding { code, pointer, found, message, fix, said, .. } = finding;
            [code.len(), pointer.len(), found.len(), message.len(), fix.len(), said.len()].into_iter().max().unwrap_or(0)
        };
        if findings.iter().map(texts).chain([of.len()]).any(|length| length > limits::MAX_FINDING_TEXT) {
            errors.push(fault(format!("/items/{i}"), format!("a text has at most {} bytes", limits::MAX_FINDING_TEXT)));
        }
    }
    errors
}

fn serves(runner: &RegisterRequest, queue: &QueueName) -> bool {
    runner.queues.iter().any(|served| served == "*" || served == queue.as_str())
}

/// What is said of the object of a queue, and what it rests on.
#[derive(Default)]
pub(super) struct Judged {
    pub(super) findings: Vec<TemplateFinding>,
    pub(super) nodes_at: Option<UnixMs>,
    pub(super) checked_at: Option<UnixMs>,
}

impl App {
    /// A runner on Kubernetes with what it offers.
    pub(super) fn offer(&self, name: &RunnerName) -> Option<(Arc<RegisterRequest>, ClusterOffer)> {
        let runner = self.runners.get(name)?;
        let offer = runner.cluster.clone()?;
        Some((runner, offer))
    }

    /// Judges what a runner would create, the gravest first: by the rules, by its nodes where it tells them, and by what its
    /// cluster said of the same document under the same layers. Of objects in place of Jobs only the cluster speaks.
    pub(super) fn judge(&self, runner: Option<&RunnerName>, queue: (&QueueName, &Arc<NewQueue>), made: &Rendered) -> Judged {
        let nodes: Option<Told> = runner.filter(|_| queue.1.object.is_none()).and_then(|runner| self.nodes.of(runner));
        let mut judged = Judged { nodes_at: nodes.as_ref().map(|(at, _)| *at), ..Judged::default() };
        if queue.1.object.is_none() {
            judged.findings = lint(&made.manifest, &made.origins, nodes.as_ref().map(|(_, nodes)| nodes.as_slice()));
        }
        let stored = self.queues.get(queue.0.as_str()).filter(|stored| *stored == *queue.1);
        let told = runner.zip(stored).and_then(|(name, stored)| {
            let doc = self.runners.get(name)?;
            self.checks.of(name, queue.0, &self.templates.mark((name, &doc), (queue.0, &stored)))
        });
        if let Some((at, check)) = told {
            judged.checked_at = Some(at);
            let origins = &made.origins;
            // Of the whole pod nobody in particular is the author.
            let author = |at: &str| origins.of(at).or_else(|| origins.first(at).filter(|_| at.matches('/').count() > 3));
            let placed = |finding: &TemplateFinding| TemplateFinding { layer: author(&finding.pointer), ..finding.clone() };
            judged.findings.extend(check.findings.iter().map(placed));
            judged.findings.sort_by_key(|finding| finding.level);
        }
        judged
    }
}
