//! Reading, of open and of closed logs.

use super::{
    Logs, blocking,
    state::Located,
    types::{Extent, LogKey, MAX_READ, Piece},
};
use std::io;

impl Logs {
    /// Up to `max` bytes (at least 1, at most [`MAX_READ`]) from `offset` on, or the gap or the end that is there.
    ///
    /// An open log speaks for itself and `recorded` is ignored; for one that is not open, `recorded` says where it ends
    /// and which gaps it has, and bytes of it that the disk has lost read as a gap. One read touches only the bytes that
    /// it returns, whatever the log's length; the newest 256 KiB of an open log come from memory.
    ///
    /// # Errors
    /// The disk's.
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
