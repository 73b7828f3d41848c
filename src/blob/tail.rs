//! The newest bytes of an open log, in memory, so that followers cost no disk access.

use bytes::Bytes;
use std::collections::VecDeque;

/// The most bytes that a tail holds.
const CAPACITY: usize = 256 << 10;

/// A window on the end of a stream. It holds copies: a slice of a request's buffer would keep the whole buffer alive,
/// and the memory of a log could not be bounded.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: VecDeque<u8>,
}

impl Tail {
    /// Appends the newest bytes and forgets the oldest beyond the capacity.
    pub(super) fn push(&mut self, new: &[u8]) {
        let new = &new[new.len().saturating_sub(CAPACITY)..];
        let excess = (self.bytes.len() + new.len()).saturating_sub(CAPACITY);
        self.bytes.drain(..excess);
        let wanted = (self.bytes.len() + new.len()).next_power_of_two();
        if self.bytes.capacity() < wanted {
            self.bytes.reserve_exact(wanted - self.bytes.len());
        }
        self.bytes.extend(new);
    }

    /// Forgets everything and frees the memory.
    pub(super) fn clear(&mut self) {
        self.bytes = VecDeque::new();
    }

    /// `len` bytes from `offset` on, where the stream ends at `next`; none if the window starts later than `offset`.
    pub(super) fn slice(&self, next: u64, offset: u64, len: usize) -> Option<Bytes> {
        let back = usize::try_from(next.checked_sub(offset)?).ok()?;
        let start = self.bytes.len().checked_sub(back)?;
        let end = start.checked_add(len).filter(|end| *end <= self.bytes.len())?;
        Some(self.bytes.range(start..end).copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_moves_with_the_stream_and_stays_small() {
        let source: Vec<u8> = (0..CAPACITY + 100_000).map(|i| u8::try_from(i % 251).unwrap()).collect();
        let mut tail = Tail::default();
        let mut next = 0;
        for chunk in source.chunks(7_777) {
            tail.push(chunk);
            next += chunk.len();
            assert!(tail.bytes.capacity() <= CAPACITY, "{}", tail.bytes.capacity());
        }
        let slice = |offset: usize, len| tail.slice(next as u64, offset as u64, len);
        assert_eq!(slice(next - CAPACITY, 10).unwrap(), source[next - CAPACITY..next - CAPACITY + 10]);
        assert_eq!(slice(next - 3, 3).unwrap(), source[next - 3..]);
        assert_eq!(slice(next - CAPACITY - 1, 10), None);
        assert_eq!(slice(next - 3, 4), None);
        assert_eq!(slice(next + 1, 0), None);
    }

    #[test]
    fn a_frame_larger_than_the_window_leaves_its_end() {
        let mut tail = Tail::default();
        tail.push(&vec![1; CAPACITY + 5]);
        tail.push(&[2]);
        assert_eq!(tail.bytes.len(), CAPACITY);
        assert_eq!(tail.slice(100, 99, 1).unwrap()[..], [2]);
        tail.clear();
        assert_eq!(tail.slice(100, 99, 1), None);
    }
}
