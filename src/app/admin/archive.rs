//! The file of a backup: a tar archive, so that it can be looked into, of
//!
//! 1. `slipway-backup.json`: [`About`];
//! 2. `slipway.db`: the database as of one moment;
//! 3. `logs/<task>/<attempt>-<member>/<offset>`: the bytes of the logs that it promises, in pieces of at most a mebibyte,
//!    in order. What lies between the pieces of a log is lost;
//! 4. `uploads/<sha256>/<size>/<offset>`: what users sent to go with tasks, in pieces of at most a mebibyte, in order;
//! 5. `sha256`: the SHA-256 of everything before it, so that no part can be missing or damaged unseen.

use crate::{
    blob::LogKey,
    domain::{self, AttemptNumber, AttemptRef, TaskId},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    cell::RefCell,
    io::{self, Read, Write},
    rc::Rc,
};
use tar::{EntryType, Header};

pub(super) const ABOUT: &str = "slipway-backup.json";
pub(super) const DATABASE: &str = "slipway.db";
pub(super) const SUM: &str = "sha256";
/// The format that is written, and the newest that is read.
pub(super) const FORMAT: u32 = 2;
/// What tar counts in.
const BLOCK: usize = 512;

/// What a backup says of itself.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct About {
    pub(super) format: u32,
    /// The version that made it.
    pub(super) version: String,
    /// The installation that it is of.
    pub(super) instance: String,
    /// When, in Unix milliseconds.
    pub(super) made_at: i64,
    /// The object store in which the bytes of logs and uploads stay, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) blobs: Option<String>,
}

/// The name of a piece of a log.
pub(super) fn piece_name(key: LogKey, offset: u64) -> String {
    let AttemptRef { task, attempt } = key.attempt;
    format!("logs/{task}/{attempt}-{}/{offset}", key.member)
}

/// The piece of a log that a name stands for.
pub(super) fn piece_of(name: &str) -> Option<(LogKey, u64)> {
    let mut parts = name.strip_prefix("logs/")?.split('/');
    let task = TaskId(parts.next()?.parse().ok()?);
    let (attempt, member) = parts.next()?.split_once('-')?;
    let attempt = AttemptRef { task, attempt: AttemptNumber(attempt.parse().ok()?) };
    let offset = parts.next()?.parse().ok()?;
    parts.next().is_none().then_some((LogKey { attempt, member: member.parse().ok()? }, offset))
}

/// A piece of an upload: its name, its length, where the piece begins.
pub(super) type UploadPiece = (domain::Sha256, u64, u64);

/// The name of a piece of an upload.
pub(super) fn upload_name((sum, size, offset): &UploadPiece) -> String {
    format!("uploads/{sum}/{size}/{offset}")
}

/// The piece of an upload that a name stands for.
pub(super) fn upload_of(name: &str) -> Option<UploadPiece> {
    let mut parts = name.strip_prefix("uploads/")?.split('/');
    let piece = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next().is_none().then_some(piece)
}

/// Writes the archive and sums it up.
pub(super) struct Writer<W> {
    to: W,
    sum: Sha256,
    made_at: i64,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(to: W, made_at: i64) -> Self {
        Self { to, sum: Sha256::new(), made_at }
    }

    pub(super) fn bytes(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.entry(name, bytes.len() as u64, &mut &*bytes)
    }

    /// Adds what `from` reads, exactly `len` bytes.
    pub(super) fn entry(&mut self, name: &str, len: u64, from: &mut impl Read) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_path(name)?;
        header.set_size(len);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(self.made_at / 1000).unwrap_or(0));
        header.set_entry_type(EntryType::Regular);
        header.set_cksum();
        self.put(header.as_bytes())?;
        let (mut left, mut buffer) = (len, vec![0; 1 << 20]);
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let n = from.read(&mut buffer[..most])?;
            if n == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("{name} is shorter than it was")));
            }
            self.put(&buffer[..n])?;
            left -= n as u64;
        }
        let over = usize::try_from(len % BLOCK as u64).unwrap_or(0);
        self.put(&[0; BLOCK][..(BLOCK - over) % BLOCK])
    }

    /// Adds the sum and the end.
    pub(super) fn finish(mut self) -> io::Result<W> {
        let sum = hex(&self.sum.clone().finalize());
        self.bytes(SUM, sum.as_bytes())?;
        self.put(&[0; 2 * BLOCK])?;
        self.to.flush()?;
        Ok(self.to)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.update(bytes);
        self.to.write_all(bytes)
    }
}

/// Sums up what is read through it, but for the newest block: the header of the entry that holds the sum. Whoever reads and
/// whoever asks for the sum share it.
pub(super) struct Summing<R>(Rc<RefCell<Inner<R>>>);

struct Inner<R> {
    from: R,
    sum: Sha256,
    late: Vec<u8>,
}

impl<R: Read> Summing<R> {
    pub(super) fn new(from: R) -> Self {
        Self(Rc::new(RefCell::new(Inner { from, sum: Sha256::new(), late: Vec::new() })))
    }

    pub(super) fn share(&self) -> Self {
        Self(self.0.clone())
    }

    /// The sum of everything before the newest block.
    pub(super) fn sum(&self) -> String {
        hex(&self.0.borrow().sum.clone().finalize())
    }
}

impl<R: Read> Read for Summing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Inner { from, sum, late } = &mut *self.0.borrow_mut();
        let n = from.read(buffer)?;
        late.extend_from_slice(&buffer[..n]);
        let known = late.len().saturating_sub(BLOCK);
        sum.update(&late[..known]);
        late.drain(..known);
        Ok(n)
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_summed_up() {
        let mut writer = Writer::new(Vec::new(), 1_000);
        let key = LogKey { attempt: AttemptRef { task: TaskId(1042), attempt: AttemptNumber(2) }, member: 0 };
        for (name, len) in [(ABOUT.to_owned(), 0), (DATABASE.to_owned(), 1), (piece_name(key, 4096), 512), (piece_name(key, 1 << 30), 700)]
        {
            writer.bytes(&name, &vec![7; len]).unwrap();
        }
        let written = writer.finish().unwrap();
        let read = |bytes: &[u8]| {
            let summing = Summing::new(bytes);
            let mut archive = tar::Archive::new(summing.share());
            let mut found = Vec::new();
            for entry in archive.entries()? {
                let mut entry = entry?;
                let name = entry.path()?.display().to_string();
                let sum = summing.sum();
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes)?;
                let right = (name == SUM).then(|| bytes == sum.as_bytes());
                found.push((name, bytes.len(), right));
            }
            Ok::<_, io::Error>(found)
        };
        let found = read(&written).unwrap();
        let told: Vec<_> = found.iter().map(|(name, len, right)| format!("{name} {len} {right:?}")).collect();
        assert_eq!(
            told,
            [
                "slipway-backup.json 0 None",
                "slipway.db 1 None",
                "logs/1042/2-0/4096 512 None",
                "logs/1042/2-0/1073741824 700 None",
                "sha256 64 Some(true)"
            ]
        );
        assert_eq!(piece_of(&found[3].0), Some((key, 1 << 30)));
        let mut damaged = written.clone();
        damaged[1024 + 3] ^= 1;
        assert_eq!(read(&damaged).unwrap().pop().unwrap().2, Some(false));
        for name in ["logs/1/2-0", "logs/1/2/3", "logs/a/2-0/3", "logs/1/2-0/3/4", "log/1/2-0/3"] {
            assert_eq!(piece_of(name), None, "{name}");
            assert_eq!(upload_of(name), None, "{name}");
        }
    }
}
