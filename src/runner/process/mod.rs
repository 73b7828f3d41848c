//! The process runner: every attempt is an agent process on this machine.
//!
//! Its memory is its data directory: `runner-id` (who it is), `runner.lock` (held while it runs) and one directory per
//! attempt under `attempts/`. What it does follows from what it sees there, in `/proc` and at the server, compared by
//! one pure function; so it may be killed at any moment and started again, and agents do not notice.
//!
//! # Guarantees
//! - Two runners never share a data directory.
//! - An attempt's end is reported only after nothing of it lives: its lock is free and no process carries its marker.
//! - A started attempt that is not this directory's is never touched.
//! - Ending the runner ends no attempt.

mod act;
mod attempts;
mod desk;
mod gpus;
mod identity;
mod plan;
mod procs;

pub use gpus::gpu_count;
pub use identity::{Identity, identity};

use super::Refusal;
use crate::{client::Client, domain::Rng, wire::RunnerName};
use std::{
    ffi::OsString,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What a process runner goes by.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name; the server gives it to one data directory at a time.
    pub name: RunnerName,
    /// The data directory's own id, from [`identity`].
    pub instance: Uuid,
    /// The queues it serves; `*` is all.
    pub queues: Vec<String>,
    /// How many attempts it carries at once.
    pub slots: u32,
    /// How many GPUs it hands out, numbered from 0.
    pub gpus: u32,
    /// Its data directory; made if it is not there.
    pub dir: PathBuf,
    /// The program and first arguments that start an agent; the attempt's directory is added.
    pub agent: Vec<OsString>,
    /// The server's address as agents shall call it.
    pub url: String,
    /// The authorities (PEM) that agents trust beside the system's.
    pub ca: Option<String>,
    /// Its version.
    pub version: String,
}

/// Why a process runner ends.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// Another runner uses the data directory.
    #[error("another runner uses {}: give each its own --data-dir", .0.display())]
    Busy(PathBuf),
    /// The server does not work with it.
    #[error(transparent)]
    Server(#[from] Refusal),
    /// The data directory cannot be used.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl RunnerError {
    fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}

/// Takes the data directory. A runner that was killed while it started an agent leaves its lock to the half-made
/// process for a moment, so one refusal means nothing yet.
async fn take(dir: &Path) -> Result<File, RunnerError> {
    for _ in 0..20 {
        match identity::hold(dir) {
            Err(RunnerError::Busy(_)) => tokio::time::sleep(Duration::from_millis(50)).await,
            other => return other,
        }
    }
    identity::hold(dir)
}

/// Claims and carries attempts until `stop`. Agents run on after it and are found again by the next runner of the
/// same data directory.
///
/// # Errors
/// [`RunnerError`] where it cannot begin or go on. A server out of reach is no error: it is tried for ever.
pub async fn run(config: Config, client: Client, rng: Arc<dyn Rng>, stop: CancellationToken) -> Result<(), RunnerError> {
    let lock = take(&config.dir).await?;
    let attempts = attempts::Attempts::open(&config)?;
    let mut desk = desk::Desk::new(config, client, rng, attempts);
    let end = tokio::select! {
        // Every step may be cut anywhere: what was begun is found again in the directory and at the server.
        () = stop.cancelled() => Ok(()),
        end = desk.serve() => end,
    };
    let left = desk.carried();
    if left > 0 {
        tracing::info!(attempts = left, "the runner ends; its attempts run on and are taken up again by the next one");
    }
    drop(lock);
    end
}
