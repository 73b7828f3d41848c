//! Random lives: whatever agents, syncs and crashes do, readers see the stream and nothing else.

use super::*;
use proptest::prelude::*;

const LIMIT: u64 = 50_000;

#[derive(Clone, Debug)]
enum Op {
    /// Send `len` bytes from `back` bytes before the end on.
    Send {
        back: u64,
        len: usize,
    },
    /// Send from beyond the end.
    Ahead {
        by: u64,
    },
    Gap {
        len: u64,
    },
    /// Sync and record, as the server does.
    Sync,
    Announce,
    /// The server dies and starts again; the disk may hold anything beyond what was synced.
    Crash {
        garbage: usize,
    },
    /// Close in good order and open again.
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (prop_oneof![3 => Just(0), 1 => 0..9_000_u64], 0..6_000_usize).prop_map(|(back, len)| Op::Send { back, len }),
        1 => (1..100_u64).prop_map(|by| Op::Ahead { by }),
        1 => (0..3_000_u64).prop_map(|len| Op::Gap { len }),
        3 => Just(Op::Sync),
        3 => Just(Op::Announce),
        2 => (0..9_000_usize).prop_map(|garbage| Op::Crash { garbage }),
        1 => Just(Op::Reopen),
    ]
}

/// What must be true, kept in the simplest way.
struct Model {
    bytes: Vec<Option<u8>>,
    recorded: Synced,
    progress: Progress,
}

impl Model {
    fn new(key: LogKey) -> Self {
        let recorded = Synced { key, durable: 0, crc: Some(0), gaps: vec![], stints: vec![] };
        Self { bytes: vec![], recorded, progress: Progress { next: 0, durable: 0 } }
    }

    fn next(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn resume(&self) -> Resume {
        resume(self.recorded.clone(), LIMIT)
    }

    fn restart(&mut self) {
        self.bytes.truncate(usize::try_from(self.recorded.durable).unwrap());
        self.progress = Progress { next: self.recorded.durable, durable: self.recorded.durable };
    }

    fn send(&mut self, offset: u64, len: usize) -> bool {
        let from = self.bytes.len();
        let fresh = (usize::try_from(offset).unwrap() + len).saturating_sub(from);
        let fits = self.bytes.iter().flatten().count() + fresh <= usize::try_from(LIMIT).unwrap();
        if fits {
            self.bytes.extend(source(from as u64, fresh).iter().map(|byte| Some(*byte)));
        }
        fits || fresh == 0
    }

    /// The offsets only go forward within a life, and the three keep their order.
    fn check(&mut self, progress: Progress) {
        assert_eq!(progress.next, self.next());
        assert!(progress.durable >= self.progress.durable && progress.durable <= self.recorded.durable);
        self.progress = progress;
    }

    fn check_record(&self) {
        let known = &self.bytes[..usize::try_from(self.recorded.durable).unwrap()];
        let whole: Option<Vec<u8>> = known.iter().copied().collect();
        assert_eq!(self.recorded.crc, whole.map(|bytes| crc32c::crc32c(&bytes)));
    }
}

async fn live(home: &Home, ops: Vec<Op>, task: i64) {
    let (mut logs, key) = (home.logs(), key(task, 1));
    logs.open(key, Resume::fresh(LIMIT)).await.unwrap();
    let mut model = Model::new(key);
    for op in ops {
        match op {
            Op::Send { back, len } => {
                let offset = model.next().saturating_sub(back);
                match send(&logs, key, offset, len).await {
                    Ok(progress) => {
                        assert!(model.send(offset, len));
                        model.check(progress);
                    }
                    Err(AppendError::Full) => assert!(!model.send(offset, len)),
                    Err(error) => panic!("{error}"),
                }
            }
            Op::Ahead { by } => {
                let refused = send(&logs, key, model.next() + by, 10).await;
                assert!(matches!(refused, Err(AppendError::Offset { next }) if next == model.next()));
            }
            Op::Gap { len } => {
                let next = model.next();
                model.bytes.resize(model.bytes.len() + usize::try_from(len).unwrap(), None);
                model.check(logs.gap(key, next, len).await.unwrap());
            }
            Op::Sync => {
                if let Some(synced) = logs.sync_dirty().await.pop() {
                    model.recorded = synced;
                }
                assert_eq!(model.recorded.durable, model.next());
                model.check_record();
            }
            Op::Announce => {
                logs.announce(key, model.recorded.durable);
                model.check(logs.progress(key).unwrap());
                assert_eq!(model.progress.durable, model.recorded.durable);
            }
            Op::Crash { garbage } => {
                logs.0.disk.write(key, model.recorded.durable, &vec![0xEE; garbage]).unwrap();
                logs = home.logs();
                model.restart();
                model.check(logs.open(key, model.resume()).await.unwrap());
            }
            Op::Reopen => {
                model.recorded = logs.sync(key).await.unwrap();
                model.check_record();
                logs.close(key).await;
                model.restart();
                model.check(logs.open(key, model.resume()).await.unwrap());
            }
        }
        assert_eq!(contents(&logs, key, &Extent::default()).await, model.bytes);
    }
    let recorded = extent(&logs.sync(key).await.unwrap());
    logs.close(key).await;
    assert_eq!(contents(&logs, key, &recorded).await, model.bytes);
}

/// Lives of logs in one home, so many of them.
fn lives(home: &Home, cases: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let tasks = std::cell::Cell::new(1_000);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(cases));
    let outcome = runner.run(&prop::collection::vec(op(), 1..40), |ops| {
        tasks.set(tasks.get() + 1);
        runtime.block_on(live(home, ops, tasks.get()));
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn readers_see_the_stream_and_nothing_else() {
    lives(&Home::disk(), 64);
}

#[test]
fn readers_of_a_shared_directory_see_the_same() {
    lives(&Home::shared(), 64);
}

#[test]
fn readers_of_an_object_store_see_the_same() {
    if let Some(home) = Home::s3() {
        lives(&home, 24);
    }
}
