//! How the queues went of late, in memory: the pauses between starts while somebody waited. A new server knows nothing of it, and gives
//! no estimates until it does.

use crate::{
    domain::{Forecast, QueueName, UnixMs, forecast},
    store::TaskRecord,
};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

/// How many starts of a queue count.
const KEPT: usize = 50;

/// What is known of each queue.
#[derive(Default)]
pub(super) struct Flow(Mutex<HashMap<QueueName, OfQueue>>);

#[derive(Default)]
struct OfQueue {
    last: Option<UnixMs>,
    /// In ms, oldest first.
    gaps: VecDeque<u64>,
}

impl Flow {
    /// Notes that a task has started for the first time.
    pub(super) fn started(&self, task: &TaskRecord, now: UnixMs) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = all.entry(task.spec.queue.clone()).or_default();
        if let Some(ready) = ready(task) {
            let from = of.last.unwrap_or(ready).max(ready).0;
            of.gaps.push_back(u64::try_from(now.0.saturating_sub(from)).unwrap_or(0));
            if of.gaps.len() > KEPT {
                of.gaps.pop_front();
            }
        }
        of.last = Some(now);
    }

    /// When the task at this place of its queue will start.
    pub(super) fn forecast(&self, task: &TaskRecord, index: u32, now: UnixMs) -> Option<Forecast> {
        let (gaps, last) = {
            let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let of = all.get(&task.spec.queue)?;
            (of.gaps.iter().copied().collect::<Vec<_>>(), of.last)
        };
        let since = last.unwrap_or(task.created_at).max(task.created_at).0;
        forecast(&gaps, index, u64::try_from(now.0.saturating_sub(since)).unwrap_or(0))
    }
}

/// Since when a task could have started; none where its record does not tell.
fn ready(task: &TaskRecord) -> Option<UnixMs> {
    let at_once = task.attempt.0 == 1 && task.not_before.is_none() && task.dependencies.is_empty() && task.parent.is_none();
    at_once.then_some(task.created_at)
}
