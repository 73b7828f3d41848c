//! Reading, of open and of closed logs.

use super::{
    Logs, blocking, parts,
    remote::Remote,
    state::Located,
    types::{Extent, LogKey, MAX_READ, Piece, Stint},
};
use std::io::{self, ErrorKind};

impl Logs {
    /// Up to `max` bytes (at least 1, at most [`MAX_READ`]) from `offset` on, or the gap or the end that is there.
    ///
    /// An open log speaks for itself and `recorded` is ignored; for one that is not open, `recorded` says where it ends
    /// and which gaps it has, and bytes of it that the disk or the object store has lost read as a gap. One read touches only the bytes that
    /// it returns, whatever the log's length; the newest 256 KiB of an open log come from memory.
    ///
    /// # Errors
    /// The disk's, and the object store's; also where an object store holds the log that this server was not given.
    pub async fn read(&self, key: LogKey, offset: u64, max: usize, recorded: &Extent) -> io::Result<Piece> {
        let max = max.clamp(1, MAX_READ);
        let open = self.0.get(key);
        let located = match &open {
            Some(log) => log.state().locate(offset, max),
            None => recorded.locate(offset, max),
        };
        let len = match located {
            Located::Here(piece) => return Ok(piece),
            Located::InFile(len) => len,
            Located::Stored(len) => {
                let stints = open.as_ref().map_or_else(|| recorded.stints.clone(), |log| log.state().extent().stints);
                return self.0.given()?.read(key, offset, len, &stints).await;
            }
        };
        let inner = self.0.clone();
        let bytes = blocking(move || inner.disk.read(key, offset, len)).await??;
        Ok(match (bytes.is_empty(), open) {
            (false, _) => Piece::Bytes { offset, bytes: bytes.into() },
            // Cut off since we looked: it will come again.
            (true, Some(_)) => Piece::End,
            (true, None) => Piece::Gap { offset, len: len as u64 },
        })
    }
}

impl Remote {
    /// Up to `len` bytes, at least one, or the gap that is there where an object is lost.
    async fn read(&self, key: LogKey, offset: u64, len: usize, stints: &[Stint]) -> io::Result<Piece> {
        let end = offset + len as u64;
        let mut go_on = None;
        // What is known of the objects may be old: before a loss is told, they are listed anew.
        for fresh in [false, true] {
            let known = self.0.parts(key, fresh).await?;
            let Some((part, until)) = parts::find(&known, stints, offset) else {
                go_on = parts::after(&known, stints, offset);
                continue;
            };
            match self.0.get(&part.path(key), offset - part.start..until.min(end) - part.start).await {
                Ok(bytes) if !bytes.is_empty() => return Ok(Piece::Bytes { offset, bytes }),
                Ok(_) => go_on = Some(until),
                Err(error) if error.kind() == ErrorKind::NotFound => go_on = Some(until),
                Err(error) => return Err(error),
            }
        }
        tracing::error!(log = %key, offset, "recorded log bytes are missing in the object store; they show as a gap");
        Ok(Piece::Gap { offset, len: go_on.map_or(end, |next| next.min(end)) - offset })
    }
}
