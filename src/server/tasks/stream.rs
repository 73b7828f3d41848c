//! Reading a task's log in order, over its attempts, and waiting for what is still to come.

use super::log::expired;
use crate::{
    blob::{Extent, LogKey, Piece},
    domain::{AttemptNumber, AttemptRef, TaskId, TaskState},
    server::{error::ApiResult, logs::log_of, state::App},
    store::TaskWatch,
};
use bytes::Bytes;
use std::time::Duration;

/// Where reading begins and ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// The attempt; none is the first one when following, else the newest.
    pub(super) attempt: Option<AttemptNumber>,
    /// Read this attempt alone.
    pub(super) only: bool,
    /// The first byte.
    pub(super) offset: u64,
    /// At most so many bytes.
    pub(super) limit: Option<u64>,
    /// Wait for what is to come.
    pub(super) follow: bool,
    /// At most so many bytes in one step.
    pub(super) chunk: usize,
}

/// One step of reading.
pub(super) enum Step {
    /// Bytes of an attempt, or the notice in place of a gap.
    Bytes { attempt: AttemptNumber, offset: u64, next: u64, bytes: Bytes },
    /// All that was asked for has been read. The state of the task.
    End(TaskState),
    /// The server stops; the reader comes back elsewhere.
    Stopped,
}

/// A reader's place in a task's log.
pub(super) struct Reader {
    app: App,
    task: TaskId,
    attempt: AttemptNumber,
    span: Span,
    changes: TaskWatch,
    /// Whether the attempt was known to be over before its end was read: then what was read is all there is.
    over: bool,
}

impl Reader {
    /// A reader at the beginning of its span. The task exists.
    pub(super) fn new(app: App, task: TaskId, newest: AttemptNumber, span: Span) -> Self {
        let changes = app.store.changes().task(task);
        let attempt = span.attempt.unwrap_or(if span.follow { newest.min(AttemptNumber(1)) } else { newest });
        Self { app, task, attempt, span, changes, over: false }
    }

    fn key(&self) -> LogKey {
        log_of(AttemptRef { task: self.task, attempt: self.attempt })
    }

    /// Reads on, waiting where there is nothing yet and the span says so.
    pub(super) async fn step(&mut self) -> ApiResult<Step> {
        loop {
            if self.app.stop().is_cancelled() {
                return Ok(Step::Stopped);
            }
            let grown = self.app.logs.watch(self.key());
            if let Some(step) = self.read().await? {
                return Ok(step);
            }
            let Some(task) = self.app.store.task(self.task).await? else { return Ok(Step::Stopped) };
            let live = task.lease.as_ref().is_some_and(|l| l.attempt.attempt == self.attempt);
            if self.attempt != AttemptNumber::NONE && !live && !self.over {
                // The last bytes may have come between reading and looking: read once more.
                self.over = true;
                continue;
            }
            let more = task.attempt > self.attempt && !self.span.only && self.span.follow;
            if !live && more {
                self.attempt = self.attempt.next();
                self.span.offset = 0;
                self.over = false;
                continue;
            }
            let ended = !live && (self.span.only && self.attempt != AttemptNumber::NONE || task.state.is_terminal());
            if !self.span.follow || ended || self.span.limit == Some(0) {
                return Ok(Step::End(task.state));
            }
            self.wait(grown).await;
        }
    }

    async fn read(&mut self) -> ApiResult<Option<Step>> {
        if self.attempt == AttemptNumber::NONE || self.span.limit == Some(0) {
            return Ok(None);
        }
        let key = self.key();
        let recorded = if self.app.logs.progress(key).is_some() { Extent::default() } else { self.app.extent(key).await? };
        let max = self.span.limit.map_or(self.span.chunk, |left| usize::try_from(left).unwrap_or(usize::MAX).min(self.span.chunk));
        let (offset, next, bytes) = match self.app.logs.read(key, self.span.offset, max, &recorded).await? {
            Piece::End => return Ok(None),
            Piece::Bytes { offset, bytes } => (offset, offset + bytes.len() as u64, bytes),
            Piece::Gap { offset, len } => {
                // Removed while it was read.
                if self.app.store.log_expired(self.task).await? {
                    return Err(expired(self.task));
                }
                (offset, offset + len, Bytes::from(format!("\n[slipway: {len} bytes of output were lost here]\n")))
            }
        };
        self.span.offset = next;
        self.span.limit = self.span.limit.map(|left| left.saturating_sub(next - offset));
        Ok(Some(Step::Bytes { attempt: self.attempt, offset, next, bytes }))
    }

    /// Waits until the log grew, the task changed, or a while has passed: an agent that comes back after a restart of
    /// the server opens its log without either.
    async fn wait(&mut self, grown: Option<tokio::sync::watch::Receiver<crate::blob::Head>>) {
        let patience = Duration::from_millis(self.app.settings.times.log_sync_ms);
        let from = self.span.offset;
        let growth = async {
            match grown {
                Some(mut head) => drop(head.wait_for(|head| head.next > from || head.closed).await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = growth => {}
            () = self.changes.changed() => {}
            () = tokio::time::sleep(patience) => {}
            () = self.app.stop().cancelled() => {}
        }
    }
}
