//! What would let a task get on: another queue that takes it and has room, or fewer GPUs.

use super::{super::intake, fit::is_for_ever, halted::Free};
use crate::{
    domain::{Finding, QueueName, Reason, Resources, Role, RunnerName, TaskSpec, order::Resource},
    server::{auth::Principal, error::ApiResult, orders, state::App},
    store::{Block, QueueRecord, TaskRecord},
    wire::{Instead, NewQueue, Runner},
};
use std::sync::Arc;

/// How many queues are told.
const QUEUES: usize = 3;

impl App {
    /// The changes under which a task would get on.
    pub(super) async fn instead(
        &self,
        principal: &Principal,
        task: &TaskRecord,
        blocks: &[Block],
        found: &[Finding],
    ) -> ApiResult<Vec<Instead>> {
        let runners: Vec<Runner> = self.store.runners().await?.iter().map(|record| self.runner(record)).collect();
        let mut all = Vec::new();
        if principal.rights.include_in(Role::Submitter, &task.spec.queue) {
            all.extend(self.with_fewer_gpus(task, blocks, found, &runners).await?);
        }
        all.extend(self.elsewhere(principal, task, &runners).await?.into_iter().map(|queue| Instead {
            queue: Some(queue),
            gpus: None,
            now: true,
        }));
        all.sort_by_key(|one| !one.now);
        Ok(all)
    }

    /// The queues, beside its own, in which a task would not have to wait for its turn: they take it as it is, nothing holds them back, a
    /// runner says that it has room beyond what is queued there, and where it runs pods, a node that it tells of is large enough.
    /// What cannot be known, as what is left of a budget, speaks against a queue.
    async fn elsewhere(&self, principal: &Principal, task: &TaskRecord, runners: &[Runner]) -> ApiResult<Vec<QueueName>> {
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
            let has_room = |runner: &Runner| {
                let (slots, gpus) = room(runner, name);
                let room = u64::from(slots) > *queued && gpus >= spec.resources.gpus;
                room && self.is_heard(&runner.name) && self.fits(&runner.name, (&spec, &doc), &task.user)
            };
            if runners.iter().any(has_room) {
                found.push(name.clone());
            }
            if found.len() == QUEUES {
                break;
            }
        }
        Ok(found)
    }

    /// The most GPUs, fewer than it asks for, with which a task of its queue would get on: where it is what it asks for that no node
    /// has or that is more than a runner has free or a budget has left, and nothing else holds it up.
    async fn with_fewer_gpus(
        &self,
        task: &TaskRecord,
        blocks: &[Block],
        found: &[Finding],
        runners: &[Runner],
    ) -> ApiResult<Option<Instead>> {
        let asked = task.spec.resources.gpus;
        let Some(left) = left_of(blocks).filter(|_| asked > 1) else { return Ok(None) };
        let Some(doc) = self.queues.get(task.spec.queue.as_str()) else { return Ok(None) };
        let too_large = found.iter().any(|finding| finding.code == Reason::NeverFits);
        // Where nodes lack something else, fewer GPUs are no help.
        if found.iter().any(|finding| is_for_ever(finding.code) && finding.code != Reason::NeverFits) {
            return Ok(None);
        }
        let of_gpus = blocks.iter().any(|block| matches!(block, Block::Budget { .. }));
        let full = found.iter().any(|finding| finding.code == Reason::RunnerAtCapacity && finding.blocking);
        if !too_large && !of_gpus && !full {
            return Ok(None);
        }
        let queue = &task.spec.queue;
        let mut best: Option<Instead> = None;
        for runner in runners.iter().filter(|runner| self.is_heard(&runner.name)) {
            let (slots, free) = room(runner, queue);
            // A machine has what it has; of a cluster's nodes only the sizes are known.
            let is_machine = self.offer(&runner.name).is_none();
            let most = (asked - 1).min(left).min(if is_machine { runner.gpus } else { u32::MAX });
            // What waits before it goes first, unless it needs more than there is.
            let idle = slots > 0 && self.store.due_for(queue, &runner.name, free).await?.is_none();
            let now = idle && free > 0 && (is_machine || !too_large);
            let most = if now { most.min(free) } else { most };
            let with = |gpus| TaskSpec { resources: Resources { gpus, ..task.spec.resources }, ..task.spec.clone() };
            let gpus = largest(most, |gpus| self.fits(&runner.name, (&with(gpus), &doc), &task.user));
            if gpus == 0 || !now && !too_large {
                continue;
            }
            let one = Instead { queue: None, gpus: Some(gpus), now };
            if best.as_ref().is_none_or(|best| (best.now, best.gpus) < (one.now, one.gpus)) {
                best = Some(one);
            }
        }
        Ok(best)
    }

    /// Whether a runner has what a task needs in it: a node that is large enough, where it runs pods.
    fn fits(&self, runner: &RunnerName, (spec, queue): (&TaskSpec, &Arc<NewQueue>), user: &str) -> bool {
        if self.offer(runner).is_none() {
            return !queue.asks_for_pods();
        }
        self.on_nodes(runner, (spec, queue), orders::facts(spec, user, queue)).is_some_and(|seen| seen.fits())
    }
}

/// How many more tasks of a queue a runner takes, and the GPUs that it has free for them.
fn room(runner: &Runner, queue: &QueueName) -> (u32, u32) {
    let serves = runner.queues.iter().any(|served| served == "*" || served == queue.as_str());
    let free = Free::of(runner, queue).filter(|_| serves);
    free.map_or((0, 0), |free| (free.slots, free.gpus))
}

/// How many GPUs limits and budgets leave to a task; none where they hold it back whatever it asks for.
fn left_of(blocks: &[Block]) -> Option<u32> {
    blocks.iter().try_fold(u32::MAX, |least, block| match block {
        Block::Budget { resource: Resource::Gpus, left, .. } => Some(least.min(u32::try_from(left.0 / 1_000).unwrap_or(u32::MAX))),
        _ => None,
    })
}

/// The largest number up to `most` for which something holds that holds for all smaller ones too; 0 where for none.
fn largest(most: u32, holds: impl Fn(u32) -> bool) -> u32 {
    let (mut low, mut high) = (0, most);
    while low < high {
        let middle = high - (high - low) / 2;
        if holds(middle) { low = middle } else { high = middle - 1 }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_that_fits_is_found() {
        for most in 0..20 {
            for fits in 0..20 {
                assert_eq!(largest(most, |n| n <= fits), most.min(fits), "{most} {fits}");
            }
        }
    }
}
