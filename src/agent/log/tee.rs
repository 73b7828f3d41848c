//! The log once more, for whoever reads the container's own output.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Write},
    os::fd::AsFd,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// The most bytes that wait for a reader.
const ROOM: usize = 256 << 10;
/// The most bytes in one write.
const PIECE: usize = 64 << 10;

/// A copy of the log that holds up nobody: a thread of its own writes it, and what a slow reader leaves no room for is
/// dropped and counted in one notice.
#[derive(Clone, Debug)]
pub(in crate::agent) struct Tee(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    more: Condvar,
    written: Condvar,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<u8>,
    /// Bytes without room since the last byte taken.
    dropped: u64,
    /// Whether the last byte taken ended a line.
    newline: bool,
    /// The thread is at a piece that it took.
    writing: bool,
    /// Nobody reads any more.
    broken: bool,
}

impl Tee {
    /// Begins to write to `out`; `None`, said in the agent's own log, where that cannot be done.
    pub(in crate::agent) fn to(out: impl AsFd) -> Option<Self> {
        let state = State { waiting: VecDeque::new(), dropped: 0, newline: true, writing: false, broken: false };
        let tee = Self(Arc::new(Shared { state: Mutex::new(state), more: Condvar::new(), written: Condvar::new() }));
        let shared = tee.0.clone();
        let begin = || -> io::Result<()> {
            // Past the buffer of the standard library's handle: each piece is a write of its own.
            let out = File::from(out.as_fd().try_clone_to_owned()?);
            thread::Builder::new().name("tee".into()).stack_size(64 << 10).spawn(move || shared.write_to(out))?;
            Ok(())
        };
        begin().inspect_err(|error| tracing::warn!(%error, "the log is not repeated on standard output")).ok().map(|()| tee)
    }

    /// Takes a piece of the log.
    pub(super) fn push(&self, bytes: &[u8]) {
        self.0.state().push(bytes);
        self.0.more.notify_one();
    }

    /// Takes a line of the agent's own, whatever room there is: there are few.
    pub(super) fn notice(&self, text: &str) {
        let mut state = self.0.state();
        if !state.broken {
            state.end();
            let line = state.line(text);
            state.take(line.as_bytes());
        }
        drop(state);
        self.0.more.notify_one();
    }

    /// Waits until everything is written, at most `limit`. It blocks: call it where nothing else is to be done.
    pub(in crate::agent) fn flush(&self, limit: Duration) {
        let mut state = self.0.state();
        state.end();
        self.0.more.notify_one();
        let unwritten = |s: &mut State| !s.broken && (s.writing || !s.waiting.is_empty());
        // Whether it was in time does not matter: whoever waits goes on either way.
        let _ = self.0.written.wait_timeout_while(state, limit, unwritten);
    }
}

impl Shared {
    /// A panic elsewhere leaves the state whole: every change of it is complete before the lock goes.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_to(&self, mut out: impl Write) {
        let mut piece = Vec::with_capacity(PIECE);
        loop {
            let state = self.state();
            let mut state = self.more.wait_while(state, |s| s.waiting.is_empty()).unwrap_or_else(PoisonError::into_inner);
            let length = state.waiting.len().min(PIECE);
            piece.clear();
            piece.extend(state.waiting.drain(..length));
            state.writing = true;
            drop(state);
            let written = out.write_all(&piece);
            let mut state = self.state();
            state.writing = false;
            if written.is_err() {
                state.broken = true;
                state.waiting = VecDeque::new();
            }
            self.written.notify_all();
            if state.broken {
                return;
            }
        }
    }
}

impl State {
    fn push(&mut self, bytes: &[u8]) {
        if self.broken {
            return;
        }
        // After a drop it waits for a good piece of room, so that a slow reader does not get a log made of notices.
        if self.dropped > 0 && self.waiting.len() > ROOM / 2 {
            self.dropped += bytes.len() as u64;
            return;
        }
        self.end();
        let fits = bytes.len().min(ROOM.saturating_sub(self.waiting.len()));
        self.take(&bytes[..fits]);
        self.dropped = (bytes.len() - fits) as u64;
    }

    /// Says what was dropped up to now.
    fn end(&mut self) {
        if self.dropped > 0 {
            let line = self.line(&format!("{} bytes of output not repeated here; the task's log has them", self.dropped));
            self.dropped = 0;
            self.take(line.as_bytes());
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.waiting.extend(bytes);
        self.newline = bytes.last().map_or(self.newline, |last| *last == b'\n');
    }

    fn line(&self, text: &str) -> String {
        format!("{}[slipway: {text}]\n", if self.newline { "" } else { "\n" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_reader_that_stands_still_holds_up_nobody_and_is_told_what_it_missed() {
        let (mut reader, writer) = io::pipe().unwrap();
        let tee = Tee::to(&writer).unwrap();
        drop(writer);
        tee.push(b"begin\n");
        let line = [b"x".repeat(99), b"\n".to_vec()].concat();
        for _ in 0..100_000 {
            tee.push(&line);
        }
        tee.flush(Duration::ZERO);
        tee.notice("the end");
        let thread = thread::spawn(move || {
            let mut text = String::new();
            let mut piece = [0; 4096];
            while !text.ends_with("[slipway: the end]\n") {
                let n = reader.read(&mut piece).unwrap();
                text.push_str(std::str::from_utf8(&piece[..n]).unwrap());
            }
            text
        });
        tee.flush(Duration::from_mins(1));
        let text = thread.join().unwrap();
        assert!(text.starts_with("begin\nxxx"));
        let notices: Vec<_> = text.lines().filter(|l| l.contains("not repeated here")).collect();
        // The pipe may take some on the way, and then there is one notice before that and one after it.
        assert!((1..=2).contains(&notices.len()), "{notices:?}");
        let missed = |notice: &&str| notice.split_whitespace().find_map(|word| word.parse::<usize>().ok()).unwrap();
        let dropped: usize = notices.iter().map(missed).sum();
        let unnoticed = |text: String, notice: &&str| text.replace(&format!("{notice}\n"), "");
        let kept = notices.iter().fold(text.clone(), unnoticed).replace("[slipway: the end]\n", "");
        // A notice begins on a line of its own.
        let extra = kept.len() + dropped - (6 + 100_000 * 100);
        assert!(extra <= notices.len(), "{} bytes and {dropped} dropped", kept.len());
    }

    #[test]
    fn a_reader_that_goes_away_ends_it() {
        let (reader, writer) = io::pipe().unwrap();
        let tee = Tee::to(&writer).unwrap();
        drop(reader);
        tee.push(b"into nothing");
        tee.flush(Duration::from_mins(1));
        tee.push(b"more");
        assert!(tee.0.state().waiting.is_empty());
    }
}
