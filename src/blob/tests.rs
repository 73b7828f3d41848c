//! Logs and uploads as the server uses them, in every home that they may have.

mod away;
mod life;
mod moves;
mod random;
mod reads;
mod uploads;

#[path = "../../tests/support/address.rs"]
mod address;
#[path = "../../tests/support/bucket.rs"]
mod bucket;

use super::*;
use crate::domain::{AttemptNumber, AttemptRef, Clock, TaskId, UnixMs};
use bytes::Bytes;
use object_store::{ObjectStore, aws::AmazonS3Builder, local::LocalFileSystem};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Names tests for every home; each is a function that takes one.
macro_rules! in_every_home {
    ($($name:ident),+ $(,)?) => {
        mod disk { $(#[tokio::test] async fn $name() { super::$name(super::Home::disk()).await; })+ }
        in_every_store!($($name),+);
    };
}
/// The same for those with an object store.
macro_rules! in_every_store {
    ($($name:ident),+ $(,)?) => {
        mod shared_directory { $(#[tokio::test] async fn $name() { super::$name(super::Home::shared()).await; })+ }
        mod s3 { $(#[tokio::test] async fn $name() {
            if let Some(home) = super::Home::s3() { super::$name(home).await; }
        })+ }
    };
}
use {in_every_home, in_every_store};

/// Where bytes are kept.
struct Home {
    dir: tempfile::TempDir,
    kind: Kind,
    clock: Arc<Hands>,
    dice: Arc<Dice>,
    place: Place,
}

enum Kind {
    Disk,
    Shared,
    S3(Box<bucket::Bucket>),
}

/// A clock that a test sets.
#[derive(Default)]
struct Hands(AtomicU64);

impl Clock for Hands {
    fn now(&self) -> UnixMs {
        UnixMs(0)
    }
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// No two throws are alike, in any life of a server.
#[derive(Default)]
struct Dice(AtomicU64);

impl crate::domain::Rng for Dice {
    fn fill(&self, bytes: &mut [u8]) {
        let thrown = (self.0.fetch_add(1, Ordering::Relaxed) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        bytes.iter_mut().zip(thrown.to_le_bytes()).for_each(|(byte, thrown)| *byte = thrown);
    }
}

impl Home {
    fn new(dir: tempfile::TempDir, kind: Kind) -> Self {
        // Nothing waits, unless a test wants it to.
        let place = Place { flush_seconds: 0, flush_bytes: 0, ..serde_json::from_str(r#"{"url": "file:///"}"#).unwrap() };
        Self { dir, kind, clock: Arc::default(), dice: Arc::default(), place }
    }

    fn disk() -> Self {
        Self::new(tempfile::tempdir().unwrap(), Kind::Disk)
    }

    fn shared() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("shared")).unwrap();
        Self::new(dir, Kind::Shared)
    }

    fn s3() -> Option<Self> {
        let bucket = bucket::Bucket::start(address::free_address(std::net::Ipv4Addr::LOCALHOST.into()))?;
        Some(Self::new(tempfile::tempdir().unwrap(), Kind::S3(Box::new(bucket))))
    }

    fn store(&self) -> Option<Box<dyn ObjectStore>> {
        match &self.kind {
            Kind::Disk => None,
            Kind::Shared => Some(Box::new(LocalFileSystem::new_with_prefix(self.dir.path().join("shared")).unwrap())),
            Kind::S3(bucket) => {
                let retry = object_store::RetryConfig { max_retries: 0, ..object_store::RetryConfig::default() };
                let builder = AmazonS3Builder::new().with_endpoint(bucket.endpoint()).with_allow_http(true).with_retry(retry);
                let builder =
                    builder.with_bucket_name(bucket::NAME).with_access_key_id(bucket::ACCESS).with_secret_access_key(bucket::SECRET);
                Some(Box::new(builder.build().unwrap()))
            }
        }
    }

    fn remote(&self) -> Option<Remote> {
        Some(Remote::over(self.store()?, "a/prefix", &self.place, self.clock.clone(), self.dice.clone()))
    }

    fn root(&self) -> std::path::PathBuf {
        self.dir.path().join("data")
    }

    /// The logs of a server that begins here, whatever became of the one before.
    fn logs(&self) -> Logs {
        Logs::new(&self.root(), self.remote())
    }

    /// The logs of a server that begins with nothing but the object store.
    fn logs_at(&self, root: &Path) -> Logs {
        Logs::new(root, self.remote())
    }

    /// Logs with one open.
    async fn with_log(&self, limit: u64) -> (Logs, LogKey) {
        let (logs, key) = (self.logs(), key(1_042, 1));
        assert_eq!(logs.open(key, Resume::fresh(limit)).await.unwrap(), Progress { next: 0, durable: 0 });
        (logs, key)
    }
}

/// A directory with one log open.
async fn with_log(limit: u64) -> (Home, Logs, LogKey) {
    let home = Home::disk();
    let (logs, key) = home.with_log(limit).await;
    (home, logs, key)
}

fn key(task: i64, attempt: u32) -> LogKey {
    LogKey { attempt: AttemptRef { task: TaskId(task), attempt: AttemptNumber(attempt) }, member: 0 }
}

/// The stream that every test sends: no two places look alike.
fn source(offset: u64, len: usize) -> Bytes {
    (offset..offset + len as u64).map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect()
}

async fn send(logs: &Logs, key: LogKey, offset: u64, len: usize) -> Result<Progress, AppendError> {
    let bytes = source(offset, len);
    let crc = crc32c::crc32c(&bytes);
    logs.append(key, offset, bytes, crc).await
}

/// To go on from what was recorded.
fn resume(recorded: Synced, limit: u64) -> Resume {
    let Synced { durable, crc, gaps, stints, .. } = recorded;
    Resume { durable, crc: crc.unwrap_or(0), gaps, stints, limit }
}

/// To read what was recorded.
fn extent(recorded: &Synced) -> Extent {
    Extent { len: recorded.durable, gaps: recorded.gaps.clone(), stints: recorded.stints.clone() }
}

/// The source as [`contents`] shows it.
fn whole(len: usize) -> Vec<Option<u8>> {
    source(0, len).iter().map(|byte| Some(*byte)).collect()
}

/// Everything from offset 0 on, lost bytes as `None`.
async fn contents(logs: &Logs, key: LogKey, recorded: &Extent) -> Vec<Option<u8>> {
    let mut all = Vec::new();
    loop {
        let at = all.len() as u64;
        match logs.read(key, at, 10_000, recorded).await.unwrap() {
            Piece::Bytes { offset, bytes } => {
                assert!(offset == at && !bytes.is_empty() && bytes.len() <= 10_000);
                all.extend(bytes.iter().map(|byte| Some(*byte)));
            }
            Piece::Gap { offset, len } => {
                assert!(offset == at && len > 0);
                all.resize(all.len() + usize::try_from(len).unwrap(), None);
            }
            Piece::End => return all,
        }
    }
}
