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
    usage: Option<Box<Usage>>,
    progress: Option<Progress>,
}

impl Pulses {
    pub(super) fn since(up: i64) -> Self {
        Self { since_up: up, last: Mutex::default(), held: AtomicUsize::new(0) }
    }

    /// Records a sign of life at uptime `up` (ms).
    pub(super) fn beat(&self, attempt: AttemptRef, up: i64) {
        self.map().entry(attempt).or_default().up = up;
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

    /// Uptime in ms of the last sign of life; of this server's start where there was none.
    pub(super) fn last(&self, attempt: AttemptRef) -> i64 {
        self.heard(attempt).unwrap_or(self.since_up)
    }

    /// Uptime in ms of the last sign of life that this server heard.
    pub(super) fn heard(&self, attempt: AttemptRef) -> Option<i64> {
        self.map().get(&attempt).map(|pulse| pulse.up)
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
