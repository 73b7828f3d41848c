//! The words of the room. All offsets and lengths are bytes of the raw stream.

use crate::domain::AttemptRef;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::{fmt, io};

/// The most bytes that one read returns (1 MiB).
pub const MAX_READ: usize = 1 << 20;
/// No stream goes beyond this offset, gaps included (1 TiB).
pub const MAX_OFFSET: u64 = 1 << 40;
/// The most gaps in one log; adjacent gaps are one.
pub const MAX_GAPS: usize = 1_000;

/// One log: what one member (pod) of one attempt wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogKey {
    /// The attempt.
    pub attempt: AttemptRef,
    /// Which of its pods; 0 where there is one.
    pub member: u32,
}

impl fmt::Display for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.attempt, self.member)
    }
}

/// Bytes of the stream that nobody has any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// The first lost byte.
    pub offset: u64,
    /// How many are lost; never 0 in what this room returns.
    pub len: u64,
}

impl Gap {
    /// The first byte after the gap.
    #[must_use]
    pub fn end(self) -> u64 {
        self.offset.saturating_add(self.len)
    }
}

/// Whose objects count from an offset on, up to the next stint. Without meaning where the bytes are files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stint {
    /// The first byte.
    pub from: u64,
    /// The writer: a log gets a new one whenever it is opened.
    pub tag: u64,
}

/// What the server recorded about a log, to go on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// The recorded durable offset; 0 for a new log.
    pub durable: u64,
    /// CRC-32C of the stream up to `durable`; without meaning where `gaps` has any.
    pub crc: u32,
    /// The recorded gaps, in order; what lies beyond `durable` is ignored.
    pub gaps: Vec<Gap>,
    /// The recorded stints; empty where no object store holds the log.
    pub stints: Vec<Stint>,
    /// The most bytes that this log may hold, gaps not counted.
    pub limit: u64,
}

impl Resume {
    /// A log that has nothing yet.
    #[must_use]
    pub fn fresh(limit: u64) -> Self {
        Self { durable: 0, crc: 0, gaps: Vec::new(), stints: Vec::new(), limit }
    }
}

/// How far a log has come; `durable <= next`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The offset that is wanted next.
    pub next: u64,
    /// Everything before it survives a crash of the server.
    pub durable: u64,
}

/// What is now on the disk, or in the object store if there is one, for the server to record and then to announce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// The log.
    pub key: LogKey,
    /// Everything before it is there.
    pub durable: u64,
    /// CRC-32C of the stream up to `durable`; none where the stream has a gap, as it can match no more.
    pub crc: Option<u32>,
    /// The gaps before `durable`, in order.
    pub gaps: Vec<Gap>,
    /// Whose objects hold it; empty without an object store.
    pub stints: Vec<Stint>,
}

/// The length and the gaps of a log that is not open, as the server recorded them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extent {
    /// The length of the stream, gaps included.
    pub len: u64,
    /// Its gaps, in order, without overlap.
    pub gaps: Vec<Gap>,
    /// Whose objects hold it; empty where it is a file.
    pub stints: Vec<Stint>,
}

/// The answer to a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// At least one byte, from the offset that was asked for.
    Bytes {
        /// The offset of the first byte.
        offset: u64,
        /// The bytes, at most as many as were asked for.
        bytes: Bytes,
    },
    /// From the offset that was asked for on, `len` bytes are lost; read on at `offset + len`.
    Gap {
        /// The offset that was asked for.
        offset: u64,
        /// How many bytes from there on are lost.
        len: u64,
    },
    /// Nothing there: the end of a closed log, or of an open one for now.
    End,
}

/// The growing end of an open log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Everything before it can be read.
    pub next: u64,
    /// Set once, at the last change: the log grows no more.
    pub closed: bool,
}

/// Why bytes or a gap were not taken. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Bytes before the offset are missing.
    #[error("the log continues at offset {next}")]
    Offset {
        /// The offset that is wanted.
        next: u64,
    },
    /// The bytes do not match their CRC-32C.
    #[error("the bytes do not match their checksum")]
    Checksum,
    /// The log would grow beyond its limit in bytes, gaps or offsets.
    #[error("the log has reached its limit")]
    Full,
    /// The log is not open: open it with what is recorded, then send again from the offset that this returns.
    #[error("the log is not open")]
    NotOpen,
    /// The disk refused.
    #[error("writing a log: {0}")]
    Io(#[from] io::Error),
}

/// Why a log was not synced.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The log is not open.
    #[error("the log is not open")]
    NotOpen,
    /// The disk refused. What it holds beyond the recorded offset is unknown, so the log is not open any more.
    #[error("syncing a log: {0}")]
    Io(#[from] io::Error),
    /// The object store did not take the bytes. The log stays open with all of them; ask again.
    #[error("the object store did not take a log: {0}")]
    Away(io::Error),
}
