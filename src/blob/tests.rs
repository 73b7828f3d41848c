//! Logs as the server uses them.

mod life;
mod random;
mod reads;

use super::*;
use crate::domain::{AttemptNumber, AttemptRef, TaskId};
use bytes::Bytes;

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

/// A server's directory with one log open.
async fn with_log(limit: u64) -> (tempfile::TempDir, Logs, LogKey) {
    let dir = tempfile::tempdir().unwrap();
    let logs = Logs::new(dir.path());
    let key = key(1_042, 1);
    assert_eq!(logs.open(key, Resume::fresh(limit)).await.unwrap(), Progress { next: 0, durable: 0 });
    (dir, logs, key)
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
