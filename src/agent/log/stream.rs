//! The log as the server gets it: the command's output, capped, with a notice wherever bytes are missing.

use super::window::{Room, Window};
use std::{collections::VecDeque, path::PathBuf};

/// The sizes a [`Stream`] goes by, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// What may wait for the server.
    pub(crate) room: Room,
    /// The largest frame.
    pub(crate) frame: usize,
    /// How much of the end survives a log that is too long.
    pub(crate) tail: usize,
    /// The server's limit on the whole log.
    pub(crate) limit: u64,
}

impl Sizes {
    /// The usual sizes under the server's `limit`: 1 MiB of memory, 256 MiB of disk, 1 MiB of tail.
    pub(crate) fn under(limit: u64) -> Self {
        Self { room: Room { memory: 1 << 20, spool: 256 << 20 }, frame: crate::wire::limits::MAX_LOG_FRAME, tail: 1 << 20, limit }
    }
}

/// More than the longest notice needs.
const NOTICE: u64 = 160;

/// What to send next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Bytes from an offset on.
    Bytes(u64, Vec<u8>),
    /// So many bytes from an offset on are gone.
    Gap(u64, u64),
    /// Nothing, for now.
    Nothing,
}

/// The log's stream. Offsets, length and CRC count what the server gets, notices included.
///
/// Nothing here waits: output that has no room is counted, and a notice takes its place once there is room again.
/// When the log comes close to the limit, the newest bytes are kept back and end the log, after a notice of what was
/// left out between.
#[derive(Debug)]
pub(crate) struct Stream {
    window: Window,
    sizes: Sizes,
    crc: u32,
    next: u64,
    /// Bytes of output without room since the last byte taken.
    dropped: u64,
    /// Set once the head is complete.
    tail: Option<Tail>,
    newline: bool,
    closed: bool,
    /// The server wants no more of this log.
    refused: bool,
}

/// The newest bytes of a log that has reached its limit.
#[derive(Debug, Default)]
struct Tail {
    bytes: VecDeque<u8>,
    omitted: u64,
}

impl Stream {
    /// An empty log whose spool will be at `spool`.
    pub(crate) fn new(sizes: Sizes, spool: PathBuf) -> Self {
        Self {
            window: Window::new(sizes.room, spool),
            sizes,
            crc: 0,
            next: 0,
            dropped: 0,
            tail: None,
            newline: true,
            closed: false,
            refused: false,
        }
    }

    /// The length so far.
    pub(crate) fn end(&self) -> u64 {
        self.window.end()
    }

    /// CRC-32C of everything so far.
    pub(crate) fn crc(&self) -> u32 {
        self.crc
    }

    /// Bytes that the server has not acknowledged; 0 where it wants no more.
    pub(crate) fn backlog(&self) -> u64 {
        if self.refused { 0 } else { self.end().saturating_sub(self.next) }
    }

    /// Whether the last byte of the log is known.
    pub(crate) fn closed(&self) -> bool {
        self.closed
    }

    /// Whether the server takes no more of this log.
    pub(crate) fn refused(&self) -> bool {
        self.refused
    }

    /// Whether it is worth asking the server how much it has made durable: all is sent and room is scarce.
    pub(crate) fn wants_release(&self) -> bool {
        !self.refused && self.backlog() == 0 && self.window.base() < self.end() && (self.window.pressed() || self.dropped > 0)
    }

    /// The tail's room: at most half of a small limit.
    fn tail_room(&self) -> u64 {
        (self.sizes.tail as u64).min(self.sizes.limit.saturating_sub(NOTICE) / 2)
    }

    /// Where the head ends at the latest.
    fn head_limit(&self) -> u64 {
        self.sizes.limit.saturating_sub(self.tail_room() + NOTICE)
    }

    /// Takes output of the command.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if let Some(tail) = &mut self.tail {
                // Output that fits the limit after all must survive whole, so the tail holds all that the limit leaves.
                let room = usize::try_from(self.sizes.limit.saturating_sub(self.window.end())).unwrap_or(usize::MAX);
                tail.push(bytes, room.min(self.sizes.tail.saturating_add(usize::try_from(NOTICE).unwrap_or(0))));
                return;
            }
            if self.dropped > 0 && !self.resume() {
                self.dropped += bytes.len() as u64;
                return;
            }
            let head = self.head_limit().saturating_sub(self.end());
            if head == 0 || self.tail.is_some() {
                self.tail.get_or_insert_default();
                continue;
            }
            let fits = usize::try_from(head).unwrap_or(usize::MAX).min(bytes.len());
            let taken = self.append(&bytes[..fits]);
            bytes = &bytes[taken..];
            if taken < fits {
                self.dropped = bytes.len() as u64;
                return;
            }
        }
    }

    /// After a drop: writes the notice if there is room for it and for a good piece of what follows, so that a slow
    /// server does not get a log made of notices.
    fn resume(&mut self) -> bool {
        let good = (self.sizes.room.spool / 4).max(self.sizes.room.memory as u64 / 2);
        if self.window.free() < good.max(NOTICE) {
            return false;
        }
        let text = self.dropped_notice();
        if self.end() + text.len() as u64 > self.head_limit() {
            let omitted = std::mem::take(&mut self.dropped);
            self.tail = Some(Tail { omitted, ..Tail::default() });
            return true;
        }
        self.dropped = 0;
        self.append(text.as_bytes());
        true
    }

    fn dropped_notice(&self) -> String {
        self.line(&format!("{} bytes of output dropped here", self.dropped))
    }

    /// A line of the agent's own, which begins on a line of its own.
    fn line(&self, text: &str) -> String {
        format!("{}[slipway: {text}]\n", if self.newline { "" } else { "\n" })
    }

    fn append(&mut self, bytes: &[u8]) -> usize {
        let taken = self.window.append(bytes);
        self.note(&bytes[..taken]);
        taken
    }

    fn append_coda(&mut self, bytes: &[u8]) {
        self.window.append_coda(bytes);
        self.note(bytes);
    }

    fn note(&mut self, bytes: &[u8]) {
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        if let Some(last) = bytes.last() {
            self.newline = *last == b'\n';
        }
    }

    /// Writes one line of the agent's own, for instance why the command could not be started.
    pub(crate) fn notice(&mut self, text: &str) {
        let line = self.line(text);
        self.push(line.as_bytes());
    }

    /// Ends the log: the notice of what is missing at the end, and the tail.
    pub(crate) fn close(&mut self) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        let left = self.sizes.limit.saturating_sub(self.end());
        if let Some(mut tail) = self.tail.take() {
            if tail.omitted > 0 {
                tail.shrink(usize::try_from(left.saturating_sub(NOTICE).min(self.tail_room())).unwrap_or(0));
                let text = self.line(&format!("{} bytes of output omitted here (log limit {} bytes)", tail.omitted, self.sizes.limit));
                if text.len() as u64 <= left {
                    self.append_coda(text.as_bytes());
                }
            }
            self.append_coda(tail.bytes.make_contiguous());
        } else if self.dropped > 0 {
            let text = self.dropped_notice();
            if text.len() as u64 <= left {
                self.append_coda(text.as_bytes());
            }
        }
    }

    /// The next thing to send.
    pub(crate) fn frame(&self) -> Frame {
        if self.backlog() == 0 {
            return Frame::Nothing;
        }
        match self.window.read(self.next, self.sizes.frame) {
            Some(bytes) if bytes.is_empty() => Frame::Nothing,
            Some(bytes) => Frame::Bytes(self.next, bytes),
            None => Frame::Gap(self.next, self.window.next_kept(self.next) - self.next),
        }
    }

    /// The server's answer: where it wants bytes next, and before which offset it never will again.
    pub(crate) fn acknowledge(&mut self, next: u64, durable: u64) {
        self.next = next.min(self.end());
        self.window.release(durable.min(self.next));
    }

    /// The server wants bytes from another offset on.
    pub(crate) fn rewind(&mut self, next: u64) {
        self.next = next.min(self.end());
    }

    /// The server takes no more of this log, ever.
    pub(crate) fn refuse(&mut self) {
        self.refused = true;
    }
}

impl Tail {
    fn push(&mut self, bytes: &[u8], room: usize) {
        let skipped = bytes.len().saturating_sub(room);
        self.omitted += skipped as u64;
        let bytes = &bytes[skipped..];
        self.shrink(room - bytes.len());
        self.bytes.extend(bytes);
    }

    fn shrink(&mut self, to: usize) {
        let excess = self.bytes.len().saturating_sub(to);
        self.bytes.drain(..excess);
        self.omitted += excess as u64;
    }
}
