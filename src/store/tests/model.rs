//! Random histories, on the real store and on a plain model of it (`model/reference.rs` for the life of tasks, `model/book.rs`
//! for the order of service). After every batch both must hold the same, and what the tables promise each other must be
//! true.
//!
//! The short form runs with every `cargo test`. The long one takes minutes, so it is asked for:
//! `SLIPWAY_MODEL=SEEDS,STEPS[,FIRST] cargo test --release --lib the_store_does_what_its_model_does -- --nocapture`.

mod book;
mod book_tests;
mod bounds;
mod checks;
mod choices;
mod claims;
mod dice;
mod figures;
mod ops;
mod reference;
mod refine;
mod reserve;
mod rules;

use super::harness::Rig;
use crate::{
    domain::QueueName,
    store::{Claim, KeepUptime},
};
use checks::OPEN;
use dice::Dice;
use figures::Figures;
use futures::future::join_all;
use ops::{Answer, Op};
use reference::Model;
use std::sync::atomic::{AtomicU64, Ordering};

/// Seeds and steps of the short form.
const SHORT: [u64; 3] = [12, 400, 1];

#[test]
fn the_store_does_what_its_model_does() {
    let [seeds, steps, first] = asked().unwrap_or(SHORT);
    let next = AtomicU64::new(first);
    // A few at a time: each waits mostly for its commits.
    let all = std::thread::scope(|scope| {
        let one = || {
            let mut sum = Figures::default();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= first + seeds {
                    return sum;
                }
                sum.add(runtime.block_on(async { History::new(seed).await.run(steps).await }));
            }
        };
        let threads = [(); 4].map(|()| scope.spawn(one));
        let mut all = Figures::default();
        for thread in threads {
            all.add(thread.join().unwrap_or_else(|died| std::panic::resume_unwind(died)));
        }
        all
    });
    all.print();
    all.demand(seeds * steps);
}

#[tokio::test]
async fn a_history_goes_on_wherever_its_database_is_taken() {
    for seed in 1..=3 {
        let figures = History { moves: true, ..History::new(seed).await }.run(200).await;
        assert!(figures.reopenings > 1, "seed {seed} moves {} times", figures.reopenings);
    }
}

/// How much somebody wants to be run.
#[expect(clippy::disallowed_methods, reason = "how long a test runs is its caller's choice")]
fn asked() -> Option<[u64; 3]> {
    let text = std::env::var("SLIPWAY_MODEL").ok()?;
    let mut numbers = text.split(',').map(|n| n.parse().expect("SLIPWAY_MODEL=SEEDS,STEPS[,FIRST]"));
    Some([numbers.next()?, numbers.next()?, numbers.next().unwrap_or(1)])
}

struct History {
    rig: Rig,
    model: Model,
    dice: Dice,
    seed: u64,
    claims: Vec<Claim>,
    queues: Vec<QueueName>,
    figures: Figures,
    /// Whether it goes to the other kind of database where others are opened anew.
    moves: bool,
    /// The batch that ran last.
    last: String,
}

/// Steps between two looks at everything that ever was; what is open is looked at after each.
const LOOK_BACK: u64 = 20;

impl History {
    async fn new(seed: u64) -> Self {
        let rig = Rig::audited().await;
        let queues: Vec<QueueName> = ["default", "gpu", "slow", "absent"].map(|q| q.parse().unwrap()).into();
        for queue in &queues[1..3] {
            rig.queue(queue.as_str()).await;
        }
        let model = Model::new(queues[..3].to_vec(), rig.times.clone());
        Self {
            rig,
            model,
            dice: Dice(seed),
            seed,
            claims: Vec::new(),
            queues,
            figures: Figures::default(),
            moves: false,
            last: String::new(),
        }
    }

    async fn run(mut self, steps: u64) -> Figures {
        for step in 0..steps {
            let mut reopened = false;
            if self.dice.chance(if self.moves { 6 } else { 2 }) {
                self.rig = if self.moves { self.rig.moved().await } else { self.rig.reopened().await };
                self.model.up = self.rig.store.uptime().now();
                reopened = true;
                self.figures.reopenings += 1;
            }
            if self.dice.chance(30) {
                // Mostly moments, sometimes what lets tasks age and use be forgotten.
                let ms = self.dice.of(&[1, 400, 1_000, 4_000, 12_000, 40_000, 70_000, 300_000, 660_000, 3_600_000, 10_800_000]);
                self.rig.pass(ms);
                self.rig.age().await;
                // As the clockwork does.
                if ms >= 5_000 {
                    self.rig.store.run(KeepUptime).await.unwrap();
                }
                self.model.up = self.rig.store.uptime().now();
                self.model.line_up();
            }
            if reopened {
                self.model.book.restarted(self.model.up);
            }
            let ops: Vec<Op> = (0..self.dice.of(&[1, 1, 1, 2, 4, 12])).map(|_| self.op()).collect();
            self.batch(step, ops).await;
            self.limits_hold(step).await;
            self.order_is_kept(step).await;
            if step % LOOK_BACK == 0 || step + 1 == steps {
                self.compare(step, &[]).await;
                self.history_agrees(step).await;
                self.tables_agree(step).await;
            } else {
                self.compare(step, OPEN).await;
            }
        }
        let ended = self.model.tasks.values().filter(|t| t.life.state().is_terminal()).count();
        assert!(ended > 10, "seed {} ends only {ended} tasks: it tests little", self.seed);
        self.figures.of_book(&self.model.book, steps);
        self.figures
    }

    /// Runs operations that share a batch.
    async fn batch(&mut self, step: u64, ops: Vec<Op>) {
        // Sent before the writer runs.
        let answers = join_all(ops.iter().map(|op| op.run(&self.rig.store))).await;
        let mut done: Vec<_> = ops.into_iter().zip(answers).collect();
        done.sort_by_key(|(op, _)| op.rank());
        self.model.book.newly.clear();
        self.model.asked.clear();
        self.model.book.charging.clone_from(&self.model.book.queues);
        for (op, answer) in &done {
            let expected = self.model.expect(op, answer);
            let said = match answer {
                Answer::Submitted(submitted) => ops::said(submitted),
                Answer::Claimed(rows, _) => format!("{rows:?}"),
                Answer::Started(started) => format!("{:?}", started.as_ref().map(|_| ())),
                Answer::Plain(text) => text.clone(),
            };
            let all = || done.iter().map(|d| &d.0).collect::<Vec<_>>();
            assert_eq!(said, expected, "seed {}, step {step}: {op:?} in {:?}\n{}", self.seed, all(), self.model.book);
            self.figures.claims += u64::from(matches!(answer, Answer::Claimed(..)));
        }
        self.model.line_up();
        self.last = format!("{:?}", done.iter().map(|d| &d.0).collect::<Vec<_>>());
    }
}
