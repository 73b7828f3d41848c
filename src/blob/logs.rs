//! Opening, appending, closing.

use super::{
    blocking,
    disk::Disk,
    lock,
    log::Log,
    parts,
    remote::Remote,
    state::State,
    types::{AppendError, Extent, Head, LogKey, Progress, Resume},
};
use crate::domain::TaskId;
use bytes::Bytes;
use std::{
    collections::HashMap,
    io,
    path::Path,
    sync::{Arc, Mutex},
};
use tokio::sync::{OwnedMutexGuard, watch};

/// How many doors there are; logs that share one only open and close in turn.
const DOORS: usize = 64;

/// All logs of a server. Cheap to clone; all clones are one.
///
/// Every method may be dropped while it waits: what it began is finished or not begun, never half done.
/// File I/O runs on tokio's blocking threads even where it is one write of a few KiB, because a write into the page
/// cache, too, waits for seconds when the kernel throttles dirty pages, and would take a worker with it.
#[derive(Clone)]
pub struct Logs(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) disk: Disk,
    /// Where the bytes are to be kept, if not on the disk.
    pub(super) remote: Option<Remote>,
    open: Mutex<HashMap<LogKey, Arc<Log>>>,
    /// Who may open, close or remove logs of a task. Taken before a log's turn.
    doors: [Arc<tokio::sync::Mutex<()>>; DOORS],
}

impl Logs {
    /// Logs under the directory `root`, which is created when the first log is opened. Only one `Logs` may use it.
    /// With `remote` that is where they are kept, and a file holds no more than what an open log received since it was opened.
    #[must_use]
    pub fn new(root: &Path, remote: Option<Remote>) -> Self {
        let doors = std::array::from_fn(|_| Arc::default());
        Self(Arc::new(Inner { disk: Disk::new(root), remote, open: Mutex::default(), doors }))
    }

    /// The object store, if there is one.
    #[must_use]
    pub fn remote(&self) -> Option<&Remote> {
        self.0.remote.as_ref()
    }

    /// Opens a log, going on from what is recorded of it; an open log stays as it is and `resume` is ignored.
    ///
    /// Bytes beyond `resume.durable` are unverified after a crash: they are cut off. Recorded bytes that the disk has
    /// lost become a gap, which the next sync reports.
    ///
    /// # Errors
    /// The disk's, or an object store holds the log that this server was not given; the log is then not open.
    pub async fn open(&self, key: LogKey, resume: Resume) -> io::Result<Progress> {
        if let Some(progress) = self.progress(key) {
            return Ok(progress);
        }
        let tag = match &self.0.remote {
            Some(remote) => Some(remote.0.tag()),
            None if resume.stints.is_empty() => None,
            None => return Err(not_given()),
        };
        let door = self.0.door(key.attempt.task).await;
        let inner = self.0.clone();
        blocking(move || {
            let _door = door;
            if let Some(log) = inner.get(key) {
                return Ok(log.state().progress());
            }
            let durable = resume.durable;
            let have = inner.disk.prepare(key, durable)?;
            if have < durable && resume.stints.is_empty() {
                tracing::error!(log = %key, durable, have, "recorded log bytes are missing on the disk; they show as a gap");
            }
            let log = Log::new(key, State::resumed(resume, have, tag));
            let progress = log.state().progress();
            lock(&inner.open).insert(key, Arc::new(log));
            Ok(progress)
        })
        .await?
    }

    /// How far an open log has come; none if it is not open.
    #[must_use]
    pub fn progress(&self, key: LogKey) -> Option<Progress> {
        self.0.get(key).map(|log| log.state().progress())
    }

    /// Length and gaps of an open log as they are now, synced or not; none if it is not open.
    #[must_use]
    pub fn extent(&self, key: LogKey) -> Option<Extent> {
        self.0.get(key).map(|log| log.state().extent())
    }

    /// The logs that are open now.
    #[must_use]
    pub fn open_keys(&self) -> Vec<LogKey> {
        lock(&self.0.open).keys().copied().collect()
    }

    /// Takes the bytes at `offset`. Of bytes that were received before, only what is new is taken, so that resending is
    /// harmless; the old part is not compared.
    ///
    /// # Errors
    /// [`AppendError`]; nothing has changed then.
    pub async fn append(&self, key: LogKey, offset: u64, bytes: Bytes, crc32c: u32) -> Result<Progress, AppendError> {
        let log = self.0.get(key).ok_or(AppendError::NotOpen)?;
        if ::crc32c::crc32c(&bytes) != crc32c {
            return Err(AppendError::Checksum);
        }
        let turn = log.turn().await;
        let (at, fresh) = {
            let state = log.state();
            match state.fresh(offset, bytes.len())? {
                0 => return Ok(state.progress()),
                fresh => (state.progress().next, bytes.slice(bytes.len() - fresh..)),
            }
        };
        let inner = self.0.clone();
        blocking(move || {
            let _turn = turn;
            // What a failed write leaves beyond `next` is never read: it is written over, or cut off by the next open.
            inner.disk.write(key, at, &fresh)?;
            let progress = log.state().extend(&fresh)?;
            log.grown(progress.next);
            Ok(progress)
        })
        .await?
    }

    /// Takes note that the `len` bytes from `offset` on are lost. A gap that was noted before is acknowledged again.
    ///
    /// # Errors
    /// [`AppendError`], `Offset` unless the gap starts where the log ends; nothing has changed then.
    pub async fn gap(&self, key: LogKey, offset: u64, len: u64) -> Result<Progress, AppendError> {
        let log = self.0.get(key).ok_or(AppendError::NotOpen)?;
        let turn = log.turn().await;
        let end = {
            let state = log.state();
            match state.after_gap(offset, len)? {
                None => return Ok(state.progress()),
                Some(end) => end,
            }
        };
        let inner = self.0.clone();
        blocking(move || {
            let _turn = turn;
            inner.disk.set_len(key, end)?;
            let progress = log.state().skip(end)?;
            log.grown(progress.next);
            Ok(progress)
        })
        .await?
    }

    /// The growing end of an open log, to wait for; none if it is not open. Where the channel ends without `closed`,
    /// the log was lost to a disk error and may be open again: ask again.
    #[must_use]
    pub fn watch(&self, key: LogKey) -> Option<watch::Receiver<Head>> {
        self.0.get(key).map(|log| log.watch())
    }

    /// Forgets an open log, after a write that is under way; its bytes stay. Sync and record it before: what is not
    /// recorded is cut off should it ever be opened again.
    pub async fn close(&self, key: LogKey) {
        let _door = self.0.door(key.attempt.task).await;
        self.0.close(key).await;
    }

    /// Deletes all logs of a task, open ones too. Repeating it is harmless.
    ///
    /// # Errors
    /// The disk's, and the object store's; some logs may be left.
    pub async fn remove_task(&self, task: TaskId) -> io::Result<()> {
        let door = self.0.door(task).await;
        let open: Vec<_> = lock(&self.0.open).keys().filter(|key| key.attempt.task == task).copied().collect();
        for key in open {
            self.0.close(key).await;
        }
        if let Some(remote) = &self.0.remote {
            remote.0.delete_all(&parts::of_task(task)).await?;
            remote.0.forget(|key| key.attempt.task == task);
        }
        let inner = self.0.clone();
        blocking(move || {
            let _door = door;
            inner.disk.remove_task(task)
        })
        .await?
    }
}

impl Inner {
    pub(super) fn get(&self, key: LogKey) -> Option<Arc<Log>> {
        lock(&self.open).get(&key).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Log>> {
        lock(&self.open).values().cloned().collect()
    }

    /// The object store that a record speaks of.
    pub(super) fn given(&self) -> io::Result<&Remote> {
        self.remote.as_ref().ok_or_else(not_given)
    }

    /// Drops a log that holds its turn, so that nothing is being written when it is opened again.
    pub(super) fn drop_log(&self, log: &Log) {
        log.state().leave();
        lock(&self.open).remove(&log.key);
        self.disk.forget(log.key);
    }

    async fn door(&self, task: TaskId) -> OwnedMutexGuard<()> {
        let index = usize::try_from(task.0.unsigned_abs() % DOORS as u64).unwrap_or(0);
        self.doors[index].clone().lock_owned().await
    }

    /// To be called with the door of the task.
    async fn close(&self, key: LogKey) {
        let Some(log) = self.get(key) else { return };
        // What is on its way to the object store has arrived before anybody deletes it there.
        let _syncing = log.syncing().await;
        let _turn = log.turn().await;
        let stored = log.state().is_stored();
        self.drop_log(&log);
        if stored && let Err(error) = self.disk.remove(key) {
            tracing::error!(log = %key, %error, "the file of a log that the object store holds could not be removed");
        }
        log.end();
    }
}

fn not_given() -> io::Error {
    io::Error::other("it lies in an object store, which this server was not given: set blobs in its file again")
}
