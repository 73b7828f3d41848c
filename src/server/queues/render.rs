//! `POST /queues/{name}/render`: what runners would create for a task of a queue, without creating anything.

use super::{check::check, refused};
use crate::{
    domain::{AttemptNumber, AttemptRef, Level, Overrides, Reason, TaskId, TaskSpec, TemplateFinding},
    server::{
        auth::Principal,
        body::{MaybeJson, Path, Query},
        checks::Judged,
        error::ApiResult,
        orders,
        preview::Parts,
        state::App,
        tasks::intake,
    },
    store::QueueRefusal,
    wire::{
        ClusterOffer, FieldError, NewQueue, NewTask, Problem, ProblemCode, QueueName, RegisterRequest, RenderQuery, RenderRequest,
        RenderResponse, Rendering, RunnerName, timestamp,
    },
};
use axum::extract::State;
use std::sync::Arc;
use uuid::Uuid;

/// Shows the Job that each runner would create, with the layer that set each of its values, or what is wrong; and what would be
/// refused by its cluster, never run there, or trip people. The body may hold a task, and a queue document to try.
#[utoipa::path(post, path = "/api/v1/queues/{name}/render", operation_id = "renderQueue", tag = "queues",
    params(("name" = String, Path), RenderQuery), request_body = RenderRequest,
    responses((status = 200, body = RenderResponse), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn render(
    State(app): State<App>,
    principal: Principal,
    Path(name): Path<QueueName>,
    Query(query): Query<RenderQuery>,
    MaybeJson(request): MaybeJson<RenderRequest>,
) -> ApiResult<axum::Json<RenderResponse>> {
    let queue = match request.queue {
        Some(queue) => {
            check(&name, &queue)?;
            Arc::new(NewQueue { name: None, ..queue })
        }
        None => app.queues.get(name.as_str()).ok_or_else(|| refused(&name, QueueRefusal::NotFound))?,
    };
    let runners = app.renderers(&name, query.runner.as_ref())?;
    let is_sample = request.task.is_none();
    let task = request.task.unwrap_or_else(|| sample(&queue));
    let spec = match intake::spec(task, &principal.user, name.clone(), &queue) {
        Ok(spec) => spec,
        Err(violations) => {
            let faults: Vec<_> =
                violations.into_iter().map(|v| FieldError { pointer: format!("/task{}", v.pointer), message: v.message }).collect();
            let item = |(runner, offer)| refused_as(runner, offer, faults.clone());
            return Ok(axum::Json(RenderResponse { items: runners.into_iter().map(item).collect() }));
        }
    };
    if let Some(machines) = app.too_small(&name, &queue, spec.resources.gpus) {
        return Ok(axum::Json(RenderResponse { items: machines.into_iter().map(|machine| too_small(machine, &spec)).collect() }));
    }
    let with_image = with_image(&queue, &spec).filter(|_| is_sample);
    let item = |(runner, offer): (Option<RunnerName>, ClusterOffer)| {
        let whole = |spec: &TaskSpec| {
            let parts = Parts {
                runner: runner.as_ref(),
                offer: &offer,
                name: &name,
                queue: &queue,
                spec,
                user: &principal.user,
                of: AttemptRef { task: TaskId(0), attempt: AttemptNumber(1) },
                claim: Uuid::nil(),
                instance: app.store.instance(),
            };
            parts.whole()
        };
        // That a task has to name an image is no fault of its queue.
        let made = whole(&spec).or_else(|faults| match &with_image {
            Some(spec) if faults.iter().all(|fault| fault.pointer == "/task/image") => whole(spec),
            _ => Err(faults),
        });
        match made {
            Ok(made) => {
                let Judged { findings, nodes_at, checked_at } = app.judge(runner.as_ref(), (&name, &queue), &made);
                Rendering {
                    runner,
                    cluster: offer.name,
                    manifest: Some(made.manifest),
                    origins: serde_json::to_value(&made.origins).ok(),
                    faults: Vec::new(),
                    findings,
                    nodes_at: nodes_at.map(timestamp),
                    checked_at: checked_at.map(timestamp),
                }
            }
            Err(faults) => {
                let faults = faults.into_iter().map(|fault| FieldError { pointer: fault.pointer, message: fault.message }).collect();
                refused_as(runner, offer, faults)
            }
        }
    };
    Ok(axum::Json(RenderResponse { items: runners.into_iter().map(item).collect() }))
}

/// What makes no object.
fn refused_as(runner: Option<RunnerName>, offer: ClusterOffer, faults: Vec<FieldError>) -> Rendering {
    Rendering { runner, cluster: offer.name, manifest: None, origins: None, faults, findings: Vec::new(), nodes_at: None, checked_at: None }
}

/// What a machine has not enough of.
fn too_small((runner, gpus): (RunnerName, u32), spec: &TaskSpec) -> Rendering {
    let finding = TemplateFinding {
        level: Level::Error,
        code: Reason::NeverFits.as_str().into(),
        pointer: "/resources/gpus".into(),
        found: spec.resources.gpus.to_string(),
        message: format!("the runner has {gpus} GPU{}", if gpus == 1 { "" } else { "s" }),
        fix: "ask for less, or name another queue".into(),
        said: String::new(),
        layer: None,
    };
    Rendering { findings: vec![finding], ..refused_as(Some(runner), ClusterOffer::default(), Vec::new()) }
}

/// A task that says no more than it must.
pub(in crate::server) fn sample(queue: &NewQueue) -> NewTask {
    let command = (!queue.use_image_entrypoint).then(|| vec!["true".to_owned()]);
    let variables = orders::values(queue, None).unwrap_or_default();
    NewTask { command, name: Some("sample".to_owned()), variables, ..NewTask::default() }
}

/// The same task with an image that the queue takes; none where it takes none.
pub(in crate::server) fn with_image(queue: &NewQueue, spec: &TaskSpec) -> Option<TaskSpec> {
    let image = queue.allow.sample_image()?;
    Some(TaskSpec { overrides: Overrides { image: Some(image), ..spec.overrides.clone() }, ..spec.clone() })
}

impl App {
    /// For whom a queue is previewed: the runner that is asked for, else all on Kubernetes that serve it, else nobody.
    fn renderers(&self, queue: &QueueName, asked: Option<&RunnerName>) -> ApiResult<Vec<(Option<RunnerName>, ClusterOffer)>> {
        if let Some(name) = asked {
            let known = self.runners.get(name);
            let missing =
                || Problem::new(ProblemCode::RunnerNotFound).detail(format!("There is no runner {name}.")).hint("slipway runner ls");
            let without = || {
                let detail = format!("The runner {name} makes no pods.");
                Problem::new(ProblemCode::ValidationFailed).detail(detail).hint("slipway runner ls")
            };
            let offer = known.ok_or_else(missing)?.cluster.clone().ok_or_else(without)?;
            return Ok(vec![(Some(name.clone()), offer)]);
        }
        let serves = |runner: &RegisterRequest| runner.queues.iter().any(|name| name == "*" || name == queue.as_str());
        let all = self.runners.all();
        let mut found: Vec<_> = all
            .into_iter()
            .filter(|(_, runner)| serves(runner))
            .filter_map(|(name, runner)| Some((Some(name), runner.cluster.clone()?)))
            .collect();
        if found.is_empty() {
            found.push((None, ClusterOffer::default()));
        }
        Ok(found)
    }
}
