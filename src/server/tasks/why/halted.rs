//! Reasons that lie with whoever claims: full, behind, or blind.

use super::findings::{Known, quote};
use crate::{
    domain::{Finding, QueueName, Quote, Reason, Resources, RunnerName},
    store::LeaseRecord,
    wire::{Runner, Stuck},
};

/// The runners at work that could carry the queue's tasks.
fn serving<'a>(queue: &QueueName, runners: &'a [Known]) -> impl Iterator<Item = &'a Runner> {
    let serves = |known: &&Known| known.heard && known.serves(queue);
    runners.iter().filter(serves).map(|known| &known.runner)
}

/// What a runner has free for a queue.
pub(super) struct Free {
    pub(super) slots: u32,
    pub(super) gpus: u32,
}

impl Free {
    /// As it said last, less what it has claimed since: no more than its slots leave beside the attempts that it holds. None where it
    /// has not told.
    pub(super) fn of(runner: &Runner, queue: &QueueName) -> Option<Self> {
        let left = runner.slots.saturating_sub(runner.active);
        let told = runner.state.as_ref().and_then(|state| state.room.as_ref());
        match told {
            Some(room) => Some(Self { slots: room.of(queue.as_str()).min(left), gpus: room.gpus }),
            // Whatever it would say, there is no room.
            None => (left == 0).then_some(Self { slots: 0, gpus: 0 }),
        }
    }
}

/// The task asks for more GPUs than any machine that serves its queue has.
pub(super) fn too_large(queue: &QueueName, gpus_needed: u32, machines: &[(RunnerName, u32)]) -> Option<Finding> {
    let (largest, most) = machines.first()?;
    let has = |(runner, gpus): &(RunnerName, u32)| {
        quote(format!("Runner {runner}"), format!("{}, the task needs {gpus_needed}", of_gpus(*gpus)), None)
    };
    let message = format!(
        "The task asks for {}; no runner of the queue {queue} has so many, the largest, {largest}, has {most}",
        of_gpus(gpus_needed)
    );
    Some(
        Finding::new(Reason::NeverFits, message, machines.iter().map(has).collect())
            .hint("Ask for less, or name a queue whose runners have more; what each has: slipway runner ls"),
    )
}

/// `1 GPU`, `2 GPUs`.
fn of_gpus(count: u32) -> String {
    format!("{count} GPU{}", if count == 1 { "" } else { "s" })
}

/// Runners that have no room for a task.
pub(super) struct Full {
    pub(super) finding: Finding,
    pub(super) runners: Vec<RunnerName>,
    /// Whether it is GPUs alone that they lack, and not slots.
    pub(super) of_gpus: bool,
}

/// Every runner that serves the queue is full for a task that needs this; none where one is not, or does not tell.
pub(super) fn full(queue: &QueueName, needs: &Resources, runners: &[Known]) -> Option<Full> {
    let gpus = needs.gpus;
    let (mut quotes, mut names, mut of_gpus) = (Vec::new(), Vec::new(), true);
    for runner in serving(queue, runners) {
        let Free { slots, gpus: free } = Free::of(runner, queue)?;
        let (slots, devices) = (slots == 0, runner.gpus >= gpus && free < gpus);
        if !slots && !devices {
            return None;
        }
        of_gpus &= !slots;
        let said = if slots {
            format!("no room for the queue {queue}, {} of {} slots taken", runner.active, runner.slots)
        } else {
            format!("{free} of {} GPUs are free, the task needs {gpus}", runner.gpus)
        };
        quotes.push(quote(format!("Runner {}", runner.name), said, runner.seen_at));
        names.push(runner.name.clone());
    }
    let message = match quotes.as_slice() {
        [] => return None,
        [one] => format!("{} is full: {}", one.source, one.raw),
        more => format!("All {} runners that serve the queue {queue} are full", more.len()),
    };
    Some(Full { finding: Finding::new(Reason::RunnerAtCapacity, message, quotes), runners: names, of_gpus })
}

/// Runners that serve the queue and do not see their clusters; what holds a task up where no other does.
pub(super) fn blind(queue: &QueueName, runners: &[Known], stuck: &[Stuck]) -> Vec<Finding> {
    let is_blind = |runner: &Runner| stuck.iter().find(|stuck| stuck.code == Reason::RunnerBlind && stuck.runner == runner.name);
    let others = serving(queue, runners).any(|runner| is_blind(runner).is_none());
    let found = serving(queue, runners).filter_map(is_blind).map(finding);
    found.map(|finding| if others { finding.beside() } else { finding }).collect()
}

/// Nothing is claimed from the queue although something is due.
pub(super) fn behind(queue: &QueueName, stuck: &[Stuck]) -> Option<Finding> {
    stuck.iter().find(|stuck| stuck.code == Reason::RunnerBehind && stuck.queue.as_ref() == Some(queue)).map(finding)
}

/// What is stuck about a live attempt: itself, or the runner that holds it.
pub(super) fn of_attempt(lease: &LeaseRecord, stuck: &[Stuck]) -> Vec<Finding> {
    let own = |stuck: &&Stuck| stuck.task == Some(lease.attempt.task) && stuck.attempt == Some(lease.attempt.attempt);
    let held = |stuck: &&Stuck| lease.uid.is_none() && stuck.code == Reason::RunnerBlind && stuck.runner == lease.runner;
    stuck.iter().filter(|stuck| own(stuck) || held(stuck)).map(finding).collect()
}

fn finding(stuck: &Stuck) -> Finding {
    let what = match (&stuck.attempt, &stuck.queue) {
        (Some(attempt), _) => format!("Attempt {attempt}, held by {}", stuck.runner),
        (None, Some(queue)) => format!("Queue {queue}"),
        (None, None) => format!("Runner {}", stuck.runner),
    };
    let quotes = vec![Quote { at: Some(stuck.since), ..Quote::new(what, stuck.message.clone()) }];
    Finding::new(stuck.code, stuck.message.clone(), quotes)
}
