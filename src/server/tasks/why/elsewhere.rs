//! What would start a task now: another queue that takes it and has room.

use super::super::intake;
use crate::{
    domain::{QueueName, Role, RunnerName, TaskSpec},
    server::{auth::Principal, error::ApiResult, orders, state::App},
    store::{QueueRecord, TaskRecord},
    wire::NewQueue,
};
use std::sync::Arc;

/// How many are told.
const TOLD: usize = 3;

impl App {
    /// The queues, beside its own, in which a task would not have to wait for its turn: they take it as it is, nothing holds them back, a
    /// runner says that it has room beyond what is queued there, and where it runs pods, a node that it tells of is large enough.
    /// What cannot be known, as what is left of a budget, speaks against a queue.
    pub(super) async fn elsewhere(&self, principal: &Principal, task: &TaskRecord) -> ApiResult<Vec<QueueName>> {
        let rooms: Vec<_> = self.store.runners().await?.iter().map(|record| self.runner(record)).collect();
        let mut found = Vec::new();
        for record in self.store.queues().await? {
            let QueueRecord { name, paused: None, draining: None, queued, active, .. } = &record else { continue };
            let Some(doc) = self.queues.get(name.as_str()).filter(|doc| *name != task.spec.queue && doc.budgets.is_empty()) else {
                continue;
            };
            let limited = doc.limits.max_running.is_some_and(|max| active + queued >= u64::from(max));
            if limited || doc.limits.max_running_per_user.is_some() || !principal.rights.include_in(Role::Submitter, name) {
                continue;
            }
            let Ok(spec) = intake::elsewhere(self, principal, task.spec.clone(), name.as_str()) else { continue };
            let has_room = |runner: &crate::wire::Runner| {
                let serves = runner.queues.iter().any(|served| served == "*" || served == name.as_str());
                let room = runner.state.as_ref().and_then(|state| state.room.as_ref());
                let room = room.is_some_and(|room| u64::from(room.of(name.as_str())) > *queued && room.gpus >= spec.resources.gpus);
                serves && room && self.is_heard(&runner.name) && self.fits(&runner.name, (&spec, &doc), &task.user)
            };
            if rooms.iter().any(has_room) {
                found.push(name.clone());
            }
            if found.len() == TOLD {
                break;
            }
        }
        Ok(found)
    }

    /// Whether a runner has what a task needs in it: a node that is large enough, where it runs pods.
    fn fits(&self, runner: &RunnerName, (spec, queue): (&TaskSpec, &Arc<NewQueue>), user: &str) -> bool {
        if self.offer(runner).is_none() {
            return !queue.asks_for_pods();
        }
        self.on_nodes(runner, (spec, queue), orders::facts(spec, user, queue)).is_some_and(|seen| seen.fits())
    }
}
