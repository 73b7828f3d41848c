//! `GET /tasks/{id}/why`: why a task is where it is.

mod blocked;
mod findings;
mod fit;
mod halted;
mod holders;
mod instead;
mod limits;

use super::{
    kin,
    path::{OfTask, TaskPath},
};
use crate::{
    domain::{AttemptNumber, AttemptRef, Evidence, Finding, Phase, Reason, ReasonClass, TaskState, UnixMs, reasons},
    server::{auth::Principal, error::ApiResult, state::App},
    store::{ArrayRecord, Block, LeaseRecord, RunnerRecord, TaskRecord},
    wire::{Position, Problem, TaskId, Why, timestamp},
};
use axum::extract::State;
use findings::Known;
use holders::Held;
use limits::Draw;

/// Why a task waits, or ended as it did: every reason, blocking ones first, each with what it rests on.
#[utoipa::path(get, path = "/api/v1/tasks/{id}/why", operation_id = "whyTask", tag = "tasks", params(TaskPath),
    responses((status = 200, body = Why), (status = 404, body = Problem)))]
pub(crate) async fn why(State(app): State<App>, principal: Principal, OfTask(id): OfTask) -> ApiResult<axum::Json<Why>> {
    let task = app.record(id).await?;
    let Look { place: position, mut found, blocks, held } = match kin::array_of(&task) {
        Some(array) => app.array_reasons(&task, array).await?,
        None => app.reasons(&task).await?,
    };
    found.sort_by_key(|finding| !finding.blocking);
    for reason in &mut found {
        let named = |hint: String| hint.replace("TASK", &id.to_string()).replace("QUEUE", task.spec.queue.as_str());
        reason.hint = reason.hint.take().map(named);
    }
    let verdict = reasons::verdict(&found);
    let comes = !found.iter().any(|finding| finding.blocking && finding.code == Reason::QueuePaused);
    let place = position.filter(|_| verdict == Some(ReasonClass::Wait) && comes);
    let (holders, by) = match &held {
        Some(held) => app.holders(&principal, held, place.map(|place| place.index)).await?,
        None => (None, None),
    };
    let eta = place.and_then(|place| app.flow.forecast(&task, place.index, by, app.now()));
    let waits = task.state == TaskState::Queued || task.lease.is_some() && fit::is_about_nodes(&found);
    let instead = if waits && verdict.is_some() { app.instead(&principal, &task, &blocks, &found).await? } else { Vec::new() };
    Ok(axum::Json(Why {
        task: id,
        state: task.state,
        attempt: task.attempt,
        phase: task.lease.as_ref().map(|lease| lease.phase.unwrap_or(Phase::Claimed)),
        since: timestamp(app.since(&task).await?),
        position,
        eta,
        verdict,
        instead,
        holders,
        reasons: found,
    }))
}

/// What is seen of a task that is no array.
#[derive(Default)]
struct Look {
    /// Its place in its queue, while it is queued.
    place: Option<Position>,
    found: Vec<Finding>,
    /// The rules that hold it back while it is queued.
    blocks: Vec<Block>,
    /// What it waits for because others have it.
    held: Option<Held>,
}

impl From<Vec<Finding>> for Look {
    fn from(found: Vec<Finding>) -> Self {
        Self { found, ..Self::default() }
    }
}

impl App {
    /// Where a task that is no array stands in its queue, and why it stands where it does.
    async fn reasons(&self, task: &TaskRecord) -> ApiResult<Look> {
        Ok(match (task.state, &task.lease) {
            (TaskState::Queued, _) => {
                // It may have been claimed meanwhile; what was read of it still counts itself.
                let (ahead, of, blocks) = match self.store.standing(task.id).await? {
                    Some(standing) => (standing.ahead, standing.total, standing.blocks),
                    None => (0, 1, Vec::new()),
                };
                let place = Position { index: ahead + 1, of: of.max(u64::from(ahead) + 1) };
                let (found, held) = self.queued(task, place, &blocks).await?;
                Look { place: Some(place), found, blocks, held }
            }
            (TaskState::Waiting, _) => self.waiting(task).await?.into(),
            (_, Some(lease)) => {
                let found = self.active(task, lease).await?;
                let held = Held::by_pods(task, &lease.runner, &found).filter(|_| lease.uid.is_none());
                Look { found, held, ..Look::default() }
            }
            (_, None) => self.ended(task).await?.into(),
        })
    }

    /// Why an array stands where it does: as its first element that nobody has claimed, or as it ended.
    async fn array_reasons(&self, task: &TaskRecord, array: &ArrayRecord) -> ApiResult<Look> {
        if task.state == TaskState::Cancelled && array.cancel_at.is_some() {
            return Ok(self.ended(task).await?.into());
        }
        if let Some((outcome, _)) = &task.ended {
            return Ok(findings::array_ended(outcome, task.finished_at.map(timestamp)).into_iter().collect::<Vec<_>>().into());
        }
        let together = self.waiting(task).await?;
        if !together.is_empty() {
            return Ok(together.into());
        }
        let first = self.store.unclaimed_elements(task.id, task.id, 1).await?;
        let Some(first) = first.first() else { return Ok(Look::default()) };
        let Look { found, held, .. } = self.reasons(&self.record(*first).await?).await?;
        let goes_on = array.counts.active > 0;
        let of_element = |mut finding: Finding| {
            finding.message = format!("Element {first}: {}", finding.message);
            finding.hint = finding.hint.map(|hint| hint.replace("TASK", &first.to_string()));
            if goes_on { finding.beside() } else { finding }
        };
        Ok(Look { found: found.into_iter().map(of_element).collect(), held, ..Look::default() })
    }

    /// Why an element waits for a slot of its array, or with it.
    async fn throttled(&self, task: &TaskRecord, array: TaskId) -> ApiResult<Vec<Finding>> {
        let array = self.record(array).await?;
        if self.store.waits(array.id).await?.is_some() {
            return Box::pin(self.waiting(&array)).await;
        }
        let before = self.store.throttled_before(array.id, task.id).await?;
        Ok(kin::array_of(&array).map(|of| findings::throttled(array.id, of, before)).into_iter().collect())
    }

    /// Since when a task stands where it does.
    async fn since(&self, task: &TaskRecord) -> ApiResult<UnixMs> {
        let kinds: &[&str] = match task.state {
            TaskState::Queued => &["task.submitted", "task.queued", "attempt.returned", "attempt.abandoned"],
            TaskState::Waiting => &["task.submitted", "attempt.ended", "attempt.returned"],
            TaskState::Active => &["attempt.claimed", "attempt.started", "attempt.phase"],
            _ => return Ok(task.finished_at.unwrap_or(task.created_at)),
        };
        Ok(self.store.last_event(task.id, kinds).await?.map_or(task.created_at, |event| event.at))
    }

    async fn queued(&self, task: &TaskRecord, place: Position, blocks: &[Block]) -> ApiResult<(Vec<Finding>, Option<Held>)> {
        let queue = &task.spec.queue;
        let mut found = Vec::new();
        if let Some((by, reason, at)) = self.store.queue(queue).await?.and_then(|record| record.paused) {
            found.push(findings::paused(queue, &by, reason.as_deref(), timestamp(at)));
        }
        let doc = self.queues.get(queue.as_str()).unwrap_or_default();
        let for_pods = doc.asks_for_pods();
        let runners = self.store.runners().await?;
        let known = |record: &RunnerRecord| {
            let carries = !for_pods || self.runners.get(&record.name).is_some_and(|runner| runner.cluster.is_some());
            Known { runner: self.runner(record), carries, heard: self.is_heard(&record.name) }
        };
        let runners: Vec<_> = runners.iter().map(known).collect();
        found.extend(findings::no_runner(queue, &runners));
        let stuck = self.watchdog.found();
        found.extend(halted::blind(queue, &runners, &stuck));
        found.extend(halted::behind(queue, &stuck));
        let gpus = task.spec.resources.gpus;
        found.extend(self.too_small(queue, &doc, gpus).and_then(|machines| halted::too_large(queue, gpus, &machines)));
        let full = halted::full(queue, &task.spec.resources, &runners);
        let by_runners = match full {
            Some(full) => {
                found.push(full.finding);
                let others = self.store.queues().await?.iter().any(|other| other.queued > 0 && other.name != *queue);
                Some(Held::by_runners(task, full.runners, full.of_gpus, !others))
            }
            None => None,
        };
        found.extend(self.unrenderable(queue).map(|faults| findings::unrenderable(queue, &faults)));
        found.extend(findings::unserved(queue, &self.unserved(queue)));
        found.extend(self.misfit(task).map(|(reason, faults)| findings::misfit(queue, reason, &faults)));
        found.extend(self.nowhere(task));
        for block in blocks {
            found.push(self.held_back(task, block).await?);
        }
        let behind = findings::behind(queue, place);
        let held = found.iter().any(|finding| finding.blocking);
        found.push(if held { behind.beside() } else { behind });
        Ok((found, blocks.iter().find_map(|block| Held::by_rules(task, block)).or(by_runners)))
    }

    /// A limit, a budget or a reservation that a ready task waits for.
    async fn held_back(&self, task: &TaskRecord, block: &Block) -> ApiResult<Finding> {
        let queue = &task.spec.queue;
        Ok(match block {
            Block::Queue { running, max } => limits::queue(queue, *running, *max),
            Block::User { running, max } => limits::user(queue, &task.user, *running, *max),
            Block::Reserved { name, by } => limits::reserved(name, *by),
            Block::Budget { name, resource, cost, left, of } => {
                let record = self.store.budget(name).await?;
                let shares = record.iter().flat_map(|record| &record.queues);
                let users = shares.flat_map(|share| share.users.iter().map(|(user, used)| (*used, user.as_str(), &share.queue)));
                let asks = of.queues.iter().filter(|(name, part)| *name != queue && part.asks && part.guaranteed > part.used);
                limits::budget(Draw {
                    queue,
                    budget: name,
                    resource: *resource,
                    cost: *cost,
                    left: *left,
                    max: of.max,
                    used: of.used,
                    users: users.collect(),
                    kept: asks.map(|(name, part)| (part.guaranteed, name)).collect(),
                })
            }
        })
    }

    async fn waiting(&self, task: &TaskRecord) -> ApiResult<Vec<Finding>> {
        let Some(waits) = self.store.waits(task.id).await? else { return Ok(Vec::new()) };
        if let (true, Some(array)) = (waits.throttled, task.parent) {
            return self.throttled(task, array).await;
        }
        let mut found = Vec::new();
        if waits.blockers > 0 {
            let open = task.dependencies.iter().filter(|dependency| dependency.ended.is_none());
            let states = self.store.tasks_of(open.map(|dependency| dependency.on)).await?;
            found.extend(blocked::by_tasks(&task.dependencies, |id| states.get(&id).map(|task| task.state)));
        }
        found.extend(waits.not_before.filter(|at| *at > self.now()).map(|at| blocked::until(timestamp(at), task.created_at)));
        if let (Some(due), Some(last)) = (waits.due_up, self.store.attempts(task.id).await?.last()) {
            let left = due.saturating_sub(self.store.uptime().now()).max(0);
            let until = timestamp(UnixMs(self.now().0.saturating_add(left)));
            found.extend(self.misfit(task).map(|(reason, faults)| findings::misfit(&task.spec.queue, reason, &faults)));
            found.extend(findings::paused_for(last, until));
        }
        Ok(found)
    }

    async fn active(&self, task: &TaskRecord, lease: &LeaseRecord) -> ApiResult<Vec<Finding>> {
        let evidence = self.store.evidence(lease.attempt).await?;
        if lease.uid.is_none() {
            let mut found = reasons::pending(evidence.as_ref().unwrap_or(&Evidence::default()));
            if let Some(seen) = fit::is_about_nodes(&found).then(|| self.seen_by_nodes(&lease.runner, task)).flatten() {
                fit::sharpen(&mut found, &seen);
            }
            found.extend(halted::of_attempt(lease, &self.watchdog.found()));
            return Ok(if found.is_empty() { vec![findings::claimed(lease)] } else { found });
        }
        if !self.is_silent(task) {
            // What a runner started itself may still wait for its pods.
            let waits = task.spec.is_agentless() && lease.phase < Some(Phase::Running);
            let mut found = evidence.filter(|_| waits).map(|evidence| reasons::pending(&evidence)).unwrap_or_default();
            found.extend(halted::of_attempt(lease, &self.watchdog.found()));
            return Ok(found);
        }
        let silent_ms = self.store.uptime().now().saturating_sub(self.pulses.last(lease.attempt));
        let last = timestamp(UnixMs(self.now().0.saturating_sub(silent_ms)));
        Ok(vec![findings::silent(lease, last, evidence.as_ref())])
    }

    async fn ended(&self, task: &TaskRecord) -> ApiResult<Vec<Finding>> {
        let Some((outcome, _)) = &task.ended else { return Ok(Vec::new()) };
        let finished = task.finished_at.map(timestamp);
        if let Some(found) = blocked::by_failure(&task.dependencies, outcome, finished) {
            return Ok(vec![found]);
        }
        if task.state == TaskState::Cancelled {
            let request = self.store.last_event(task.id, &["task.cancelRequested"]).await?;
            return Ok(vec![findings::cancelled(request.as_ref())]);
        }
        let attempts = self.store.attempts(task.id).await?;
        let last = attempts.last().and_then(|last| last.ended.as_ref());
        if last.is_none_or(|(last, _)| last.end != outcome.end) {
            return Ok(blocked::given_up(outcome, finished).into_iter().collect());
        }
        let evidence = match task.attempt {
            AttemptNumber::NONE => None,
            attempt => self.store.evidence(AttemptRef { task: task.id, attempt }).await?,
        };
        Ok(findings::failed(task.attempt, outcome, finished, evidence.as_ref()).into_iter().collect())
    }
}
