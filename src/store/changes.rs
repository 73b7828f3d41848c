//! What commits changed, for those who wait for it.

use super::tally::Tally;
use crate::domain::TaskId;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};
use tokio::sync::watch;

/// What one commit changed.
pub(super) struct Committed {
    pub(super) newest_event: Option<i64>,
    /// Rules of queues or budgets are among what was written.
    pub(super) rules: bool,
    /// Something fell due that the clockwork serves.
    pub(super) due: bool,
    /// The tasks that it made events of.
    pub(super) tasks: Vec<TaskId>,
    /// The newest of the events that it deleted.
    pub(super) forgotten: Option<i64>,
    /// The uptime that the database holds since; none where nobody knows.
    pub(super) kept_up: Option<i64>,
    pub(super) tally: Tally,
}

/// Wakes those who wait. Register first, then read, then wait: so no change is missed.
#[derive(Clone, Debug)]
pub struct Changes(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    newest_event: watch::Sender<i64>,
    forgotten: AtomicI64,
    terms: watch::Sender<u64>,
    due: watch::Sender<u64>,
    tasks: Mutex<HashMap<TaskId, watch::Sender<u64>>>,
    tally: Mutex<Tally>,
}

impl Changes {
    pub(super) fn at(newest_event: i64, forgotten: i64) -> Self {
        Self(Arc::new(Inner {
            newest_event: watch::Sender::new(newest_event),
            forgotten: AtomicI64::new(forgotten),
            terms: watch::Sender::new(0),
            due: watch::Sender::new(0),
            tasks: Mutex::default(),
            tally: Mutex::default(),
        }))
    }

    /// The id of the newest committed event.
    #[must_use]
    pub fn events(&self) -> watch::Receiver<i64> {
        self.0.newest_event.subscribe()
    }

    /// The newest event that was deleted: a watcher that goes on from before it may have missed some.
    #[must_use]
    pub fn forgotten(&self) -> i64 {
        self.0.forgotten.load(Ordering::Relaxed)
    }

    /// Ticks whenever something outside the store changed what a claim may be given: a queue was applied, a runner registered.
    #[must_use]
    pub fn terms(&self) -> watch::Receiver<u64> {
        self.0.terms.subscribe()
    }

    /// Ticks whenever a commit made something fall due that no time was set for: whoever serves it need not wait for
    /// the next round.
    #[must_use]
    pub fn due(&self) -> watch::Receiver<u64> {
        self.0.due.subscribe()
    }

    /// Ticks whenever something happens to one task. It costs others nothing: a commit wakes only the watchers of the
    /// tasks that it touched.
    #[must_use]
    pub fn task(&self, id: TaskId) -> TaskWatch {
        let mut tasks = self.tasks();
        let receiver = tasks.entry(id).or_insert_with(|| watch::Sender::new(0)).subscribe();
        TaskWatch { id, receiver, changes: self.clone() }
    }

    /// What came and went since the store was opened.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.0.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ticks [`Self::terms`].
    pub fn terms_changed(&self) {
        self.0.terms.send_modify(|n| *n += 1);
    }

    pub(super) fn announce(&self, committed: &Committed) {
        if let Some(id) = committed.newest_event {
            self.0.newest_event.send_replace(id);
        }
        if let Some(id) = committed.forgotten {
            self.0.forgotten.fetch_max(id, Ordering::Relaxed);
        }
        if committed.due {
            self.0.due.send_modify(|n| *n += 1);
        }
        self.0.tally.lock().unwrap_or_else(PoisonError::into_inner).add(&committed.tally);
        let tasks = self.tasks();
        if !tasks.is_empty() {
            for watched in committed.tasks.iter().filter_map(|task| tasks.get(task)) {
                watched.send_modify(|n| *n += 1);
            }
        }
    }

    fn tasks(&self) -> MutexGuard<'_, HashMap<TaskId, watch::Sender<u64>>> {
        self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A watch on one task; dropping it ends it.
#[derive(Debug)]
pub struct TaskWatch {
    id: TaskId,
    receiver: watch::Receiver<u64>,
    changes: Changes,
}

impl TaskWatch {
    /// Waits until something happened to the task since the watch began, or since the last call.
    pub async fn changed(&mut self) {
        // The sender lives in the map for as long as this watch does.
        let _ = self.receiver.changed().await;
    }
}

impl Drop for TaskWatch {
    fn drop(&mut self) {
        let mut tasks = self.changes.tasks();
        if tasks.get(&self.id).is_some_and(|sender| sender.receiver_count() <= 1) {
            tasks.remove(&self.id);
        }
    }
}
