//! Sending bytes that go with tasks, and fetching them for an attempt.

use super::{Backoff, Client, Error};
use crate::{
    domain::{AttemptRef, Rng, Sha256},
    wire::{ProblemCode, Upload, UploadQuery, UploadRange, limits::MAX_UPLOAD_PIECE},
};
use bytes::Bytes;
use reqwest::{Method, Response};
use std::{io, time::Duration};

/// The longest that one piece may take.
const PIECE: Duration = Duration::from_mins(5);

/// Where the bytes of an upload come from.
pub trait Source {
    /// Reads exactly `len` bytes from `offset` on; they are there.
    ///
    /// # Errors
    /// The disk's.
    fn read(&self, offset: u64, len: usize) -> io::Result<Bytes>;
}

impl Source for Bytes {
    fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.len());
        Ok(self.slice(start..start.saturating_add(len).min(self.len())))
    }
}

impl Source for std::fs::File {
    fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let mut bytes = vec![0; len];
        std::os::unix::fs::FileExt::read_exact_at(self, &mut bytes, offset)?;
        Ok(bytes.into())
    }
}

/// To whom bytes are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sink {
    /// The caller's uploads, which tasks of the caller may name.
    Uploads,
    /// The files that an attempt leaves; the client bears its token.
    Outputs(AttemptRef),
}

impl Sink {
    fn path(self, sha256: &Sha256) -> String {
        match self {
            Self::Uploads => format!("api/v1/uploads/{sha256}"),
            Self::Outputs(of) => format!("api/v1/attempts/{}/{}/outputs/{sha256}", of.task, of.attempt),
        }
    }
}

/// How sending failed.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The server's answer, or none.
    #[error(transparent)]
    Client(#[from] Error),
    /// The bytes could not be read.
    #[error("cannot read what is to be sent: {0}")]
    Read(#[from] io::Error),
}

impl Client {
    /// How far an upload has come.
    pub async fn upload_state(&self, to: Sink, sha256: &Sha256) -> Result<Upload, Error> {
        self.call(Method::GET, &to.path(sha256)).send().await
    }

    /// Sends one piece of an upload.
    pub async fn put_upload(&self, to: Sink, sha256: &Sha256, query: UploadQuery, bytes: Bytes) -> Result<Upload, Error> {
        self.call(Method::PUT, &to.path(sha256)).query(&query).bytes(bytes).timeout(PIECE).send().await
    }

    /// Sends bytes of `size` bytes, from where the server has it. A piece that fails is sent again, `tries` times in a row
    /// at most. `told` hears how many bytes are there.
    ///
    /// # Errors
    /// The last failure.
    pub async fn upload(
        &self,
        (to, sha256): (Sink, &Sha256),
        size: u64,
        source: &(impl Source + Sync),
        rng: &dyn Rng,
        tries: u32,
        mut told: impl FnMut(u64),
    ) -> Result<(), UploadError> {
        let mut backoff = Backoff::new("upload", 60_000, rng).quiet();
        let mut failed = 0;
        let mut at = None;
        loop {
            let step = match at {
                None => self.upload_state(to, sha256).await,
                Some(offset) => {
                    let len = usize::try_from(size - offset).unwrap_or(usize::MAX).min(MAX_UPLOAD_PIECE);
                    self.put_upload(to, sha256, UploadQuery { size, offset }, source.read(offset, len)?).await
                }
            };
            match step {
                Ok(upload) if upload.complete => {
                    told(size);
                    return Ok(());
                }
                Ok(upload) => {
                    failed = 0;
                    backoff.succeeded();
                    told(upload.received);
                    at = Some(upload.received.min(size));
                }
                Err(error) => {
                    failed += 1;
                    // Where it goes on the server knows; a call that got lost may have come through.
                    at = None;
                    let moved = matches!(error.code(), Some(ProblemCode::LogOffset | ProblemCode::Conflict));
                    let refused =
                        matches!(error.code(), Some(ProblemCode::Unauthenticated | ProblemCode::Forbidden)) || error.ends_attempt();
                    if failed >= tries || refused || (error.is_final() && !moved) {
                        return Err(error.into());
                    }
                    tokio::time::sleep(backoff.failed(&error)).await;
                }
            }
        }
    }

    /// The bytes of an upload that an attempt's task names, from `offset` on, as they come.
    pub async fn upload_of_attempt(&self, of: AttemptRef, sha256: &Sha256, offset: u64, limit: Duration) -> Result<Response, Error> {
        let path = format!("api/v1/attempts/{}/{}/uploads/{sha256}", of.task, of.attempt);
        self.call(Method::GET, &path).query(&UploadRange { offset }).timeout(limit).response().await
    }
}
