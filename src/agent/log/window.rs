//! The bytes of the log that the server may still ask for: memory first, then a ring on disk.

use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::PathBuf,
};

/// How much a [`Window`] keeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Bytes in memory.
    pub(crate) memory: usize,
    /// Bytes on disk.
    pub(crate) spool: u64,
}

/// A contiguous piece of the log's stream, from the first byte not yet released to the newest.
///
/// It is made of up to three parts in this order: the *front* in memory; the *ring* on disk, used once the front is
/// full and until all of it is released; the *coda* in memory, the last bytes of a closed log, which are always taken.
/// The ring's byte at offset `o` stands at `o % spool` of the file, so the file never outgrows its room however long
/// the server lags behind.
#[derive(Debug)]
pub(crate) struct Window {
    room: Room,
    path: PathBuf,
    base: u64,
    front: VecDeque<u8>,
    front_start: u64,
    ring: Option<Ring>,
    /// Set when the disk failed: from then on there is memory alone.
    broken: bool,
    coda: Vec<u8>,
    coda_start: u64,
}

#[derive(Debug)]
struct Ring {
    file: File,
    start: u64,
    end: u64,
}

impl Window {
    /// An empty window at offset 0, whose spool will be at `path`. The file is made when it is needed.
    pub(crate) fn new(room: Room, path: PathBuf) -> Self {
        Self {
            room,
            path,
            base: 0,
            front: VecDeque::new(),
            front_start: 0,
            ring: None,
            broken: false,
            coda: Vec::new(),
            coda_start: u64::MAX,
        }
    }

    /// The offset of the first byte kept.
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// The offset after the newest byte.
    pub(crate) fn end(&self) -> u64 {
        if self.coda.is_empty() { self.body_end() } else { self.coda_start + self.coda.len() as u64 }
    }

    fn front_end(&self) -> u64 {
        self.front_start + self.front.len() as u64
    }

    fn body_end(&self) -> u64 {
        self.ring.as_ref().map_or(self.front_end(), |ring| ring.end)
    }

    /// How many bytes [`Window::append`] takes now.
    pub(crate) fn free(&self) -> u64 {
        let front = (self.room.memory.saturating_sub(self.front.len())) as u64;
        match &self.ring {
            Some(_) if self.broken => 0,
            Some(ring) => self.room.spool - (ring.end - ring.start.max(self.base)),
            None if self.broken => front,
            None => front + self.room.spool,
        }
    }

    /// Whether the disk is in use or memory is more than half full: the server's progress matters.
    pub(crate) fn pressed(&self) -> bool {
        self.ring.is_some() || self.front.len() > self.room.memory / 2
    }

    /// Appends as many of `bytes` as there is room for and says how many. It never fails: a disk that does not take
    /// bytes is no room.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        if self.ring.is_none() {
            taken = bytes.len().min(self.room.memory.saturating_sub(self.front.len()));
            self.front.extend(&bytes[..taken]);
        }
        if taken < bytes.len() && !self.broken && self.room.spool > 0 {
            match self.spill(&bytes[taken..]) {
                Ok(spilled) => taken += spilled,
                Err(error) => {
                    tracing::warn!(path = %self.path.display(), %error, "the log's spool failed; output beyond memory will be dropped");
                    self.broken = true;
                }
            }
        }
        taken
    }

    fn spill(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let front_end = self.front_end();
        let (room, base) = (self.room.spool, self.base);
        let ring = if let Some(ring) = &mut self.ring {
            ring
        } else {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&self.path)?;
            self.ring.insert(Ring { file, start: front_end, end: front_end })
        };
        let free = room - (ring.end - ring.start.max(base));
        let take = usize::try_from(free).unwrap_or(usize::MAX).min(bytes.len());
        let mut left = &bytes[..take];
        while !left.is_empty() {
            let at = ring.end % room;
            let (now, later) = left.split_at(usize::try_from(room - at).unwrap_or(usize::MAX).min(left.len()));
            ring.file.write_all_at(now, at)?;
            ring.end += now.len() as u64;
            left = later;
        }
        Ok(take)
    }

    /// Appends the last bytes of the log, whatever room there is: the caller bounds them.
    pub(crate) fn append_coda(&mut self, bytes: &[u8]) {
        if self.coda.is_empty() {
            self.coda_start = self.body_end();
        }
        self.coda.extend_from_slice(bytes);
    }

    /// Up to `max` bytes from `offset` on; fewer at the seam of two parts, none at the end. `None` where they are gone.
    pub(crate) fn read(&self, offset: u64, max: usize) -> Option<Vec<u8>> {
        if offset < self.base {
            return None;
        }
        if offset >= self.coda_start {
            let from = usize::try_from(offset - self.coda_start).ok()?.min(self.coda.len());
            return Some(self.coda[from..].iter().copied().take(max).collect());
        }
        if offset < self.front_end() {
            let from = usize::try_from(offset - self.front_start).ok()?;
            let until = (from + max).min(self.front.len());
            return Some(self.front.range(from..until).copied().collect());
        }
        let Some(ring) = &self.ring else { return Some(Vec::new()) };
        let at = offset % self.room.spool;
        let length = (ring.end - offset).min(self.room.spool - at).min(max as u64);
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        match ring.file.read_exact_at(&mut bytes, at) {
            Ok(()) => Some(bytes),
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "the log's spool cannot be read; its bytes are lost");
                None
            }
        }
    }

    /// The first offset at or after `offset` whose bytes are still there, for the length of a gap.
    pub(crate) fn next_kept(&self, offset: u64) -> u64 {
        if offset < self.base {
            self.base
        } else if offset < self.front_end() {
            offset
        } else {
            self.body_end().max(offset)
        }
    }

    /// Forgets everything before `offset`: the server will never ask for it again.
    pub(crate) fn release(&mut self, offset: u64) {
        let offset = offset.min(self.end());
        if offset <= self.base {
            return;
        }
        self.base = offset;
        let from_front = usize::try_from(offset.saturating_sub(self.front_start)).unwrap_or(usize::MAX).min(self.front.len());
        self.front.drain(..from_front);
        self.front_start += from_front as u64;
        if self.ring.as_ref().is_some_and(|ring| offset >= ring.end) {
            // Everything on disk is safe with the server: memory takes over again, and the disk gets its room back.
            self.front_start = self.body_end();
            if let Some(ring) = self.ring.take() {
                let _ = ring.file.set_len(0);
            }
        }
    }
}
