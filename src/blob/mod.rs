//! The bytes of logs and uploads, behind one seam.
//!
//! [`Logs`] keeps one segment per (task, attempt, member). An open segment is a plain file whose offsets are the offsets
//! of the stream; bytes that an agent lost are a hole in it, named by a [`Gap`]. No method shows a path or a file.
//!
//! The second home is an object store ([`Remote`]), where there is one: what is new of an open log goes there every few
//! seconds, a closed log and what [`Uploads`] keeps are there alone (`docs/decisions/0021-object-store.md`).
//!
//! **What is promised.** Three offsets, each at or behind the one before it:
//!
//! 1. `next`: everything before it was received, checked and handed to the operating system; readers see it.
//! 2. synced: everything before it is on the disk, or in the object store ([`Logs::sync_dirty`], [`Logs::sync`]).
//! 3. `durable`: the server has recorded a synced offset in its database and said so ([`Logs::announce`]). Only this
//!    one is told to agents, who drop what lies before it.
//!
//! After a crash nothing beyond the recorded offset is trusted: [`Logs::open`] begins there again and agents resend.
//!
//! **What is not.** The room does not know which attempt is live, how long a log may be kept, or how an interrupted
//! log is to be finished: the server decides those and records [`Extent`]s.

mod disk;
mod files;
mod hold;
mod log;
mod logs;
mod parts;
mod place;
mod read;
mod remote;
mod state;
mod sync;
mod tail;
#[cfg(test)]
mod tests;
mod types;
mod uploads;

pub use hold::{Hold, Removing};
pub use logs::Logs;
pub use place::Place;
pub use remote::{Remote, RemoteError};
pub use types::{
    AppendError, Extent, Gap, Head, LogKey, MAX_GAPS, MAX_OFFSET, MAX_READ, Piece, Progress, Resume, Stint, SyncError, Synced,
};
pub use uploads::{Received, UploadError, Uploads};

use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Takes a lock whose data is whole between any two statements, so that a panic elsewhere cannot have torn it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs file I/O where it may block. The closure runs to its end even if the caller stops waiting, so it must hold the
/// locks that it needs.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
}
