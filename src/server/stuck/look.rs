//! One look at everything that should get on.

use super::rules::{self, Stage};
use crate::{
    domain::{AttemptRef, QueueName, Reason, RunnerName, TaskId, UnixMs},
    server::state::App,
    store::{LiveAttempt, QueueRecord, StoreError},
    wire::{ClusterSight, RegisterRequest, Room, Stuck, limits, timestamp},
};
use std::collections::HashMap;

/// A runner that could take a task that is due.
struct Free {
    runner: RunnerName,
    room: u32,
    task: TaskId,
}

impl App {
    /// Looks, and keeps what is stuck.
    pub(in crate::server) async fn look(&self) -> Result<(), StoreError> {
        let mut found = self.blind_runners();
        found.extend(self.standing_queues().await?);
        found.extend(self.overdue_attempts().await?);
        found.truncate(limits::MAX_STUCK);
        self.watchdog.put(found);
        Ok(())
    }

    fn stuck_ms(&self) -> i64 {
        i64::try_from(self.settings.times.stuck_ms).unwrap_or(i64::MAX)
    }

    /// The time of day at an uptime.
    fn day(&self, up: i64) -> crate::wire::Timestamp {
        timestamp(UnixMs(self.now().0.saturating_sub(self.store.uptime().now().saturating_sub(up))))
    }

    /// Runners that say that they do not see their cluster. A watch that they call silent has been so for long enough.
    fn blind_runners(&self) -> Vec<Stuck> {
        let now = self.store.uptime().now();
        let (mut since, mut found) = (HashMap::new(), Vec::new());
        for (runner, _) in self.runners.all().into_iter().filter(|(runner, _)| self.is_heard(runner)) {
            let Some(state) = self.seen.state(&runner) else { continue };
            let Some(sight) = state.cluster.as_ref().filter(|sight| !sight.answers || !sight.silent.is_empty()) else { continue };
            let begun = self.watchdog.memory().blind.get(&runner).copied().unwrap_or(now);
            since.insert(runner.clone(), begun);
            if !sight.silent.is_empty() || now - begun >= self.stuck_ms() {
                let message = blindness(&runner, sight);
                found.push(Stuck {
                    code: Reason::RunnerBlind,
                    since: self.day(begun),
                    queue: None,
                    runner,
                    task: None,
                    attempt: None,
                    message,
                });
            }
        }
        self.watchdog.memory().blind = since;
        found
    }

    /// Queues from which nothing is claimed although a task is due and a runner has room for it.
    async fn standing_queues(&self) -> Result<Vec<Stuck>, StoreError> {
        let (mut since, mut found) = (HashMap::new(), Vec::new());
        if self.quiet().is_none() {
            for queue in self.store.queues().await?.iter().filter(|queue| queue.queued > 0 && queue.paused.is_none()) {
                let Some(free) = self.free_for(queue).await? else { continue };
                let now = self.store.uptime().now();
                let (last, before, open) = {
                    let memory = self.watchdog.memory();
                    let open = memory.open.get(&free.runner).copied().unwrap_or_default();
                    (memory.claimed.get(&queue.name).copied(), memory.queues.get(&queue.name).copied(), open)
                };
                let begun = before.unwrap_or(now).max(last.unwrap_or(i64::MIN));
                since.insert(queue.name.clone(), begun);
                if now - begun >= self.stuck_ms() {
                    let Free { runner, room, task } = free;
                    let stood = rules::long((now - begun).unsigned_abs());
                    let does = if open > 0 { "asks for work and gets none" } else { "does not ask for work" };
                    let message = format!(
                        "Task {task} is due, the runner {runner} has room for {room} of the queue {} and {does}: nothing was claimed for {stood}",
                        queue.name
                    );
                    let queue = Some(queue.name.clone());
                    found.push(Stuck {
                        code: Reason::RunnerBehind,
                        since: self.day(begun),
                        queue,
                        runner,
                        task: Some(task),
                        attempt: None,
                        message,
                    });
                }
            }
        }
        self.watchdog.memory().queues = since;
        Ok(found)
    }

    /// A runner that would get a task of the queue if it claimed now, and says that it has room.
    async fn free_for(&self, queue: &QueueRecord) -> Result<Option<Free>, StoreError> {
        for (runner, doc) in self.runners.all() {
            if !serves(&doc, &queue.name) || !self.is_heard(&runner) || self.beyond(&runner).contains(&queue.name) {
                continue;
            }
            let state = self.seen.state(&runner);
            let Some(Room { gpus, .. }) = state.as_ref().and_then(|state| state.room.as_ref()) else { continue };
            let room = state.as_ref().and_then(|state| state.room.as_ref()).map_or(0, |room| room.of(queue.name.as_str()));
            if room == 0 {
                continue;
            }
            if let Some(task) = self.store.due_for(&queue.name, &runner, *gpus).await? {
                return Ok(Some(Free { runner, room, task }));
            }
        }
        Ok(None)
    }

    /// Live attempts that stand beyond their time. Of a silent agent another reason is told.
    async fn overdue_attempts(&self) -> Result<Vec<Stuck>, StoreError> {
        let (mut stages, mut found) = (HashMap::new(), Vec::new());
        for live in self.store.live().await? {
            let (stage, now) = (rules::stage(&live), self.store.uptime().now());
            let before = self.watchdog.memory().stages.get(&live.attempt).copied();
            let begun = before.filter(|(old, _)| *old == stage).map_or(now, |(_, begun)| begun);
            let begun = live.cancel_up.filter(|_| stage == Stage::Stopping).unwrap_or(begun);
            stages.insert(live.attempt, (stage, begun));
            let Some(limit) = rules::limit_ms(stage, &live, self.pending_ms(&live.queue), &self.settings.times) else { continue };
            let stood = now.saturating_sub(begun).unsigned_abs();
            if stood < limit.saturating_add(self.settings.times.stuck_ms) || self.is_excused(&live, stage).await? {
                continue;
            }
            let message = rules::overdue(stage, stood, limit);
            let LiveAttempt { attempt: AttemptRef { task, attempt }, queue, runner, .. } = live;
            found.push(Stuck {
                code: Reason::AttemptOverdue,
                since: self.day(begun),
                queue: Some(queue),
                runner,
                task: Some(task),
                attempt: Some(attempt),
                message,
            });
        }
        self.watchdog.memory().stages = stages;
        Ok(found)
    }

    async fn is_excused(&self, live: &LiveAttempt, stage: Stage) -> Result<bool, StoreError> {
        Ok(match stage {
            Stage::Unstarted(_) => self.store.evidence(live.attempt).await?.is_some_and(|evidence| rules::excused(&evidence)),
            Stage::Setup | Stage::Running => self.is_quiet(live.attempt),
            Stage::Stopping | Stage::Finishing => false,
        })
    }

    /// How long a queue bears with an attempt that finds no place, in ms.
    fn pending_ms(&self, queue: &QueueName) -> u64 {
        let doc = self.queues.get(queue.as_str()).unwrap_or_default();
        let returned = doc.pending_timeout_seconds.unwrap_or(limits::DEFAULT_PENDING_TIMEOUT_SECONDS);
        returned.max(doc.fail_pending_after_seconds.unwrap_or_default()).saturating_mul(1000)
    }
}

/// Whether a runner draws from a queue.
fn serves(doc: &RegisterRequest, queue: &QueueName) -> bool {
    doc.queues.iter().any(|name| name == "*" || name == queue.as_str())
}

fn blindness(runner: &RunnerName, sight: &ClusterSight) -> String {
    match sight.silent.first() {
        Some(watch) => {
            let (resource, namespace, long) = (&watch.resource, &watch.namespace, rules::long(watch.seconds.saturating_mul(1000)));
            format!("The runner {runner} has heard nothing on its watch of {resource} in {namespace} for {long}")
        }
        None => format!("The runner {runner} gets no answer from its cluster's API server"),
    }
}
