//! The rest of a log whose attempt has ended: its agent was cut off after its result was stored, for longer than the end waits.
//!
//! State and result stay as they are; only the log, and whether it is complete, may still change.

use crate::{
    blob::Progress,
    domain::AttemptRef,
    server::{error::ApiResult, logs::log_of, state::App},
    store::{AttemptRecord, CompleteLog},
};
use subtle::ConstantTimeEq;

impl AttemptRecord {
    /// Whether the token that its agent has is this one.
    pub(super) fn has_token(&self, token_hash: &[u8; 32]) -> bool {
        self.token_hash.as_deref().is_some_and(|own| own.ct_eq(token_hash).into())
    }
}

impl App {
    /// Whether the bearer may still send of the log of an attempt that has ended.
    pub(super) async fn may_send_late(&self, attempt: AttemptRef, token_hash: &[u8; 32]) -> ApiResult<bool> {
        let ended = self.store.ended_attempt(attempt).await?;
        Ok(ended.is_some_and(|ended| self.is_awaited(&ended) && ended.has_token(token_hash)))
    }

    /// Whether the rest of the log may come.
    pub(super) fn is_awaited(&self, ended: &AttemptRecord) -> bool {
        ended.awaits_log(self.store.uptime().now(), self.settings.times.finish_retry_ms)
    }

    /// Opens the log of an ended attempt where it is not; it continues at what is recorded as durable.
    pub(super) async fn open_late_log(&self, attempt: AttemptRef) -> ApiResult<Progress> {
        let Some(task) = self.store.task(attempt.task).await? else { return Err(self.not_live(attempt).await?) };
        let progress = self.opened_log(log_of(attempt), &task.spec.queue).await?;
        // Whoever removes a task removes its logs first: one of the two sees the other.
        if self.store.ended_attempt(attempt).await?.is_none() {
            self.close_log(attempt).await;
            return Err(self.not_live(attempt).await?);
        }
        Ok(progress)
    }

    /// Completes the log of an ended attempt where it is now the one that the agent describes by length and CRC-32C. Answers
    /// whether nothing more is to come, and how long the log is.
    pub(super) async fn complete_late(&self, attempt: AttemptRef, (bytes, crc): (u64, u32)) -> ApiResult<(bool, u64)> {
        let next = self.open_late_log(attempt).await?.next;
        let Some(whole) = self.whole_log(log_of(attempt), bytes, crc).await? else { return Ok((false, next)) };
        if whole {
            self.store.run(CompleteLog(attempt)).await?;
            tracing::info!(%attempt, bytes, "the rest of a log came after the end");
        }
        self.close_log(attempt).await;
        Ok((true, next))
    }
}
