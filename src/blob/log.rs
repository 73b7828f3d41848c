//! One open log.

use super::{
    lock,
    state::State,
    types::{Head, LogKey},
};
use std::sync::{Arc, Mutex, MutexGuard, atomic::AtomicBool};
use tokio::sync::{OwnedMutexGuard, watch};

/// The right to change a log's file; held across the I/O, by the thread that does it.
pub(super) type Turn = OwnedMutexGuard<()>;

pub(super) struct Log {
    pub(super) key: LogKey,
    /// Who may write: one at a time. Taken before `state`.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Who may sync: one at a time, as a write-back error is reported to only one of two.
    syncing: Arc<tokio::sync::Mutex<()>>,
    /// Whether a sync has put the file's name on the disk since the log was opened.
    pub(super) named: AtomicBool,
    /// Never held across I/O, so readers never wait for a writer.
    state: Mutex<State>,
    head: watch::Sender<Head>,
}

impl Log {
    pub(super) fn new(key: LogKey, state: State) -> Self {
        let head = watch::Sender::new(Head { next: state.progress().next, closed: false });
        Self { key, turn: Arc::default(), syncing: Arc::default(), named: AtomicBool::new(false), state: Mutex::new(state), head }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) async fn turn(&self) -> Turn {
        self.turn.clone().lock_owned().await
    }

    /// Like [`Log::turn`], for a thread that may block.
    pub(super) fn blocking_turn(&self) -> Turn {
        self.turn.clone().blocking_lock_owned()
    }

    pub(super) async fn syncing(&self) -> Turn {
        self.syncing.clone().lock_owned().await
    }

    pub(super) fn watch(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    /// Wakes the followers.
    pub(super) fn grown(&self, next: u64) {
        self.head.send_modify(|head| head.next = head.next.max(next));
    }

    /// Tells the followers that there will be no more.
    pub(super) fn end(&self) {
        self.head.send_modify(|head| head.closed = true);
    }
}
