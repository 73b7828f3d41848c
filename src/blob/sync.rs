//! From the page cache to the disk or to the object store, and to the word "durable".

use super::{
    Logs, blocking,
    log::{Log, Turn},
    logs::Inner,
    parts::{self, Part},
    remote::Remote,
    types::{LogKey, SyncError, Synced},
};
use futures::{StreamExt, stream};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// How many logs are synced at once. A disk merges the flushes of a few; more would only hold threads.
const PARALLEL: usize = 8;
/// How many logs go to the object store at once, with so much of each in memory.
const UPLOADS: usize = 16;
const MAX_PART: u64 = 4 << 20;

impl Logs {
    /// Puts every log with bytes that were not announced on the disk and says what is there now. That is **not** yet
    /// durable: record it, then call [`Logs::announce`]. What is not announced is reported again by the next call.
    ///
    /// With an object store that is where they go, each log when enough of it has come or it has waited long enough. Where
    /// the store takes nothing, everything waits for the next call.
    ///
    /// A log that the disk refuses is logged, left out, and not open any more: after a failed sync nobody knows what
    /// the disk holds, so it must be opened again from what is recorded, which makes its agent resend.
    pub async fn sync_dirty(&self) -> Vec<Synced> {
        let timely = |log: &Arc<Log>| match &self.0.remote {
            Some(Remote(remote)) => log.state().lacks(remote.clock.monotonic(), remote.pace),
            None => true,
        };
        self.sync_those(timely).await
    }

    /// [`Logs::sync_dirty`] without waiting for more, for the end of a server.
    pub async fn sync_all(&self) -> Vec<Synced> {
        self.sync_those(|_| true).await
    }

    async fn sync_those(&self, which: impl Fn(&Arc<Log>) -> bool) -> Vec<Synced> {
        let due: Vec<_> = self.0.all().into_iter().filter(|log| log.state().due() && which(log)).collect();
        let away = AtomicBool::new(false);
        stream::iter(due)
            .map(|log| async {
                if away.load(Ordering::Relaxed) {
                    return None;
                }
                let key = log.key;
                match self.sync_one(log).await {
                    Ok(synced) => Some(synced),
                    Err(SyncError::NotOpen) => None,
                    // Told by the store itself, once.
                    Err(SyncError::Away(_)) => {
                        away.store(true, Ordering::Relaxed);
                        None
                    }
                    Err(SyncError::Io(error)) => {
                        tracing::error!(log = %key, %error, "a log could not be synced; its agent has to resend");
                        None
                    }
                }
            })
            .buffer_unordered(if self.0.remote.is_some() { UPLOADS } else { PARALLEL })
            .filter_map(std::future::ready)
            .collect()
            .await
    }

    /// Puts one log on the disk, or into the object store, for the end of its attempt, and says what is there now, even if
    /// nothing is new.
    ///
    /// # Errors
    /// [`SyncError`]; the log is not open then, unless it is `Away`.
    pub async fn sync(&self, key: LogKey) -> Result<Synced, SyncError> {
        let log = self.0.get(key).ok_or(SyncError::NotOpen)?;
        self.sync_one(log).await
    }

    /// Says that `durable` was recorded: from now on [`Progress`](super::Progress) carries it. Never moves back, and
    /// never beyond what was synced since the log was opened. Without effect on a log that is not open.
    pub fn announce(&self, key: LogKey, durable: u64) {
        if let Some(log) = self.0.get(key) {
            log.state().announce(durable);
        }
    }

    async fn sync_one(&self, log: Arc<Log>) -> Result<Synced, SyncError> {
        let syncing = log.syncing().await;
        if let Some(remote) = &self.0.remote {
            return self.store_one(remote, log, syncing).await;
        }
        let inner = self.0.clone();
        blocking(move || {
            let _syncing = syncing;
            let synced = log.state().begin_sync(log.key).ok_or(SyncError::NotOpen)?;
            // A log without a byte has no file.
            let flushed = if synced.durable == 0 { Ok(()) } else { inner.flush(&log) };
            match flushed {
                // Closed or removed meanwhile: what was synced may be gone.
                Ok(()) if !log.state().end_sync(synced.durable) => Err(SyncError::NotOpen),
                Ok(()) => Ok(synced),
                Err(error) => Err(inner.refused(&log, error)),
            }
        })
        .await?
    }

    /// Puts what the object store lacks of a log into it. What is done twice, because it broke off, gives objects that agree.
    async fn store_one(&self, remote: &Remote, log: Arc<Log>, _syncing: Turn) -> Result<Synced, SyncError> {
        let key = log.key;
        let begun = {
            let state = log.state();
            state.begin_sync(key).zip(state.to_store())
        };
        let Some((synced, (from, tag))) = begun else { return Err(SyncError::NotOpen) };
        for (start, end) in parts::pieces(from, synced.durable, &synced.gaps, MAX_PART) {
            let (inner, of) = (self.0.clone(), log.clone());
            let read = move || {
                let len = usize::try_from(end - start).unwrap_or(usize::MAX);
                let bytes = inner.disk.read(key, start, len);
                let whole = bytes.and_then(|bytes| if bytes.len() == len { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) });
                whole.map_err(|error| inner.refused(&of, error))
            };
            let bytes = blocking(read).await??;
            remote.0.put(&Part { start, end, tag }.path(key), bytes.into()).await.map_err(SyncError::Away)?;
            log.state().store_to(end);
        }
        log.state().store_to(synced.durable);
        // Closed or removed meanwhile: nobody asks for it.
        if log.state().end_sync(synced.durable) { Ok(synced) } else { Err(SyncError::NotOpen) }
    }
}

impl Inner {
    /// Gives up a log that the disk refused.
    fn refused(&self, log: &Log, error: io::Error) -> SyncError {
        let _turn = log.blocking_turn();
        if log.state().is_gone() {
            return SyncError::NotOpen;
        }
        self.drop_log(log);
        SyncError::Io(error)
    }

    fn flush(&self, log: &Log) -> io::Result<()> {
        self.disk.sync(log.key)?;
        if !log.named.load(Ordering::Relaxed) {
            self.disk.sync_names(log.key)?;
            log.named.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}
