//! Runners as users see them, and who holds which name.

use super::{
    body::{Json, Path},
    error::{ApiError, ApiResult, placed, valid},
    state::App,
};
use crate::{
    domain::{UnixMs, pod::is_dns_label},
    store::{Register, Renew},
    template,
    wire::{FieldError, Problem, ProblemCode, QueueName, RegisterRequest, RegisterResponse, RunnerList, RunnerName, RunnerState, limits},
};
use axum::extract::State;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use uuid::Uuid;

/// When each runner was heard last; in memory, as agents' heartbeats are.
pub(super) struct Seen {
    since_up: i64,
    last: Mutex<HashMap<RunnerName, Sign>>,
}

#[derive(Clone)]
struct Sign {
    instance: Uuid,
    up: i64,
    at: UnixMs,
    state: Option<Arc<RunnerState>>,
}

impl Seen {
    pub(super) fn since(up: i64) -> Self {
        Self { since_up: up, last: Mutex::default() }
    }

    /// When the runner was heard last by this server.
    pub(super) fn at(&self, name: &RunnerName) -> Option<UnixMs> {
        self.get(name).map(|s| s.at)
    }

    fn get(&self, name: &RunnerName) -> Option<Sign> {
        self.map().get(name).cloned()
    }

    /// How the runner stands, as it said last.
    pub(super) fn state(&self, name: &RunnerName) -> Option<Arc<RunnerState>> {
        self.map().get(name)?.state.clone()
    }

    /// Notes how a runner stands.
    pub(super) fn told(&self, name: &RunnerName, state: Option<RunnerState>) {
        if let Some(sign) = self.map().get_mut(name) {
            sign.state = state.map(Arc::new);
        }
    }

    fn map(&self) -> MutexGuard<'_, HashMap<RunnerName, Sign>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// Checks that a runner's call comes from the instance that holds the name, and records the sign of life.
    pub(super) async fn hear(&self, name: &RunnerName, instance: Uuid) -> ApiResult<()> {
        let known = match self.seen.get(name) {
            Some(sign) => Some(sign.instance),
            None => self.store.runner(name).await?.map(|r| r.instance),
        };
        match known {
            None => Err(Problem::new(ProblemCode::RunnerNotFound).detail(format!("No runner {name} has registered.")).into()),
            Some(holder) if holder != instance => Err(taken(name)),
            Some(_) => {
                self.note(name, instance);
                Ok(())
            }
        }
    }

    /// Whether a runner was heard within the time that keeps its name. After a restart of this server everybody has that
    /// time again.
    pub(super) fn is_heard(&self, name: &RunnerName) -> bool {
        let limit = i64::try_from(self.settings.times.runner_expiry_ms).unwrap_or(i64::MAX);
        let up = self.seen.get(name).map_or(self.seen.since_up, |sign| sign.up);
        self.store.uptime().now() - up < limit
    }

    fn note(&self, name: &RunnerName, instance: Uuid) {
        let (up, at) = (self.store.uptime().now(), self.now());
        let mut signs = self.seen.map();
        match signs.get_mut(name).filter(|sign| sign.instance == instance) {
            Some(sign) => (sign.up, sign.at) = (up, at),
            None => drop(signs.insert(name.clone(), Sign { instance, up, at, state: None })),
        }
    }

    /// The instance that keeps a runner's name.
    async fn holder(&self, name: &RunnerName) -> ApiResult<Option<Uuid>> {
        let limit = i64::try_from(self.settings.times.runner_expiry_ms).unwrap_or(i64::MAX);
        let (instance, up) = match self.seen.get(name) {
            Some(sign) => (sign.instance, sign.up),
            None => match self.store.runner(name).await? {
                Some(record) => (record.instance, self.seen.since_up),
                None => return Ok(None),
            },
        };
        Ok((self.store.uptime().now() - up < limit).then_some(instance))
    }
}

fn taken(name: &RunnerName) -> ApiError {
    Problem::new(ProblemCode::RunnerNameTaken)
        .detail(format!("Another process holds the runner name {name}."))
        .hint("Give this one another name (--name), or stop the other and wait a minute.")
        .into()
}

fn check(request: &RegisterRequest) -> ApiResult<()> {
    let mut errors = Vec::new();
    let mut rule = |ok: bool, pointer: String, message: &str| {
        if !ok {
            errors.push(FieldError { pointer, message: message.to_owned() });
        }
    };
    for (field, text) in [("kind", &request.kind), ("version", &request.version)] {
        let fine = (1..=100).contains(&text.len()) && !text.contains(char::is_control);
        rule(fine, format!("/{field}"), "1 to 100 bytes, none of them a control character");
    }
    rule(request.queues.len() <= 1000, "/queues".into(), "at most 1,000 queues");
    for (i, queue) in request.queues.iter().enumerate() {
        rule(queue == "*" || queue.parse::<QueueName>().is_ok(), format!("/queues/{i}"), "a queue's name, or * for all");
    }
    valid([errors, cluster(request)].concat())
}

/// What is wrong with what a runner adds to the templates of queues.
fn cluster(request: &RegisterRequest) -> Vec<FieldError> {
    let fault = |pointer: String, message: &str| FieldError { pointer, message: message.to_owned() };
    let Some(offer) = &request.cluster else {
        let lacks = request.kind == "kubernetes";
        return lacks
            .then(|| fault("/cluster".into(), "a runner of the kind kubernetes offers a cluster: {namespaces: […]}"))
            .into_iter()
            .collect();
    };
    let mut errors = Vec::new();
    if request.kind != "kubernetes" {
        errors.push(fault("/kind".into(), "kubernetes, where a cluster is offered"));
    }
    if !(1..=limits::MAX_NAMESPACES).contains(&offer.namespaces.len()) {
        errors.push(fault("/cluster/namespaces".into(), "1 to 100 namespaces"));
    }
    for (i, _) in offer.namespaces.iter().enumerate().filter(|(_, name)| !is_dns_label(name)) {
        errors.push(fault(format!("/cluster/namespaces/{i}"), "lower-case letters, digits and dashes, at most 63"));
    }
    let base = offer.base.iter().map(|base| ("/cluster/base".to_owned(), base));
    let overlays = offer.overlays.iter().map(|(queue, overlay)| (format!("/cluster/overlays/{queue}"), overlay));
    for (at, document) in base.chain(overlays) {
        if document.to_string().len() > limits::MAX_POD_TEMPLATE {
            errors.push(fault(at.clone(), "at most 262,144 bytes as JSON"));
        }
        errors.extend(placed(&at, template::check(document)));
    }
    errors
}

/// Of attempts that ended before they started so long ago a glue hears when it comes back: of those that an outage of a night brings.
const LAPSED_MS: u64 = 24 * 3_600_000;
/// And of so many.
const MAX_LAPSED: u32 = 1_000;

/// Introduces a runner.
#[utoipa::path(put, path = "/api/v1/runners/{name}", operation_id = "registerRunner", tag = "runner", params(("name" = String, Path)),
    request_body = RegisterRequest, responses((status = 200, body = RegisterResponse), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn register(
    State(app): State<App>,
    Path(name): Path<RunnerName>,
    Json { value: request, .. }: Json<RegisterRequest>,
) -> ApiResult<axum::Json<RegisterResponse>> {
    check(&request)?;
    if app.holder(&name).await?.is_some_and(|holder| holder != request.instance) {
        return Err(taken(&name));
    }
    let doc = serde_json::to_string(&request).map_err(|_| ProblemCode::Internal)?;
    app.store.run(Register { name: name.clone(), instance: request.instance, doc }).await?;
    app.runners.refresh(&app.store).await?;
    app.note(&name, request.instance);
    app.store.run(Renew(name.clone())).await?;
    app.store.changes().terms_changed();
    let since = app.store.uptime().now().saturating_sub_unsigned(LAPSED_MS);
    let lapsed = if request.cluster.is_some() { app.store.lapsed(&name, since, MAX_LAPSED).await? } else { Vec::new() };
    Ok(axum::Json(RegisterResponse { times: app.settings.times.clone(), instance: app.store.instance().to_owned(), lapsed }))
}

/// All runners, by name.
#[utoipa::path(get, path = "/api/v1/runners", operation_id = "listRunners", tag = "runner", responses((status = 200, body = RunnerList)))]
pub(super) async fn list(State(app): State<App>) -> ApiResult<axum::Json<RunnerList>> {
    let items = app.store.runners().await?.iter().map(|record| app.runner(record)).collect();
    Ok(axum::Json(RunnerList { items }))
}
