//! The runner's loop: register, compare, claim, give signs of life.

use super::{
    Config, RunnerError,
    attempts::{Attempts, Meta},
    plan::{Observed, plan},
};
use crate::{
    client::{Backoff, Client, Error},
    crash_point,
    domain::Rng,
    runner::{
        Refusal,
        link::{CLAIM_WAIT_SECONDS, Claiming, Link, SWEEP_BEATS, answered},
    },
    wire::{AttemptRef, ClaimRequest, ClaimResponse, ProblemCode, QueueAsk, RegisterRequest, Room, RunnerState, limits},
};
use std::{collections::BTreeSet, future::pending, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until},
};

/// How often one comparison looks again after it changed something.
const ROUNDS: u32 = 6;

/// Everything the runner has at hand.
pub(super) struct Desk {
    pub(super) config: Config,
    pub(super) link: Link,
    pub(super) attempts: Attempts,
    /// What the server held for us when it was asked last, and what was begun since.
    pub(super) known: BTreeSet<AttemptRef>,
    /// Dead attempts that the server does not know: they take no slot.
    pub(super) strange: BTreeSet<AttemptRef>,
    /// The strange ones that were spoken of.
    pub(super) warned: BTreeSet<AttemptRef>,
    /// Attempts whose agents the last comparison found dead.
    dead: BTreeSet<AttemptRef>,
    /// Agents of this life of the runner, whose ends come through `exits`; the others' locks are looked at.
    pub(super) children: BTreeSet<AttemptRef>,
    pub(super) exits: mpsc::UnboundedSender<AttemptRef>,
    ended: mpsc::UnboundedReceiver<AttemptRef>,
    overdue: BTreeSet<AttemptRef>,
}

impl Desk {
    pub(super) fn new(config: Config, client: Client, rng: Arc<dyn Rng>, attempts: Attempts) -> Self {
        let (exits, ended) = mpsc::unbounded_channel();
        Self {
            link: Link::new(client, config.name.clone(), config.instance, rng),
            config,
            attempts,
            known: BTreeSet::new(),
            strange: BTreeSet::new(),
            warned: BTreeSet::new(),
            dead: BTreeSet::new(),
            children: BTreeSet::new(),
            exits,
            ended,
            overdue: BTreeSet::new(),
        }
    }

    /// The attempts that take a slot, read anew.
    pub(super) fn metas(&self) -> Vec<Meta> {
        self.attempts.list().into_iter().filter(|meta| !self.strange.contains(&meta.of())).collect()
    }

    /// How many agents are at work.
    pub(super) fn carried(&self) -> usize {
        self.attempts.list().iter().filter(|meta| self.attempts.locked(meta.of())).count()
    }

    /// Runs until something makes it impossible.
    pub(super) async fn serve(&mut self) -> Result<(), RunnerError> {
        self.register().await?;
        let beat_every = Duration::from_millis(self.link.times.runner_heartbeat_ms);
        let (mut beats, mut looks) = (interval(beat_every), interval((beat_every / 10).max(Duration::from_millis(10))));
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut backoff = self.link.backoff("runner");
        let mut claiming: Option<Claiming> = None;
        // When to compare next; none while nothing suggests it.
        let mut compare = Some(Instant::now());
        let mut beaten = 0_u32;
        loop {
            if compare.is_none() && claiming.is_none() {
                claiming = self.claim();
            }
            tokio::select! {
                biased;
                () = at(compare) => {
                    compare = match self.compare().await {
                        Ok(()) => None,
                        Err(error) => Some(Instant::now() + self.failed(error, &mut backoff).await?),
                    };
                }
                answer = answered(&mut claiming) => {
                    claiming = None;
                    if let Err(error) = self.take(answer).await {
                        sleep(self.failed(error, &mut backoff).await?).await;
                        compare = compare.or(Some(Instant::now()));
                    }
                }
                Some(of) = self.ended.recv() => {
                    self.children.remove(&of);
                    compare = compare.or(Some(Instant::now()));
                }
                _ = beats.tick() => {
                    beaten += 1;
                    match self.beat().await {
                        Ok(known) => {
                            backoff.succeeded();
                            if !known || beaten.is_multiple_of(SWEEP_BEATS) || !self.overdue.is_empty() {
                                compare = compare.or(Some(Instant::now()));
                            }
                        }
                        Err(error) => {
                            // The next beat comes in time anyway; only what the error says matters here.
                            self.failed(error, &mut backoff).await?;
                        }
                    }
                }
                _ = looks.tick() => {
                    if self.adopted_ended() {
                        compare = compare.or(Some(Instant::now()));
                    }
                }
            }
        }
    }

    /// Whether an agent that an earlier runner started has gone since the last comparison.
    fn adopted_ended(&self) -> bool {
        let listed = self.attempts.list().into_iter().map(|meta| meta.of());
        listed.filter(|of| !self.children.contains(of) && !self.dead.contains(of)).any(|of| !self.attempts.locked(of))
    }

    /// What to do about a failed call: the pause before the next try, or the end.
    async fn failed(&mut self, error: Error, backoff: &mut Backoff) -> Result<Duration, Refusal> {
        if error.code() == Some(ProblemCode::RunnerNotFound) {
            tracing::info!("the server does not know this runner any more; registering again");
            self.register().await?;
            // Were it to forget us at once again, this must not become a storm.
            return Ok(Duration::from_millis(self.link.times.call_retry_max_ms / 60));
        }
        self.link.pause(error, backoff)
    }

    async fn register(&mut self) -> Result<(), Refusal> {
        let request = RegisterRequest {
            kind: "process".to_owned(),
            instance: self.config.instance,
            version: self.config.version.clone(),
            slots: self.config.slots,
            gpus: self.config.gpus,
            queues: self.config.queues.clone(),
            cluster: None,
        };
        self.link.register(&request).await.map(drop)
    }

    /// Whether the server holds the same attempts as we believe.
    async fn beat(&mut self) -> Result<bool, Error> {
        let state = RunnerState { room: Some(self.room()), cluster: None };
        let answer = self.link.beat(self.known.iter().copied(), state).await?;
        let overdue = answer.cancels.into_iter().filter(|order| order.overdue);
        self.overdue = overdue.map(|order| AttemptRef { task: order.task, attempt: order.attempt }).collect();
        Ok(answer.known)
    }

    /// Asks for as much as there is room for, if there is any. The same claim is asked for until there is an answer.
    fn claim(&self) -> Option<Claiming> {
        let Room { max, gpus, queues } = self.room();
        let request = ClaimRequest {
            runner: self.config.name.clone(),
            instance: self.config.instance,
            claim_id: self.link.rng.uuid(),
            max,
            gpus,
            queues,
            wait_seconds: CLAIM_WAIT_SECONDS,
            unserved: Vec::new(),
        };
        (max > 0).then(|| self.link.claim(request))
    }

    /// What is free.
    fn room(&self) -> Room {
        let metas = self.metas();
        let free = self.config.slots.saturating_sub(u32::try_from(metas.len()).unwrap_or(u32::MAX));
        let used: BTreeSet<u32> = metas.iter().flat_map(|meta| meta.gpus.iter().copied()).collect();
        let gpus = (0..self.config.gpus).filter(|gpu| !used.contains(gpu)).count();
        let queues = self.config.queues.iter().map(|name| QueueAsk { name: name.clone(), max: None }).collect();
        Room { max: free.min(limits::MAX_CLAIM), gpus: u32::try_from(gpus).unwrap_or(u32::MAX), queues }
    }

    /// Begins what a claim brought.
    async fn take(&mut self, answer: Result<ClaimResponse, Error>) -> Result<(), Error> {
        let (items, mut reports) = (answer?.items, Vec::new());
        if items.is_empty() {
            return Ok(());
        }
        crash_point!("runner.claimed");
        for item in items {
            self.begin(item.into(), &mut reports);
        }
        self.report(reports).await.map(drop)
    }

    /// Compares this machine with what the server holds, and acts, until both agree or it has to wait for something.
    async fn compare(&mut self) -> Result<(), Error> {
        for _ in 0..ROUNDS {
            let held = self.link.holds().await?;
            self.known = held.iter().map(|hold| AttemptRef { task: hold.task, attempt: hold.attempt }).collect();
            crash_point!("runner.held");
            let attempts = self.attempts.clone();
            let observed = tokio::task::spawn_blocking(move || attempts.observe()).await.unwrap_or_default();
            self.dead = observed.iter().filter(|seen| !seen.locked).map(|seen| seen.of).collect();
            let observed = self.ask_about(observed).await?;
            let actions = plan(&observed, &held, &self.overdue);
            if !self.act(actions, &observed).await? {
                break;
            }
        }
        Ok(())
    }

    /// Asks the server about those that it does not hold for us.
    async fn ask_about(&self, mut observed: Vec<Observed>) -> Result<Vec<Observed>, Error> {
        let rest: Vec<_> = observed.iter().filter(|seen| !self.known.contains(&seen.of)).map(|seen| (seen.of, seen.claim)).collect();
        let verdicts = self.link.check(&rest).await?;
        for seen in observed.iter_mut().filter(|seen| !self.known.contains(&seen.of)) {
            seen.verdict = verdicts.get(&seen.of).map(|checked| checked.verdict);
        }
        Ok(observed)
    }
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => pending().await,
    }
}
