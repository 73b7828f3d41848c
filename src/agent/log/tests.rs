//! The log against a server that forgets, repeats and lags.

use super::{
    stream::{Frame, Sizes, Stream},
    window::Room,
};
use proptest::prelude::*;

/// A server's side of the log.
#[derive(Default)]
struct Store {
    bytes: Vec<u8>,
    durable: usize,
}

impl Store {
    /// Takes one frame; the answer may be lost, then the agent's view stays behind.
    fn take(&mut self, stream: &mut Stream, answered: bool) {
        match stream.frame() {
            Frame::Nothing => return,
            Frame::Gap(offset, length) => panic!("a gap of {length} at {offset} although nothing durable was forgotten"),
            Frame::Bytes(offset, bytes) => {
                let offset = usize::try_from(offset).unwrap();
                if offset > self.bytes.len() {
                    stream.rewind(self.bytes.len() as u64);
                    return;
                }
                let known = (self.bytes.len() - offset).min(bytes.len());
                assert_eq!(self.bytes[offset..offset + known], bytes[..known], "a repeat differs");
                self.bytes.extend_from_slice(&bytes[known..]);
            }
        }
        if answered {
            stream.acknowledge(self.bytes.len() as u64, self.durable as u64);
        }
    }

    /// Loses what was not durable, as a crash does; the agent is told the offset at its next frame.
    fn crash(&mut self) {
        self.bytes.truncate(self.durable);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Push(usize),
    Send(bool),
    Sync,
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (0..700_usize).prop_map(Step::Push),
        6 => any::<bool>().prop_map(Step::Send),
        3 => Just(Step::Sync),
        1 => Just(Step::Crash),
    ];
    prop::collection::vec(step, 0..200)
}

/// Replays `log` against `source`: every notice stands for as many bytes as it says, everything else is there.
fn follow(log: &[u8], source: &[u8]) {
    let (mut log, mut source) = (log, source);
    while !log.is_empty() {
        if let Some(rest) = log.strip_prefix(b"[slipway: ").or_else(|| log.strip_prefix(b"\n[slipway: ")) {
            let end = rest.iter().position(|b| *b == b'\n').unwrap();
            let words = std::str::from_utf8(&rest[..end]).unwrap();
            assert!(words.contains(" bytes of output "), "{words}");
            source = &source[words.split(' ').next().unwrap().parse::<usize>().unwrap()..];
            log = &rest[end + 1..];
        } else {
            assert_eq!(log[0], source[0], "the log departs from its source");
            (log, source) = (&log[1..], &source[1..]);
        }
    }
    assert!(source.is_empty(), "{} bytes are missing without a notice", source.len());
}

fn sizes(limit: u64) -> Sizes {
    Sizes { room: Room { memory: 256, spool: 1_024 }, frame: 100, tail: 300, limit }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_server_gets_the_source_or_a_notice_of_what_is_missing(steps in steps(), limit in prop::sample::select(vec![200, 900, 5_000, 1_000_000])) {
        let dir = tempfile::tempdir().unwrap();
        let mut stream = Stream::new(sizes(limit), dir.path().join("spool"));
        let (mut store, mut source) = (Store::default(), Vec::new());
        for step in steps {
            match step {
                Step::Push(n) => {
                    let piece: Vec<u8> = (0..n).map(|i| b'a' + u8::try_from((source.len() + i) % 23).unwrap()).collect();
                    stream.push(&piece);
                    source.extend(piece);
                }
                Step::Send(answered) => store.take(&mut stream, answered),
                Step::Sync => store.durable = store.bytes.len(),
                Step::Crash => {
                    store.crash();
                    stream.rewind(store.bytes.len() as u64);
                }
            }
            let spool = std::fs::metadata(dir.path().join("spool")).map_or(0, |m| m.len());
            prop_assert!(spool <= 1_024, "the spool outgrew its room: {}", spool);
        }
        stream.close();
        while stream.backlog() > 0 {
            store.take(&mut stream, true);
            store.durable = store.bytes.len();
        }
        prop_assert_eq!(store.bytes.len() as u64, stream.end());
        prop_assert_eq!(crc32c::crc32c(&store.bytes), stream.crc());
        prop_assert!(store.bytes.len() as u64 <= limit, "{} bytes under a limit of {}", store.bytes.len(), limit);
        follow(&store.bytes, &source);
    }
}

#[test]
fn output_within_the_limit_is_never_cut() {
    let dir = tempfile::tempdir().unwrap();
    let mut stream = Stream::new(sizes(1_000), dir.path().join("spool"));
    stream.push(&[b'x'; 600]);
    stream.push(&[b'y'; 400]);
    stream.close();
    assert_eq!(stream.end(), 1_000);
    assert_eq!(stream.crc(), crc32c::crc32c(&[[b'x'; 600].as_slice(), &[b'y'; 400]].concat()));
}

#[test]
fn a_notice_begins_on_a_line_of_its_own() {
    for (before, expected) in [("line\n", "line\n[slipway: why]\n"), ("half", "half\n[slipway: why]\n"), ("", "[slipway: why]\n")] {
        let dir = tempfile::tempdir().unwrap();
        let mut stream = Stream::new(sizes(1_000), dir.path().join("spool"));
        stream.push(before.as_bytes());
        stream.notice("why");
        assert_eq!(stream.frame(), Frame::Bytes(0, expected.as_bytes().to_vec()));
    }
}

#[test]
fn bytes_that_are_gone_become_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let mut stream = Stream::new(sizes(10_000), dir.path().join("spool"));
    stream.push(&[b'x'; 50]);
    stream.acknowledge(50, 50);
    stream.push(b"more");
    stream.rewind(10);
    assert_eq!(stream.frame(), Frame::Gap(10, 40));
    stream.acknowledge(50, 10);
    assert_eq!(stream.frame(), Frame::Bytes(50, b"more".to_vec()));
}

#[test]
fn a_disk_that_fails_costs_output_and_nothing_else() {
    let mut stream = Stream::new(sizes(10_000), "/nonexistent/spool".into());
    stream.push(&[b'x'; 1_000]);
    let mut store = Store::default();
    while stream.backlog() > 0 {
        store.take(&mut stream, true);
        store.durable = store.bytes.len();
    }
    store.take(&mut stream, true);
    stream.acknowledge(stream.end(), stream.end());
    stream.close();
    store.take(&mut stream, true);
    assert!(store.bytes.ends_with(b"x\n[slipway: 744 bytes of output dropped here]\n"));
}
