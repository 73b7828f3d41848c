//! Logs between agents, files and the database: what is on disk is recorded, and only what is recorded is announced.

use super::{error::ApiResult, state::App};
use crate::{
    blob::{Extent, Gap, LogKey, Progress, Resume, Stint, SyncError, Synced},
    domain::{AttemptRef, QueueName},
    store::{LeaseRecord, LogMark, MarkLogs, Settle, StoreError},
    wire::ProblemCode,
};
use futures::future::join_all;

/// Room beyond a queue's log limit for notices that the agent puts in.
const NOTICE_ROOM: u64 = 64 << 10;

/// The one log of an attempt with one pod.
pub(super) fn log_of(attempt: AttemptRef) -> LogKey {
    LogKey { attempt, member: 0 }
}

fn mark(synced: &Synced) -> LogMark {
    LogMark {
        attempt: synced.key.attempt,
        member: synced.key.member,
        durable: synced.durable,
        crc: synced.crc,
        gaps: synced.gaps.iter().map(|g| (g.offset, g.len)).collect(),
        stints: synced.stints.iter().map(|s| (s.from, s.tag)).collect(),
    }
}

fn gaps(mark: &LogMark) -> Vec<Gap> {
    mark.gaps.iter().map(|&(offset, len)| Gap { offset, len }).collect()
}

fn stints(mark: &LogMark) -> Vec<Stint> {
    mark.stints.iter().map(|&(from, tag)| Stint { from, tag }).collect()
}

impl App {
    /// Opens the log of a live attempt where it is not; it continues at what is recorded as durable.
    pub(super) async fn open_log(&self, lease: &LeaseRecord, member: u32) -> ApiResult<Progress> {
        let key = LogKey { attempt: lease.attempt, member };
        if let Some(progress) = self.logs.progress(key) {
            return Ok(progress);
        }
        let progress = self.opened_log(key, &lease.queue).await?;
        // Whoever ends an attempt closes its log after the commit. Looking once more after opening means that one of
        // the two sees the other, so no log of a dead attempt stays open.
        if self.store.lease(lease.attempt.task).await?.is_none_or(|now| now.attempt != lease.attempt) {
            self.close_log(lease.attempt).await;
            return Err(self.not_live(lease.attempt).await?);
        }
        Ok(progress)
    }

    /// The log, open, under the limit of a queue. Whether it may be open the caller looks at afterwards.
    pub(super) async fn opened_log(&self, key: LogKey, queue: &QueueName) -> ApiResult<Progress> {
        let limit = self.queues.log_limit(queue).saturating_add(NOTICE_ROOM);
        let resume = match self.store.log_mark(key.attempt, key.member).await? {
            Some(mark) => Resume { durable: mark.durable, crc: mark.crc.unwrap_or(0), gaps: gaps(&mark), stints: stints(&mark), limit },
            None => Resume::fresh(limit),
        };
        Ok(self.logs.open(key, resume).await?)
    }

    /// Closes the logs of attempts that are over: of those whose end was committed and whose caller hung up before the
    /// log was closed.
    pub(super) async fn close_dead_logs(&self) -> Result<(), StoreError> {
        for key in self.logs.open_keys() {
            if self.store.lease(key.attempt.task).await?.is_none_or(|now| now.attempt != key.attempt) {
                self.close_log(key.attempt).await;
            }
        }
        Ok(())
    }

    /// Length and gaps of a log as recorded, for reading it when it is not open.
    pub(super) async fn extent(&self, key: LogKey) -> ApiResult<Extent> {
        let mark = self.store.log_mark(key.attempt, key.member).await?;
        Ok(mark.map(|m| Extent { len: m.durable, gaps: gaps(&m), stints: stints(&m) }).unwrap_or_default())
    }

    /// One round of syncs over all logs that grew.
    pub(super) async fn sync_logs(&self) {
        let synced = self.logs.sync_dirty().await;
        self.record_logs(&synced).await;
    }

    /// The last one, which waits for nothing.
    pub(super) async fn sync_all_logs(&self) {
        let synced = self.logs.sync_all().await;
        self.record_logs(&synced).await;
    }

    async fn record_logs(&self, synced: &[Synced]) {
        if synced.is_empty() {
            return;
        }
        crate::crash_point!("server.synced");
        match self.store.run(MarkLogs(synced.iter().map(mark).collect())).await {
            Ok(()) => synced.iter().for_each(|s| self.logs.announce(s.key, s.durable)),
            // They stay dirty for the next round; agents keep what is not announced.
            Err(error) => tracing::error!(%error, "synced logs could not be recorded"),
        }
    }

    /// Makes one log durable now and tells whether it is the one that the agent describes by length and CRC-32C.
    /// `None` while bytes are missing: then more is to come.
    pub(super) async fn whole_log(&self, key: LogKey, bytes: u64, crc: u32) -> ApiResult<Option<bool>> {
        let next = self.logs.progress(key).map_or(0, |p| p.next);
        if next < bytes {
            return Ok(None);
        }
        let synced = match self.logs.sync(key).await {
            Ok(synced) => synced,
            Err(SyncError::NotOpen) => return Ok(None),
            Err(SyncError::Io(error)) => return Err(error.into()),
            // The agent asks again.
            Err(SyncError::Away(_)) => return Err(ProblemCode::Unavailable.into()),
        };
        crate::crash_point!("server.whole");
        self.store.run(MarkLogs(vec![mark(&synced)])).await?;
        crate::crash_point!("server.marked");
        self.logs.announce(key, synced.durable);
        Ok((synced.durable >= bytes).then_some(synced.durable == bytes && synced.crc == Some(crc)))
    }

    /// Whether all of the log that a dead agent left is stored. `None` where the log is not open: then what is recorded of it
    /// is all there is.
    pub(super) async fn left_whole(&self, attempt: AttemptRef, bytes: u64, crc: u32) -> ApiResult<Option<bool>> {
        let key = log_of(attempt);
        if self.logs.progress(key).is_none_or(|p| p.next == 0) {
            return Ok(None);
        }
        Ok(Some(self.whole_log(key, bytes, crc).await?.unwrap_or(false)))
    }

    /// Ends an attempt whose result waited for its log, if that is whole now.
    pub(super) async fn settle_if_whole(&self, lease: &LeaseRecord) -> ApiResult<()> {
        let Some((bytes, crc)) = lease.log.filter(|_| lease.result.is_some()) else { return Ok(()) };
        if let Some(log_complete) = self.whole_log(log_of(lease.attempt), bytes, crc).await? {
            let attempt = lease.attempt;
            self.store.run(Settle { task: attempt.task, attempt: attempt.attempt, log_complete }).await?;
            crate::crash_point!("server.settled");
            self.close_log(attempt).await;
        }
        Ok(())
    }

    /// Closes the log of an attempt that is over, with all that came recorded.
    pub(super) async fn close_log(&self, attempt: AttemptRef) {
        let key = log_of(attempt);
        self.pulses.forget(attempt);
        if self.logs.progress(key).is_none_or(|p| p.durable == p.next) {
            return self.logs.close(key).await;
        }
        match self.logs.sync(key).await {
            Ok(synced) => match self.store.run(MarkLogs(vec![mark(&synced)])).await {
                Ok(()) => self.logs.close(key).await,
                Err(error) => tracing::error!(%error, %attempt, "the end of a log could not be recorded"),
            },
            Err(error) => tracing::error!(%error, %attempt, "the end of a log could not be synced"),
        }
    }

    /// Closes the logs of attempts that ended other than by their agents.
    pub(super) async fn close_logs(&self, attempts: impl IntoIterator<Item = AttemptRef>) {
        join_all(attempts.into_iter().map(|attempt| self.close_log(attempt))).await;
    }
}
