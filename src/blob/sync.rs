//! From the page cache to the disk, and to the word "durable".

use super::{
    Logs, blocking,
    log::Log,
    logs::Inner,
    types::{LogKey, SyncError, Synced},
};
use futures::{StreamExt, stream};
use std::{
    io,
    sync::{Arc, atomic::Ordering},
};

/// How many logs are synced at once. A disk merges the flushes of a few; more would only hold threads.
const PARALLEL: usize = 8;

impl Logs {
    /// Puts every log with bytes that were not announced on the disk and says what is there now. That is **not** yet
    /// durable: record it, then call [`Logs::announce`]. What is not announced is reported again by the next call.
    ///
    /// A log that the disk refuses is logged, left out, and not open any more: after a failed sync nobody knows what
    /// the disk holds, so it must be opened again from what is recorded, which makes its agent resend.
    pub async fn sync_dirty(&self) -> Vec<Synced> {
        let due: Vec<_> = self.0.all().into_iter().filter(|log| log.state().due()).collect();
        stream::iter(due)
            .map(|log| async move {
                let key = log.key;
                match self.sync_one(log).await {
                    Ok(synced) => Some(synced),
                    Err(SyncError::NotOpen) => None,
                    Err(SyncError::Io(error)) => {
                        tracing::error!(log = %key, %error, "a log could not be synced; its agent has to resend");
                        None
                    }
                }
            })
            .buffer_unordered(PARALLEL)
            .filter_map(std::future::ready)
            .collect()
            .await
    }

    /// Puts one log on the disk, for the end of its attempt, and says what is there now, even if nothing is new.
    ///
    /// # Errors
    /// [`SyncError`]; in both cases the log is not open.
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
        let inner = self.0.clone();
        blocking(move || {
            let _syncing = syncing;
            let synced = log.state().begin_sync(log.key).ok_or(SyncError::NotOpen)?;
            match inner.flush(&log) {
                // Closed or removed meanwhile: what was synced may be gone.
                Ok(()) if !log.state().end_sync(synced.durable) => Err(SyncError::NotOpen),
                Ok(()) => Ok(synced),
                Err(error) => {
                    let _turn = log.blocking_turn();
                    if log.state().is_gone() {
                        return Err(SyncError::NotOpen);
                    }
                    inner.drop_log(&log);
                    Err(SyncError::Io(error))
                }
            }
        })
        .await?
    }
}

impl Inner {
    fn flush(&self, log: &Log) -> io::Result<()> {
        self.disk.sync(log.key)?;
        if !log.named.load(Ordering::Relaxed) {
            self.disk.sync_names(log.key)?;
            log.named.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}
