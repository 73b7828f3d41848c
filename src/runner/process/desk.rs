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
    wire::{
        AttemptRef, CheckItem, CheckRequest, ClaimRequest, ClaimResponse, ProblemCode, QueueAsk, RegisterRequest, RunnerBeatRequest, Times,
        known_hash, limits,
    },
};
use std::{collections::BTreeSet, future::pending, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until},
};
use tokio_util::task::AbortOnDropHandle;

/// How long a claim waits for work.
const CLAIM_WAIT_SECONDS: u64 = 20;
/// A full comparison comes at least every so many heartbeats, whatever anybody says.
const SWEEP_BEATS: u32 = 6;
/// How often one comparison looks again after it changed something.
const ROUNDS: u32 = 6;

/// Everything the runner has at hand.
pub(super) struct Desk {
    pub(super) config: Config,
    pub(super) client: Client,
    pub(super) rng: Arc<dyn Rng>,
    pub(super) attempts: Attempts,
    pub(super) times: Times,
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

type Claiming = AbortOnDropHandle<Result<ClaimResponse, Error>>;

impl Desk {
    pub(super) fn new(config: Config, client: Client, rng: Arc<dyn Rng>, attempts: Attempts) -> Self {
        let (exits, ended) = mpsc::unbounded_channel();
        Self {
            config,
            client,
            rng,
            attempts,
            times: Times::default(),
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
        let beat_every = Duration::from_millis(self.times.runner_heartbeat_ms);
        let (mut beats, mut looks) = (interval(beat_every), interval((beat_every / 10).max(Duration::from_millis(10))));
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut backoff = Backoff::new("runner", self.times.call_retry_max_ms, &*self.rng);
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
    async fn failed(&mut self, error: Error, backoff: &mut Backoff) -> Result<Duration, RunnerError> {
        match error.code() {
            Some(ProblemCode::RunnerNotFound) => {
                tracing::info!("the server does not know this runner any more; registering again");
                self.register().await?;
                // Were it to forget us at once again, this must not become a storm.
                Ok(Duration::from_millis(self.times.call_retry_max_ms / 60))
            }
            Some(ProblemCode::RunnerNameTaken) => Err(RunnerError::NameTaken(self.config.name.as_str().to_owned())),
            _ if error.is_final() => Err(RunnerError::Refused(error)),
            _ => Ok(backoff.failed(&error)),
        }
    }

    async fn register(&mut self) -> Result<(), RunnerError> {
        let request = RegisterRequest {
            kind: "process".to_owned(),
            instance: self.config.instance,
            version: self.config.version.clone(),
            slots: self.config.slots,
            gpus: self.config.gpus,
            queues: self.config.queues.clone(),
            cluster: None,
        };
        let mut backoff = Backoff::new("register", self.times.call_retry_max_ms, &*self.rng);
        loop {
            match self.client.register(&self.config.name, &request).await {
                Ok(answer) => {
                    backoff.succeeded();
                    self.times = answer.times;
                    self.client = self.client.with_timeout(Duration::from_millis(self.times.call_timeout_ms));
                    tracing::info!(runner = self.config.name.as_str(), slots = self.config.slots, gpus = self.config.gpus, "registered");
                    return Ok(());
                }
                Err(error) => match error.code() {
                    Some(ProblemCode::RunnerNameTaken) => return Err(RunnerError::NameTaken(self.config.name.as_str().to_owned())),
                    _ if error.is_final() => return Err(RunnerError::Refused(error)),
                    _ => sleep(backoff.failed(&error)).await,
                },
            }
        }
    }

    /// Whether the server holds the same attempts as we believe.
    async fn beat(&mut self) -> Result<bool, Error> {
        let known = known_hash(self.known.iter().map(|of| (of.task, of.attempt)));
        let request = RunnerBeatRequest { runner: self.config.name.clone(), instance: self.config.instance, known };
        let answer = self.client.runner_beat(&request).await?;
        let overdue = answer.cancels.into_iter().filter(|order| order.overdue);
        self.overdue = overdue.map(|order| AttemptRef { task: order.task, attempt: order.attempt }).collect();
        Ok(answer.known)
    }

    /// Asks for as much as there is room for, if there is any. The same claim is asked for until there is an answer.
    fn claim(&self) -> Option<Claiming> {
        let metas = self.metas();
        let free = self.config.slots.saturating_sub(u32::try_from(metas.len()).unwrap_or(u32::MAX));
        let used: BTreeSet<u32> = metas.iter().flat_map(|meta| meta.gpus.iter().copied()).collect();
        let gpus = (0..self.config.gpus).filter(|gpu| !used.contains(gpu)).count();
        let request = ClaimRequest {
            runner: self.config.name.clone(),
            instance: self.config.instance,
            claim_id: self.rng.uuid(),
            max: free.min(limits::MAX_CLAIM),
            gpus: u32::try_from(gpus).unwrap_or(u32::MAX),
            queues: self.config.queues.iter().map(|name| QueueAsk { name: name.clone(), max: None }).collect(),
            wait_seconds: CLAIM_WAIT_SECONDS,
        };
        let client = self.client.clone();
        let limit = Duration::from_secs(CLAIM_WAIT_SECONDS) + Duration::from_millis(self.times.call_timeout_ms);
        // The heartbeat says what there is to say about a server away.
        let mut backoff = Backoff::new("claim", self.times.call_retry_max_ms, &*self.rng).quiet();
        let ask = async move {
            loop {
                match client.claim(&request, limit).await {
                    Err(error) if !error.is_final() && !speaks_of_runner(&error) => sleep(backoff.failed(&error)).await,
                    answer => return answer,
                }
            }
        };
        (free > 0).then(|| AbortOnDropHandle::new(tokio::spawn(ask)))
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
            let held = self.client.holds(&self.config.name, self.config.instance).await?.items;
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
        let mut rest: Vec<_> = observed.iter_mut().filter(|seen| !self.known.contains(&seen.of)).collect();
        for part in rest.chunks_mut(1_000) {
            let items = part.iter().map(|o| CheckItem { task: o.of.task, attempt: o.of.attempt, claim: o.claim }).collect();
            let answer = self.client.check(&CheckRequest { items }).await?;
            for (seen, checked) in part.iter_mut().zip(answer.items) {
                // By name too: an answer out of order must not condemn another attempt.
                seen.verdict = ((checked.task, checked.attempt) == (seen.of.task, seen.of.attempt)).then_some(checked.verdict);
            }
        }
        Ok(observed)
    }
}

fn speaks_of_runner(error: &Error) -> bool {
    matches!(error.code(), Some(ProblemCode::RunnerNotFound | ProblemCode::RunnerNameTaken))
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => pending().await,
    }
}

async fn answered(claiming: &mut Option<Claiming>) -> Result<ClaimResponse, Error> {
    match claiming {
        // A claim task that was lost (it cannot panic) is an empty answer; the next heartbeat finds what it brought.
        Some(claim) => claim.await.unwrap_or_else(|_| Ok(ClaimResponse { items: Vec::new() })),
        None => pending().await,
    }
}
