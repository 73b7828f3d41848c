//! When each agent was heard last, and what it told then. In memory only: heartbeats force no commit, and after a restart of
//! the server everybody's silence begins anew, since it was ours.

use crate::domain::{AttemptRef, Notes, Progress, Usage};
use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The most heartbeats held open at once; beyond them the answer comes at once.
const MAX_HELD: usize = 2_000;

pub(super) struct Pulses {
    since_up: i64,
    last: Mutex<HashMap<AttemptRef, Pulse>>,
    held: AtomicUsize,
}

/// The last sign of life of an attempt.
#[derive(Default)]
struct Pulse {
    up: i64,
    /// Whether its agent was heard; before that, `up` is when it was about to start.
    heard: bool,
    /// Whether another attempt may follow: nothing that this one says counts any more.
    fenced: bool,
    usage: Option<Box<Usage>>,
    progress: Option<Progress>,
}

impl Pulses {
    pub(super) fn since(up: i64) -> Self {
        Self { since_up: up, last: Mutex::default(), held: AtomicUsize::new(0) }
    }

    /// Records a sign of life at uptime `up` (ms); `false` where it comes too late.
    pub(super) fn beat(&self, attempt: AttemptRef, up: i64) -> bool {
        let mut map = self.map();
        let pulse = map.entry(attempt).or_default();
        if !pulse.fenced {
            (pulse.up, pulse.heard) = (up, true);
        }
        !pulse.fenced
    }

    /// Refuses every later sign of life of an attempt, where none has come since uptime `up` (ms): looked at and done in one step,
    /// so that nobody is answered in between.
    pub(super) fn fence(&self, attempt: AttemptRef, up: i64) -> bool {
        if self.since_up > up {
            return false;
        }
        let mut map = self.map();
        let pulse = map.entry(attempt).or_insert_with(|| Pulse { up: self.since_up, ..Pulse::default() });
        pulse.fenced |= pulse.up <= up;
        pulse.fenced
    }

    /// An attempt is about to start at uptime `up` (ms): until its agent is heard its silence counts from then, not from this server's
    /// start, so that nobody who looks between the commit of its start and its first sign of life takes it for silent.
    pub(super) fn starts(&self, attempt: AttemptRef, up: i64) {
        self.map().entry(attempt).or_insert(Pulse { up, ..Pulse::default() });
    }

    /// Its start was refused: what was not heard is forgotten again.
    pub(super) fn refused(&self, attempt: AttemptRef) {
        let mut map = self.map();
        if map.get(&attempt).is_some_and(|pulse| !pulse.heard) {
            map.remove(&attempt);
        }
    }

    /// Keeps what came with a sign of life; what did not come stays as it was told before.
    pub(super) fn told(&self, attempt: AttemptRef, usage: Option<Usage>, progress: Option<Progress>) {
        if let Some(pulse) = self.map().get_mut(&attempt) {
            pulse.usage = usage.map(Box::new).or(pulse.usage.take());
            pulse.progress = progress.or(pulse.progress.take());
        }
    }

    /// Brings an attempt's notes up to what its heartbeats told.
    pub(super) fn refresh(&self, attempt: AttemptRef, notes: &mut Notes) {
        if let Some(pulse) = self.map().get(&attempt) {
            notes.usage = pulse.usage.as_deref().cloned().or(notes.usage.take());
            notes.progress = pulse.progress.clone().or(notes.progress.take());
        }
    }

    /// Uptime in ms of the last sign of life; where there was none, of its start, or of this server's.
    pub(super) fn last(&self, attempt: AttemptRef) -> i64 {
        self.map().get(&attempt).map_or(self.since_up, |pulse| pulse.up)
    }

    /// Uptime in ms of the last sign of life that this server heard.
    pub(super) fn heard(&self, attempt: AttemptRef) -> Option<i64> {
        self.map().get(&attempt).filter(|pulse| pulse.heard).map(|pulse| pulse.up)
    }

    /// Forgets an attempt that is over.
    pub(super) fn forget(&self, attempt: AttemptRef) {
        self.map().remove(&attempt);
    }

    /// Forgets those not heard since `up`: they are over, or so silent that the server's start says the same.
    pub(super) fn forget_before(&self, up: i64) {
        self.map().retain(|_, pulse| pulse.up >= up);
    }

    /// A place among the heartbeats held open; none where all are taken.
    pub(super) fn hold(&self) -> Option<HeldPlace<'_>> {
        if self.held.fetch_add(1, Ordering::Relaxed) >= MAX_HELD {
            self.held.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(HeldPlace(self))
    }

    fn map(&self) -> MutexGuard<'_, HashMap<AttemptRef, Pulse>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Given back when dropped.
pub(super) struct HeldPlace<'a>(&'a Pulses);

impl Drop for HeldPlace<'_> {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AttemptNumber, TaskId};

    /// Scoreboard, row 19, seed 2567716298: a list that came between the commit of a start and the first sign of life showed the attempt
    /// as silent since the server's start. A cancel at that moment would have ended the task over the head of its agent.
    #[test]
    fn an_attempt_that_is_about_to_start_is_not_silent_since_the_servers_start() {
        let (pulses, attempt) = (Pulses::since(1_000), AttemptRef { task: TaskId(60), attempt: AttemptNumber(2) });
        assert_eq!((pulses.last(attempt), pulses.heard(attempt)), (1_000, None));
        pulses.starts(attempt, 50_000);
        assert_eq!((pulses.last(attempt), pulses.heard(attempt)), (50_000, None));
        pulses.beat(attempt, 50_020);
        // Another start of it, which is refused, changes nothing.
        pulses.starts(attempt, 60_000);
        pulses.refused(attempt);
        assert_eq!((pulses.last(attempt), pulses.heard(attempt)), (50_020, Some(50_020)));
        let other = AttemptRef { task: TaskId(61), ..attempt };
        pulses.starts(other, 60_000);
        pulses.refused(other);
        assert_eq!(pulses.last(other), 1_000);
    }
}
