//! Who has what a task waits for, and by when that is free at the latest.

use crate::{
    domain::{Finding, QueueName, Reason, RunnerName, order::Resource},
    server::{auth::Principal, error::ApiResult, state::App},
    store::{Block, HolderRecord, Holding, TaskRecord},
    wire::{Holder, Holders, timestamp},
};

/// How many are told.
const TOLD: u32 = 10;
/// The furthest place in a queue for which the ends of those that run are counted.
const FURTHEST: u32 = 200;

/// What a task waits for because others have it.
pub(super) struct Held {
    pub(super) by: Holding,
    /// Whether each of them gives back what the next task needs, no more and no less.
    one_by_one: bool,
}

impl Held {
    fn of(task: &TaskRecord, queues: Vec<QueueName>) -> Self {
        let by = Holding { queues, user: None, runners: Vec::new(), with_gpus: false, but: task.id };
        Self { by, one_by_one: false }
    }

    /// A limit or a budget.
    pub(super) fn by_rules(task: &TaskRecord, block: &Block) -> Option<Self> {
        let queue = || vec![task.spec.queue.clone()];
        match block {
            Block::Queue { .. } => Some(Self { one_by_one: true, ..Self::of(task, queue()) }),
            Block::User { .. } => {
                let held = Self::of(task, queue());
                Some(Self { by: Holding { user: Some(task.user.clone()), ..held.by }, ..held })
            }
            Block::Budget { resource, of, .. } => {
                let held = Self::of(task, of.queues.keys().cloned().collect());
                Some(Self { by: Holding { with_gpus: *resource == Resource::Gpus, ..held.by }, ..held })
            }
            Block::Reserved { .. } => None,
        }
    }

    /// The slots or GPUs of runners. `alone`: nobody but this queue waits for them.
    pub(super) fn by_runners(task: &TaskRecord, runners: Vec<RunnerName>, with_gpus: bool, alone: bool) -> Self {
        let held = Self::of(task, Vec::new());
        Self { by: Holding { runners, with_gpus, ..held.by }, one_by_one: alone && !with_gpus }
    }

    /// What the nodes of a cluster have, where that is what the pod waits for; as far as it is the runner's own tasks that have it.
    pub(super) fn by_pods(task: &TaskRecord, runner: &RunnerName, found: &[Finding]) -> Option<Self> {
        use Reason as R;
        let first = found.iter().find(|finding| finding.blocking)?;
        let full = [R::InsufficientGpu, R::InsufficientCpu, R::InsufficientMemory, R::InsufficientStorage, R::TooManyPods];
        full.contains(&first.code).then(|| Self::by_runners(task, vec![runner.clone()], first.code == R::InsufficientGpu, false))
    }
}

impl App {
    /// The holders as the caller may see them; none where there are none. Beside them when the task at this place of its queue has a
    /// free place at the latest, in seconds, and how many hold them.
    pub(super) async fn holders(
        &self,
        principal: &Principal,
        held: &Held,
        place: Option<u32>,
    ) -> ApiResult<(Option<Holders>, Option<(u64, u64)>)> {
        let counted = place.filter(|place| held.one_by_one && *place <= FURTHEST);
        let now = self.now();
        let (mut known, total) = self.store.holders(&held.by, now, TOLD.max(counted.unwrap_or(0))).await?;
        let at = counted.and_then(|place| known.get(usize::try_from(place).ok()?.checked_sub(1)?)?.ends_by);
        let by = at.map(|at| (u64::try_from(at.0.saturating_sub(now.0)).unwrap_or(0).div_ceil(1_000), total));
        if total == 0 {
            return Ok((None, None));
        }
        if !principal.may_everywhere() {
            let may = |queue: &QueueName| principal.may_in(queue);
            let named = if held.by.queues.is_empty() { self.queues.names() } else { held.by.queues.clone() };
            let queues: Vec<QueueName> = named.into_iter().filter(may).collect();
            let of = Holding { queues, ..held.by.clone() };
            known = if of.queues.is_empty() { Vec::new() } else { self.store.holders(&of, now, TOLD).await?.0 };
        }
        known.truncate(usize::try_from(TOLD).unwrap_or(usize::MAX));
        Ok((Some(Holders { items: known.into_iter().map(told).collect(), total }), by))
    }
}

fn told(record: HolderRecord) -> Holder {
    Holder {
        task: record.attempt.task,
        name: record.name,
        queue: record.queue,
        user: record.user,
        gpus: record.gpus,
        since: timestamp(record.claimed_at),
        ends_by: record.ends_by.map(timestamp),
    }
}
