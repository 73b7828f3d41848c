//! What is known of an open log. Pure: it decides, others write.

use super::{
    place::Pace,
    tail::Tail,
    types::{AppendError, Extent, Gap, LogKey, MAX_GAPS, MAX_OFFSET, Piece, Progress, Resume, Stint, Synced},
};
use std::time::Duration;

/// After this many rounds of syncing without a new byte, the tail's memory is freed.
const IDLE_ROUNDS: u32 = 60;

/// The state of one open log: `durable <= synced <= next`.
#[derive(Debug)]
pub(super) struct State {
    next: u64,
    synced: u64,
    durable: u64,
    /// Of everything before `next`; none once there is a gap.
    crc: Option<u32>,
    gaps: Vec<Gap>,
    limit: u64,
    tail: Tail,
    /// Whether recorded bytes were found lost, and the record does not say so yet.
    lossy: bool,
    idle_rounds: u32,
    /// Set once: this log is open no more, and whatever still holds it must change nothing.
    gone: bool,
    /// Whose objects hold what, this life's own at the end; empty without an object store.
    stints: Vec<Stint>,
    /// The file holds everything from here on; what lies before is in the object store alone.
    base: u64,
    /// Everything before it is in the object store.
    stored: u64,
    /// When it was seen first that the object store lacks bytes, by the monotonic clock.
    lacking: Option<Duration>,
}

/// Where the bytes of a read are.
pub(super) enum Located {
    /// The answer itself.
    Here(Piece),
    /// This many bytes, in the file.
    InFile(usize),
    /// This many bytes, in the object store.
    Stored(usize),
}

impl State {
    /// Goes on from what is recorded, where the file holds `have` bytes. Recorded bytes that the file has lost become a
    /// gap: a loss is shown, never hidden.
    ///
    /// With `tag` there is an object store. Of what it holds the file is not asked: it may be of an earlier life, after which
    /// another server wrote on. Recorded bytes that it does not hold, from before there was one, go there from the file.
    pub(super) fn resumed(resume: Resume, have: u64, tag: Option<u64>) -> Self {
        let stored = if resume.stints.is_empty() { 0 } else { resume.durable };
        let whole = if stored > 0 { stored } else { have.min(resume.durable) };
        let mut stints = resume.stints;
        stints.retain(|stint| stint.from < stored);
        stints.extend(tag.map(|tag| Stint { from: stored, tag }));
        let mut state = Self {
            next: resume.durable,
            synced: resume.durable,
            durable: resume.durable,
            crc: Some(resume.crc),
            gaps: Vec::new(),
            limit: resume.limit,
            tail: Tail::default(),
            lossy: whole < resume.durable,
            idle_rounds: 0,
            gone: false,
            stints,
            base: stored,
            stored,
            lacking: None,
        };
        for gap in resume.gaps {
            state.note_gap(gap.offset, gap.end().min(whole));
        }
        state.note_gap(whole, resume.durable);
        state
    }

    pub(super) fn progress(&self) -> Progress {
        Progress { next: self.next, durable: self.durable }
    }

    pub(super) fn extent(&self) -> Extent {
        Extent { len: self.next, gaps: self.gaps.clone(), stints: self.stints.clone() }
    }

    /// How many bytes at the end of a frame are new: 0 for a frame that was wholly received before.
    pub(super) fn fresh(&self, offset: u64, len: usize) -> Result<usize, AppendError> {
        let end = self.reach(offset, len as u64)?;
        let fresh = end.saturating_sub(self.next);
        let held = self.next - self.gaps.iter().map(|gap| gap.len).sum::<u64>();
        if fresh > 0 && (held + fresh > self.limit || end > MAX_OFFSET) {
            return Err(AppendError::Full);
        }
        // Not more than `len`, as the frame starts at or before `next`.
        Ok(usize::try_from(fresh).unwrap_or(len))
    }

    /// Takes bytes that are in the file at `next`.
    pub(super) fn extend(&mut self, bytes: &[u8]) -> Result<Progress, AppendError> {
        self.alive()?;
        self.crc = self.crc.map(|crc| crc32c::crc32c_append(crc, bytes));
        self.next += bytes.len() as u64;
        self.tail.push(bytes);
        self.idle_rounds = 0;
        Ok(self.progress())
    }

    /// The offset after a gap, if it may be noted here; none if all of it was passed before.
    pub(super) fn after_gap(&self, offset: u64, len: u64) -> Result<Option<u64>, AppendError> {
        let end = self.reach(offset, len)?;
        if end <= self.next {
            return Ok(None);
        }
        if offset < self.next {
            return Err(AppendError::Offset { next: self.next });
        }
        let joins = self.gaps.last().is_some_and(|gap| gap.end() == offset);
        if end > MAX_OFFSET || (self.gaps.len() >= MAX_GAPS && !joins) {
            return Err(AppendError::Full);
        }
        Ok(Some(end))
    }

    /// Takes a gap from `next` to `end`.
    pub(super) fn skip(&mut self, end: u64) -> Result<Progress, AppendError> {
        self.alive()?;
        self.note_gap(self.next, end);
        self.next = end;
        self.tail.clear();
        self.idle_rounds = 0;
        Ok(self.progress())
    }

    /// Whether there is anything that was not announced yet, be it synced or not: a report whose recording failed comes
    /// again. Counts the rounds without new bytes, and frees the tail of a quiet log.
    pub(super) fn due(&mut self) -> bool {
        self.idle_rounds = self.idle_rounds.saturating_add(1);
        if self.idle_rounds == IDLE_ROUNDS {
            self.tail.clear();
        }
        self.lossy || self.durable < self.next
    }

    /// Whether it is time for what the object store lacks to go there. What is there, but was not announced, is reported at once.
    pub(super) fn lacks(&mut self, now: Duration, pace: Pace) -> bool {
        if self.stored == self.next {
            return true;
        }
        let since = *self.lacking.get_or_insert(now);
        self.next - self.stored >= pace.bytes || now.saturating_sub(since) >= pace.every || self.durable < self.synced
    }

    /// What a sync that begins now will have put on the disk, or into the object store.
    pub(super) fn begin_sync(&self, key: LogKey) -> Option<Synced> {
        self.alive().ok()?;
        Some(Synced { key, durable: self.next, crc: self.crc, gaps: self.gaps.clone(), stints: self.stints.clone() })
    }

    /// From where on the object store lacks bytes, and the tag to give them.
    pub(super) fn to_store(&self) -> Option<(u64, u64)> {
        Some((self.stored, self.stints.last()?.tag))
    }

    /// Takes note that the object store holds everything before `end`.
    pub(super) fn store_to(&mut self, end: u64) {
        self.stored = self.stored.max(end);
        self.lacking = None;
    }

    /// Whether the file holds nothing that the object store lacks.
    pub(super) fn is_stored(&self) -> bool {
        !self.stints.is_empty() && self.stored == self.next
    }

    /// Takes note that a sync which began at `offset` has ended well; whether it still means anything.
    pub(super) fn end_sync(&mut self, offset: u64) -> bool {
        if !self.gone {
            self.synced = self.synced.max(offset);
        }
        !self.gone
    }

    /// Moves the durable offset forward, never beyond what is synced.
    pub(super) fn announce(&mut self, durable: u64) {
        self.durable = self.durable.max(durable.min(self.synced));
        self.lossy = false;
    }

    pub(super) fn locate(&self, offset: u64, max: usize) -> Located {
        match locate(offset, max, self.next, &self.gaps) {
            Located::InFile(len) => match self.tail.slice(self.next, offset, len) {
                Some(bytes) => Located::Here(Piece::Bytes { offset, bytes }),
                None if offset < self.base => Located::Stored(usize::try_from(self.base - offset).map_or(len, |there| there.min(len))),
                None => Located::InFile(len),
            },
            other => other,
        }
    }

    /// Whether the log is open no more. Changes only in the log's turn.
    pub(super) fn is_gone(&self) -> bool {
        self.gone
    }

    /// Marks the log as open no more, once and for all.
    pub(super) fn leave(&mut self) {
        self.gone = true;
        self.tail.clear();
    }

    fn alive(&self) -> Result<(), AppendError> {
        if self.gone { Err(AppendError::NotOpen) } else { Ok(()) }
    }

    /// The end of something at `offset`, which must not start beyond `next`.
    fn reach(&self, offset: u64, len: u64) -> Result<u64, AppendError> {
        self.alive()?;
        if offset > self.next {
            return Err(AppendError::Offset { next: self.next });
        }
        offset.checked_add(len).ok_or(AppendError::Full)
    }

    fn note_gap(&mut self, offset: u64, end: u64) {
        let Some(len) = end.checked_sub(offset).filter(|len| *len > 0) else { return };
        self.crc = None;
        match self.gaps.last_mut() {
            Some(last) if last.end() == offset => last.len += len,
            _ => self.gaps.push(Gap { offset, len }),
        }
    }
}

impl Extent {
    /// Where the bytes at `offset` are, by this record.
    pub(super) fn locate(&self, offset: u64, max: usize) -> Located {
        match locate(offset, max, self.len, &self.gaps) {
            Located::InFile(len) if !self.stints.is_empty() => Located::Stored(len),
            other => other,
        }
    }
}

fn locate(offset: u64, max: usize, len: u64, gaps: &[Gap]) -> Located {
    if offset >= len {
        return Located::Here(Piece::End);
    }
    let mut end = len;
    if let Some(gap) = gaps.get(gaps.partition_point(|gap| gap.end() <= offset)) {
        if gap.offset <= offset {
            return Located::Here(Piece::Gap { offset, len: gap.end().min(len) - offset });
        }
        end = gap.offset.min(len);
    }
    Located::InFile(usize::try_from(end - offset).map_or(max, |there| there.min(max)))
}
