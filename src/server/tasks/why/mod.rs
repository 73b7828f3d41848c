//! `GET /tasks/{id}/why`: why a task is where it is.

mod findings;

use super::{
    kin,
    path::{OfTask, TaskPath},
};
use crate::{
    domain::{AttemptNumber, AttemptRef, Evidence, Finding, Phase, TaskState, UnixMs, reasons},
    server::{error::ApiResult, state::App},
    store::{ArrayRecord, LeaseRecord, RunnerRecord, TaskRecord},
    wire::{Position, Problem, Why, timestamp},
};
use axum::extract::State;
use findings::Known;

/// Why a task waits, or ended as it did: every reason, blocking ones first, each with what it rests on.
#[utoipa::path(get, path = "/api/v1/tasks/{id}/why", operation_id = "whyTask", tag = "tasks", params(TaskPath),
    responses((status = 200, body = Why), (status = 404, body = Problem)))]
pub(crate) async fn why(State(app): State<App>, OfTask(id): OfTask) -> ApiResult<axum::Json<Why>> {
    let task = app.record(id).await?;
    let (position, mut reasons) = match kin::array_of(&task) {
        Some(array) => (None, app.array_reasons(&task, array).await?),
        None => app.reasons(&task).await?,
    };
    reasons.sort_by_key(|finding| !finding.blocking);
    for reason in &mut reasons {
        let named = |hint: String| hint.replace("TASK", &id.to_string()).replace("QUEUE", task.spec.queue.as_str());
        reason.hint = reason.hint.take().map(named);
    }
    Ok(axum::Json(Why {
        task: id,
        state: task.state,
        attempt: task.attempt,
        phase: task.lease.as_ref().map(|lease| lease.phase.unwrap_or(Phase::Claimed)),
        since: timestamp(app.since(&task).await?),
        position,
        verdict: reasons::verdict(&reasons),
        reasons,
    }))
}

impl App {
    /// Where a task that is no array stands in its queue, and why it stands where it does.
    async fn reasons(&self, task: &TaskRecord) -> ApiResult<(Option<Position>, Vec<Finding>)> {
        let reasons = match (task.state, &task.lease) {
            (TaskState::Queued, _) => {
                // It may have been claimed meanwhile; what was read of it still counts itself.
                let standing = self.store.standing(task.id).await?;
                let (ahead, of) = standing.as_ref().map_or((0, 1), |standing| (standing.ahead, standing.total));
                let place = Position { index: ahead + 1, of: of.max(u64::from(ahead) + 1) };
                return Ok((Some(place), self.queued(task, place).await?));
            }
            (TaskState::Waiting, _) => self.waiting(task).await?,
            (_, Some(lease)) => self.active(task, lease).await?,
            (_, None) => self.ended(task).await?,
        };
        Ok((None, reasons))
    }

    /// Why an array stands where it does: as its first element that nobody has claimed, or as it ended.
    async fn array_reasons(&self, task: &TaskRecord, array: &ArrayRecord) -> ApiResult<Vec<Finding>> {
        if task.state == TaskState::Cancelled && array.cancel_at.is_some() {
            return self.ended(task).await;
        }
        if let Some((outcome, _)) = &task.ended {
            return Ok(findings::array_ended(outcome, task.finished_at.map(timestamp)).into_iter().collect());
        }
        let first = self.store.unclaimed_elements(task.id, task.id, 1).await?;
        let Some(first) = first.first() else { return Ok(Vec::new()) };
        let (_, found) = self.reasons(&self.record(*first).await?).await?;
        let goes_on = array.counts.active > 0;
        let of_element = |mut finding: Finding| {
            finding.message = format!("Element {first}: {}", finding.message);
            finding.hint = finding.hint.map(|hint| hint.replace("TASK", &first.to_string()));
            if goes_on { finding.beside() } else { finding }
        };
        Ok(found.into_iter().map(of_element).collect())
    }

    /// Since when a task stands where it does.
    async fn since(&self, task: &TaskRecord) -> ApiResult<UnixMs> {
        let kinds: &[&str] = match task.state {
            TaskState::Queued => &["task.submitted", "task.queued", "attempt.returned", "attempt.abandoned"],
            TaskState::Waiting => &["attempt.ended", "attempt.returned"],
            TaskState::Active => &["attempt.claimed", "attempt.started", "attempt.phase"],
            _ => return Ok(task.finished_at.unwrap_or(task.created_at)),
        };
        Ok(self.store.last_event(task.id, kinds).await?.map_or(task.created_at, |event| event.at))
    }

    async fn queued(&self, task: &TaskRecord, place: Position) -> ApiResult<Vec<Finding>> {
        let queue = &task.spec.queue;
        let mut found = Vec::new();
        if let Some((by, reason, at)) = self.store.queue(queue).await?.and_then(|record| record.paused) {
            found.push(findings::paused(queue, &by, reason.as_deref(), timestamp(at)));
        }
        let doc = self.queues.get(queue.as_str()).unwrap_or_default();
        let for_pods = doc.pod_template.is_some() || doc.use_image_entrypoint;
        let runners = self.store.runners().await?;
        let known = |record: &RunnerRecord| {
            let carries = !for_pods || self.runners.get(&record.name).is_some_and(|runner| runner.cluster.is_some());
            Known { runner: self.runner(record), carries, heard: self.is_heard(&record.name) }
        };
        found.extend(findings::no_runner(queue, &runners.iter().map(known).collect::<Vec<_>>()));
        found.extend(self.unrenderable(queue).map(|faults| findings::unrenderable(queue, &faults)));
        let behind = findings::behind(queue, place);
        found.push(if found.is_empty() { behind } else { behind.beside() });
        Ok(found)
    }

    async fn waiting(&self, task: &TaskRecord) -> ApiResult<Vec<Finding>> {
        let waits = self.store.waits(task.id).await?.unwrap_or_default();
        if let (true, Some(array)) = (waits.throttled, task.parent) {
            let before = self.store.throttled_before(array, task.id).await?;
            let array = self.record(array).await?;
            return Ok(kin::array_of(&array).map(|of| findings::throttled(array.id, of, before)).into_iter().collect());
        }
        let due = waits.due_up.unwrap_or(0);
        let left = due.saturating_sub(self.store.uptime().now()).max(0);
        let attempts = self.store.attempts(task.id).await?;
        let Some(last) = attempts.last() else { return Ok(Vec::new()) };
        let until = timestamp(UnixMs(self.now().0.saturating_add(left)));
        Ok(findings::paused_for(last, until))
    }

    async fn active(&self, task: &TaskRecord, lease: &LeaseRecord) -> ApiResult<Vec<Finding>> {
        let evidence = self.store.evidence(lease.attempt).await?;
        if lease.uid.is_none() {
            let found = reasons::pending(evidence.as_ref().unwrap_or(&Evidence::default()));
            return Ok(if found.is_empty() { vec![findings::claimed(lease)] } else { found });
        }
        if !self.is_silent(task) {
            return Ok(Vec::new());
        }
        let silent_ms = self.store.uptime().now().saturating_sub(self.pulses.last(lease.attempt));
        let last = timestamp(UnixMs(self.now().0.saturating_sub(silent_ms)));
        Ok(vec![findings::silent(lease, last, evidence.as_ref())])
    }

    async fn ended(&self, task: &TaskRecord) -> ApiResult<Vec<Finding>> {
        let Some((outcome, _)) = &task.ended else { return Ok(Vec::new()) };
        if task.state == TaskState::Cancelled {
            let request = self.store.last_event(task.id, &["task.cancelRequested"]).await?;
            return Ok(vec![findings::cancelled(request.as_ref())]);
        }
        let evidence = match task.attempt {
            AttemptNumber::NONE => None,
            attempt => self.store.evidence(AttemptRef { task: task.id, attempt }).await?,
        };
        let finished = task.finished_at.map(timestamp);
        Ok(findings::failed(task.attempt, outcome, finished, evidence.as_ref()).into_iter().collect())
    }
}
