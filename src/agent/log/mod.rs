//! The command's output on its way to the server: read at once, kept as long as needed, sent in frames.
//!
//! The command is never held up: what it writes is read immediately into memory, then onto disk, and beyond that it
//! is counted. Bytes are kept until the server says that they are durable. Before all that they pass the
//! [mask](crate::agent::Mask): what is secret is nowhere, and offset, length and checksum count what is left.

mod pump;
mod stream;
mod tee;
mod upload;
mod window;

#[cfg(test)]
mod tests;

pub(super) use pump::pump;
pub(super) use tee::Tee;
pub(super) use upload::upload;

use crate::agent::mask::Mask;
use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use stream::{Sizes, Stream};
use tokio::sync::Notify;

/// The log of one attempt, shared by who reads the command's output and who sends it.
#[derive(Debug)]
pub(super) struct Log {
    stream: Mutex<Stream>,
    tee: Option<Tee>,
    /// What the command's output passes first: stream and tee get what leaves it. Without it nothing is masked.
    mask: Option<Mutex<Mask>>,
    /// After so much silence the mask gives on what it may.
    silence: Duration,
    /// Rung when there is more to send, or when the log is closed.
    more: Notify,
    /// Rung when the server has taken something.
    taken: Notify,
}

impl Log {
    /// An empty log under the server's limit in bytes; what memory cannot hold goes to `spool`, and everything goes to
    /// `tee` too.
    pub(super) fn new(limit: u64, spool: PathBuf, tee: Option<Tee>) -> Self {
        Self {
            stream: Mutex::new(Stream::new(Sizes::under(limit), spool)),
            tee,
            mask: None,
            silence: Duration::MAX,
            more: Notify::new(),
            taken: Notify::new(),
        }
    }

    /// The same log behind a mask, which counts `silence` as a pause.
    pub(super) fn masked_by(self, mask: Mask, silence: Duration) -> Self {
        Self { mask: Some(Mutex::new(mask)), silence, ..self }
    }

    /// A panic elsewhere leaves the stream whole: every change of it is complete before the lock goes.
    fn stream(&self) -> MutexGuard<'_, Stream> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// None where nothing is masked. A panic elsewhere leaves the mask as it was before the piece.
    fn mask(&self) -> Option<MutexGuard<'_, Mask>> {
        self.mask.as_ref().map(|mask| mask.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes output of the command.
    pub(super) fn push(&self, bytes: &[u8]) {
        match self.mask() {
            Some(mut mask) => mask.push(bytes, |bytes| self.keep(bytes)),
            None => self.keep(bytes),
        }
    }

    /// Takes what may show.
    fn keep(&self, bytes: &[u8]) {
        self.stream().push(bytes);
        self.more.notify_one();
        if let Some(tee) = &self.tee {
            tee.push(bytes);
        }
    }

    /// The silence after which [`Log::pause`] has something to give on; none where it has nothing.
    fn patience(&self) -> Option<Duration> {
        self.mask().filter(|mask| mask.waits()).map(|_| self.silence)
    }

    /// The command has been silent for a while.
    fn pause(&self) {
        if let Some(mut mask) = self.mask() {
            mask.pause(|bytes| self.keep(bytes));
        }
    }

    /// A text of the agent's own without the secrets in it.
    pub(super) fn clear(&self, text: &str) -> String {
        self.mask().map_or_else(|| text.to_owned(), |mask| mask.whole(text))
    }

    /// Writes a line of the agent's own.
    pub(super) fn notice(&self, text: &str) {
        let text = &self.clear(text);
        self.stream().notice(text);
        if let Some(tee) = &self.tee {
            tee.notice(text);
        }
        self.more.notify_one();
    }

    /// Ends the log.
    pub(super) fn close(&self) {
        if let Some(mut mask) = self.mask() {
            mask.finish(|bytes| self.keep(bytes));
        }
        self.stream().close();
        self.more.notify_one();
    }

    /// Its length in bytes and its CRC-32C; final once it is closed.
    pub(super) fn sum(&self) -> (u64, u32) {
        let stream = self.stream();
        (stream.end(), stream.crc())
    }

    /// Bytes that the server has not acknowledged.
    pub(super) fn backlog(&self) -> u64 {
        self.stream().backlog()
    }

    /// Whether the server takes no more of it.
    pub(super) fn is_refused(&self) -> bool {
        self.stream().refused()
    }

    /// The server wants bytes from `next` on.
    pub(super) fn rewind(&self, next: u64) {
        self.stream().rewind(next);
        self.more.notify_one();
    }

    /// Waits until everything is sent, at most `limit`.
    pub(super) async fn flushed(&self, limit: Duration) {
        let flushed = async {
            loop {
                let taken = self.taken.notified();
                if self.backlog() == 0 {
                    return;
                }
                taken.await;
            }
        };
        // Whether it was in time does not matter: whoever waits goes on either way.
        let _ = tokio::time::timeout(limit, flushed).await;
    }
}
