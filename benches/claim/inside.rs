//! In the store: no HTTP, every commit synced.

use crate::{
    Effort, Failure,
    figures::{self, Figures},
    fresh,
    world::{Shape, World, expect_new},
};
use futures::future::try_join_all;
use slipway::{
    domain::TaskId,
    store::{Cancel, Claim, ClaimedAttempt, NewTask, QueueShare, Store, Submit},
};
use std::{collections::HashSet, time::Duration};

struct Desk<'a> {
    world: &'a World,
    store: Store,
    submitted: usize,
    served: HashSet<TaskId>,
    /// The newest plain task that was served.
    last: TaskId,
}

pub(crate) async fn measure(worlds: &[World], effort: Effort, figures: &mut Figures) -> Result<(), Failure> {
    let mut desks = Vec::new();
    let mut writers = Vec::new();
    for world in worlds {
        let began = figures::now();
        let (store, writer) = world.open().await?;
        let goal = (world.depth > 1_000).then_some(250.0);
        figures.one(&format!("{} {}: the store opens in", world.name, world.depth), figures::millis(began.elapsed()), "ms", goal);
        desks.push(Desk { world, store, submitted: 0, served: HashSet::new(), last: TaskId(0) });
        writers.push(writer);
    }
    for round in 0..=effort.rounds {
        for desk in &mut desks {
            desk.round(round, effort.claims, figures).await?;
        }
    }
    for desk in &mut desks {
        if desk.world.shape == Shape::Plain && desk.world.depth > 1_000 {
            desk.newcomer(figures).await?;
        }
        desk.verify().await?;
    }
    drop(desks);
    for writer in writers {
        writer.await?;
    }
    Ok(())
}

impl Desk<'_> {
    /// For each claim one submit, so that the depth stays.
    async fn round(&mut self, round: usize, claims: usize, figures: &mut Figures) -> Result<(), Failure> {
        let (name, depth) = (self.world.name, self.world.depth);
        let mut taken = Vec::new();
        for i in 0..claims {
            let nth = self.submitted * 7919;
            let began = figures::now();
            self.submit(self.world.user(nth), nth).await?;
            figures.note(&format!("{name}, store: submit"), depth, round, began.elapsed());
            let began = figures::now();
            let got = self.claim(&format!("r{}", i % 16)).await?;
            figures.note(&format!("{name}, store: claim of 1"), depth, round, began.elapsed());
            taken.push(got.task);
            let time = Duration::from_millis(40);
            self.store.uptime().advance(time, time);
        }
        self.give_up(taken).await
    }

    async fn submit(&mut self, user: String, nth: usize) -> Result<TaskId, Failure> {
        self.submitted += 1;
        let tasks = vec![NewTask::new(self.world.spec(nth, nth))];
        expect_new(self.store.run(Submit { user, tasks, idempotency: None }).await?)
    }

    async fn claim(&mut self, runner: &str) -> Result<ClaimedAttempt, Failure> {
        let claim = Claim {
            runner: runner.parse()?,
            claim: fresh(),
            max: 1,
            gpus: 8,
            all_gpus: 8,
            queues: vec![QueueShare { queue: None, max: 1 }],
            except: [].into(),
            wait: false,
        };
        let got = self.store.run(claim).await?.pop().ok_or("a claim came back empty")?;
        if !self.served.insert(got.task) {
            return Err(format!("task {} was served twice", got.task).into());
        }
        if self.world.shape == Shape::Plain && std::mem::replace(&mut self.last, got.task) > got.task {
            return Err("plain tasks came out of their order".into());
        }
        Ok(got)
    }

    /// Cancels what was claimed: it ends at once, and its slot is free.
    async fn give_up(&mut self, tasks: Vec<TaskId>) -> Result<(), Failure> {
        let cancel = |task| self.store.run(Cancel { task, by: "bench".into(), silent: false });
        try_join_all(tasks.into_iter().map(cancel)).await?;
        Ok(())
    }

    /// Another user's first task behind all of these.
    async fn newcomer(&mut self, figures: &mut Figures) -> Result<(), Failure> {
        let mut taken = vec![self.claim("r1").await?.task];
        let began = figures::now();
        let first = self.submit("bob".into(), 0).await?;
        let mut rounds = 0;
        loop {
            rounds += 1;
            self.last = TaskId(0);
            let got = self.claim("r1").await?.task;
            taken.push(got);
            if got == first {
                break;
            }
            if rounds == 2 {
                return Err("another user's first task was not served within two rounds".into());
            }
        }
        figures.one("another user's first task behind all: claims until served", f64::from(rounds), "", Some(2.0));
        figures.one("another user's first task behind all: submit to claimed", figures::millis(began.elapsed()), "ms", None);
        self.give_up(taken).await
    }

    async fn verify(&self) -> Result<(), Failure> {
        let left: u64 = self.store.queues().await?.iter().map(|queue| queue.queued + queue.active + queue.waiting).sum();
        let expected = self.world.depth + self.submitted - self.served.len();
        if left != expected as u64 {
            return Err(format!("{} {}: {left} tasks are left, not {expected}", self.world.name, self.world.depth).into());
        }
        Ok(())
    }
}
