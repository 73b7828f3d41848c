//! How the queues went of late, in memory: when their tasks started and how long they had waited, and what became of estimates. A new
//! server reads of the newest tasks what its predecessor knew.

use super::state::App;
use crate::{
    domain::{Forecast, QueueName, TaskId, UnixMs, bounded, forecast},
    store::{StartRecord, TaskRecord},
    wire::{Estimates, Waits},
};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How many starts of a queue count for estimates and waits.
const KEPT: usize = 50;
/// How many estimates are kept to be compared with what happened; the oldest tasks' go first.
const ESTIMATES: usize = 10_000;
/// The stretches in which starts are counted, in ms, and how many of them.
const STRETCH_MS: i64 = 900_000;
const STRETCHES: usize = 24;

/// What is known of each queue.
#[derive(Default)]
pub(super) struct Flow(Mutex<Known>);

#[derive(Default)]
struct Known {
    queues: HashMap<QueueName, OfQueue>,
    /// The first estimate that somebody was given of each task that has not started: when half and nine of ten should have.
    told: BTreeMap<TaskId, (UnixMs, UnixMs)>,
}

#[derive(Default)]
struct OfQueue {
    last: Option<UnixMs>,
    /// The pauses between starts while somebody waited, in ms, oldest first.
    gaps: VecDeque<u64>,
    /// How long those waited that started, in ms, oldest first.
    waits: VecDeque<u64>,
    /// How many started, by the number of the stretch since 1970; the newest last.
    starts: VecDeque<(i64, u32)>,
    estimates: Estimates,
}

impl OfQueue {
    /// A task has started for the first time, that could have since `ready`; none where nobody knows.
    fn started(&mut self, ready: Option<UnixMs>, now: UnixMs) {
        let since = |from: UnixMs| u64::try_from(now.0.saturating_sub(from.0)).unwrap_or(0);
        if let Some(ready) = ready {
            push(&mut self.gaps, since(self.last.unwrap_or(ready).max(ready)), KEPT);
            push(&mut self.waits, since(ready), KEPT);
        }
        let stretch = now.0.div_euclid(STRETCH_MS);
        match self.starts.back_mut() {
            // A clock that was set back counts where it was.
            Some((last, count)) if *last >= stretch => *count += 1,
            _ => push(&mut self.starts, (stretch, 1), STRETCHES),
        }
        self.last = Some(now);
    }
}

fn push<T>(to: &mut VecDeque<T>, value: T, most: usize) {
    to.push_back(value);
    if to.len() > most {
        to.pop_front();
    }
}

/// Reads what was known before; without it estimates begin anew.
pub(super) async fn remember(app: App) {
    match app.store.starts().await {
        Ok(starts) => app.flow.remember(&starts),
        Err(error) => tracing::warn!(%error, "the starts of the newest tasks cannot be read; estimates begin anew"),
    }
}

impl Flow {
    /// What was known before this server, oldest first; what it has seen itself by then counts more.
    pub(super) fn remember(&self, starts: &[StartRecord]) {
        let mut known = self.known();
        let mut before: HashMap<&QueueName, OfQueue> = HashMap::new();
        for start in starts {
            before.entry(&start.queue).or_default().started(start.ready_at, start.started_at);
        }
        for (queue, of) in before {
            known.queues.entry(queue.clone()).or_insert(of);
        }
    }

    /// Notes that a task has started for the first time.
    pub(super) fn started(&self, task: &TaskRecord, now: UnixMs) {
        let mut known = self.known();
        let told = known.told.remove(&task.id);
        let of = known.queues.entry(task.spec.queue.clone()).or_default();
        of.started(ready(task), now);
        if let Some((p50, p90)) = told {
            of.estimates.told += 1;
            of.estimates.by_p50 += u64::from(now <= p50);
            of.estimates.by_p90 += u64::from(now <= p90);
        }
    }

    /// When the task at this place of its queue will start. `by`: in how many seconds enough places are free at the latest, and how
    /// many hold them.
    pub(super) fn forecast(&self, task: &TaskRecord, index: u32, by: Option<(u64, u64)>, now: UnixMs) -> Option<Forecast> {
        let mut known = self.known();
        let from_history = known.queues.get(&task.spec.queue).and_then(|of| {
            let since = of.last.unwrap_or(task.created_at).max(task.created_at).0;
            let gaps: Vec<u64> = of.gaps.iter().copied().collect();
            forecast(&gaps, index, u64::try_from(now.0.saturating_sub(since)).unwrap_or(0))
        });
        let made = bounded(from_history, by)?;
        if let (Some(p50), Some(p90)) = (made.p50_seconds, made.p90_seconds) {
            let at = |seconds: u64| UnixMs(now.0.saturating_add(i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX)));
            known.told.entry(task.id).or_insert((at(p50), at(p90)));
            if known.told.len() > ESTIMATES {
                known.told.pop_first();
            }
        }
        Some(made)
    }

    /// How long the last of a queue's tasks waited that started, in seconds; none where none has.
    pub(super) fn waits(&self, queue: &QueueName) -> Option<Waits> {
        let mut waits: Vec<u64> = self.known().queues.get(queue)?.waits.iter().copied().collect();
        waits.sort_unstable();
        let at = |percent: usize| waits.get((waits.len() * percent).div_ceil(100).saturating_sub(1)).map(|ms| ms.div_ceil(1_000));
        Some(Waits { p50_seconds: at(50)?, p90_seconds: at(90)?, of: u32::try_from(waits.len()).unwrap_or(u32::MAX) })
    }

    /// How many of a queue's tasks started in each quarter of an hour of the last six hours, the present one last.
    pub(super) fn starts(&self, queue: &QueueName, now: UnixMs) -> Vec<u32> {
        let known = self.known();
        let of = known.queues.get(queue);
        let last = now.0.div_euclid(STRETCH_MS);
        let count = |stretch: i64| of.and_then(|of| of.starts.iter().find(|(at, _)| *at == stretch)).map_or(0, |(_, count)| *count);
        let back = i64::try_from(STRETCHES).unwrap_or(0);
        (last - back + 1..=last).map(count).collect()
    }

    /// What became of the estimates that were given of a queue's tasks; none where none was.
    pub(super) fn estimates(&self, queue: &QueueName) -> Option<Estimates> {
        self.known().queues.get(queue).map(|of| of.estimates).filter(|of| of.told > 0)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Since when a task could have started; none where its record does not tell.
fn ready(task: &TaskRecord) -> Option<UnixMs> {
    let at_once = task.attempt.0 == 1 && task.not_before.is_none() && task.dependencies.is_empty() && task.parent.is_none();
    at_once.then_some(task.created_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn starts_are_counted_for_six_hours_and_waits_for_fifty() {
        let (flow, queue): (_, QueueName) = (Flow::default(), "gpu".parse().unwrap());
        assert_eq!((flow.waits(&queue), flow.starts(&queue, UnixMs(0))), (None, vec![0; STRETCHES]));
        let start = |minutes: i64, waited: i64| StartRecord {
            queue: queue.clone(),
            ready_at: Some(UnixMs(minutes * 60_000 - waited * 1_000)),
            started_at: UnixMs(minutes * 60_000),
        };
        let starts: Vec<StartRecord> = (0..100).map(|n| start(n, n)).collect();
        flow.remember(&starts);
        // The last fifty waited 50 s to 99 s.
        assert_eq!(flow.waits(&queue), Some(Waits { p50_seconds: 74, p90_seconds: 94, of: 50 }));
        let counted = flow.starts(&queue, UnixMs(100 * 60_000));
        assert_eq!((counted.len(), &counted[STRETCHES - 7..]), (STRETCHES, &[15, 15, 15, 15, 15, 15, 10][..]));
        assert_eq!(flow.starts(&queue, UnixMs(100 * 60_000 + 5 * HOUR)).iter().sum::<u32>(), 55, "what is older does not count");
        flow.remember(&[start(500, 0)]);
        assert_eq!(flow.starts(&queue, UnixMs(500 * 60_000)).iter().sum::<u32>(), 0, "what this server knows itself stays");
    }
}
