//! What should get on and does not: found by looking, told in the log, in the metrics, by `GET /health` and by `why`.
//!
//! - From a queue nothing has been claimed for a while although a task is due and a runner says that it has room for it.
//! - A runner has not seen its cluster for a while.
//! - A live attempt stands in a stage beyond the time that the stage has.
//!
//! Level-triggered and in memory: each look asks what is so now, and remembers only since when. After a restart of the server
//! the while begins anew.

mod look;
mod rules;

use crate::{
    domain::{AttemptRef, QueueName, Reason, RunnerName},
    server::{clockwork::pause, state::App},
    wire::Stuck,
};
use rules::Stage;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Looks so often within the time after which something is stuck.
const LOOKS: u64 = 8;

/// What is remembered from look to look; times are uptime in ms.
#[derive(Default)]
pub(super) struct Watchdog(Mutex<Memory>);

#[derive(Default)]
struct Memory {
    /// When something was claimed last from each queue.
    claimed: HashMap<QueueName, i64>,
    /// How many claims of each runner are open.
    open: HashMap<RunnerName, u32>,
    /// Since when each queue has had a task that nobody claims.
    queues: HashMap<QueueName, i64>,
    /// Since when each runner has not seen its cluster.
    blind: HashMap<RunnerName, i64>,
    /// Where each live attempt stands, and since when.
    stages: HashMap<AttemptRef, (Stage, i64)>,
    /// What was found at the last look.
    found: Arc<Vec<Stuck>>,
}

impl Watchdog {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A claim of a runner is open until the answer is dropped.
    pub(super) fn asks(self: &Arc<Self>, runner: &RunnerName) -> OpenClaim {
        *self.memory().open.entry(runner.clone()).or_default() += 1;
        OpenClaim { watchdog: self.clone(), runner: runner.clone() }
    }

    /// Something was claimed from these queues at uptime `up`.
    pub(super) fn claimed<'a>(&self, queues: impl Iterator<Item = &'a QueueName>, up: i64) {
        let mut memory = self.memory();
        let mut last = None;
        for queue in queues.filter(|queue| last.replace(*queue) != Some(*queue)) {
            match memory.claimed.get_mut(queue) {
                Some(at) => *at = up,
                None => drop(memory.claimed.insert(queue.clone(), up)),
            }
        }
    }

    /// What was found at the last look, at most [`MAX_STUCK`](crate::wire::limits::MAX_STUCK).
    pub(super) fn found(&self) -> Arc<Vec<Stuck>> {
        self.memory().found.clone()
    }

    /// How much was found at the last look, by what it is.
    pub(super) fn counts(&self) -> [(Reason, usize); 3] {
        let found = self.found();
        [Reason::RunnerBehind, Reason::RunnerBlind, Reason::AttemptOverdue]
            .map(|code| (code, found.iter().filter(|stuck| stuck.code == code).count()))
    }

    /// Takes what a look found, and says in the log what is new about it.
    fn put(&self, found: Vec<Stuck>) {
        let same = |a: &Stuck, b: &Stuck| (a.code, &a.queue, &a.runner, a.attempt) == (b.code, &b.queue, &b.runner, b.attempt);
        let found = Arc::new(found);
        let before = std::mem::replace(&mut self.memory().found, found.clone());
        for stuck in found.iter().filter(|stuck| !before.iter().any(|old| same(old, stuck))) {
            let Stuck { code, runner, message, .. } = stuck;
            let queue = stuck.queue.as_ref().map(QueueName::as_str);
            tracing::error!(%code, queue, %runner, task = stuck.task.map(|id| id.0), attempt = stuck.attempt.map(|n| n.0), "stuck: {message}");
        }
        for over in before.iter().filter(|old| !found.iter().any(|stuck| same(old, stuck))) {
            tracing::info!(code = %over.code, queue = over.queue.as_ref().map(QueueName::as_str), runner = %over.runner, "not stuck any more");
        }
    }
}

/// Counts an open claim until it is dropped.
pub(super) struct OpenClaim {
    watchdog: Arc<Watchdog>,
    runner: RunnerName,
}

impl Drop for OpenClaim {
    fn drop(&mut self) {
        let mut memory = self.watchdog.memory();
        if let Some(open) = memory.open.get_mut(&self.runner) {
            *open = open.saturating_sub(1);
        }
    }
}

/// Looks now and then, until the server stops.
pub(super) async fn run(app: App) {
    let every = (app.settings.times.stuck_ms / LOOKS).max(10);
    while pause(&app, every).await {
        if let Err(error) = app.look().await {
            tracing::error!(%error, "whether everything gets on could not be looked at");
        }
    }
}
