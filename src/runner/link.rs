//! What every runner says to its server, whatever it runs tasks as: who it is, that it lives, that it has room, what it
//! found and what it saw.

use crate::{
    client::{Backoff, Client, Error},
    crash_point,
    domain::Rng,
    wire::{
        AttemptRef, CheckItem, CheckRequest, Checked, ClaimRequest, ClaimResponse, Hold, ProblemCode, RegisterRequest, RegisterResponse,
        ReportItem, ReportRequest, Reported, RunnerBeatRequest, RunnerBeatResponse, RunnerName, RunnerState, Times, known_hash,
    },
};
use std::{collections::BTreeMap, future::pending, sync::Arc, time::Duration};
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

/// How long a claim waits for work.
pub(super) const CLAIM_WAIT_SECONDS: u64 = 20;
/// A full comparison comes at least every so many heartbeats, whatever anybody says.
pub(super) const SWEEP_BEATS: u32 = 6;
/// The most items in one check or report.
const MAX_ITEMS: usize = 1_000;

/// Why a server does not work with a runner, and never will.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Another live instance registered the same name.
    #[error("the runner name {0:?} is taken by another live runner: choose another name")]
    NameTaken(String),
    /// The server refuses what the runner asks, and always will.
    #[error("the server refuses: {0}")]
    Refused(Error),
}

/// A runner's connection to its server.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) client: Client,
    pub(super) name: RunnerName,
    pub(super) instance: Uuid,
    pub(super) rng: Arc<dyn Rng>,
    /// The times to go by, from the newest registration.
    pub(super) times: Times,
}

/// A claim on its way. It is given up by dropping it; what it brought then shows in what the server holds.
pub(super) type Claiming = AbortOnDropHandle<Result<ClaimResponse, Error>>;

impl Link {
    pub(super) fn new(client: Client, name: RunnerName, instance: Uuid, rng: Arc<dyn Rng>) -> Self {
        Self { client, name, instance, rng, times: Times::default() }
    }

    /// Pauses for calls named `what`.
    pub(super) fn backoff(&self, what: &'static str) -> Backoff {
        Backoff::new(what, self.times.call_retry_max_ms, &*self.rng)
    }

    /// Introduces the runner, for as long as it takes.
    pub(super) async fn register(&mut self, request: &RegisterRequest) -> Result<RegisterResponse, Refusal> {
        let mut backoff = self.backoff("register");
        loop {
            match self.client.register(&self.name, request).await {
                Ok(answer) => {
                    backoff.succeeded();
                    self.times = answer.times.clone();
                    self.client = self.client.with_timeout(Duration::from_millis(self.times.call_timeout_ms));
                    tracing::info!(
                        runner = self.name.as_str(),
                        kind = request.kind,
                        slots = request.slots,
                        gpus = request.gpus,
                        "registered"
                    );
                    return Ok(answer);
                }
                Err(error) => sleep(self.pause(error, &mut backoff)?).await,
            }
        }
    }

    /// What to do about a failed call: the pause before the next try, or the end. Of `RUNNER_NOT_FOUND` the caller makes
    /// a registration first.
    pub(super) fn pause(&self, error: Error, backoff: &mut Backoff) -> Result<Duration, Refusal> {
        match error.code() {
            Some(ProblemCode::RunnerNameTaken) => Err(Refusal::NameTaken(self.name.as_str().to_owned())),
            _ if error.is_final() => Err(Refusal::Refused(error)),
            _ => Ok(backoff.failed(&error)),
        }
    }

    /// Gives a sign of life with the attempts that the runner believes to hold, and how it stands.
    pub(super) async fn beat(&self, known: impl IntoIterator<Item = AttemptRef>, state: RunnerState) -> Result<RunnerBeatResponse, Error> {
        let known = known_hash(known.into_iter().map(|of| (of.task, of.attempt)));
        let request = RunnerBeatRequest { runner: self.name.clone(), instance: self.instance, known, state: Some(state) };
        self.client.runner_beat(&request).await
    }

    /// Every live attempt of this runner.
    pub(super) async fn holds(&self) -> Result<Vec<Hold>, Error> {
        Ok(self.client.holds(&self.name, self.instance).await?.items)
    }

    /// Asks for work until there is an answer.
    pub(super) fn claim(&self, request: ClaimRequest) -> Claiming {
        let client = self.client.clone();
        let limit = Duration::from_secs(request.wait_seconds) + Duration::from_millis(self.times.call_timeout_ms);
        // The heartbeat says what there is to say about a server away.
        let mut backoff = self.backoff("claim").quiet();
        AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                match client.claim(&request, limit).await {
                    Err(error) if !error.is_final() && !speaks_of_runner(&error) => sleep(backoff.failed(&error)).await,
                    answer => return answer,
                }
            }
        }))
    }

    /// Verdicts on attempts with their claims.
    pub(super) async fn check(&self, asked: &[(AttemptRef, Uuid)]) -> Result<BTreeMap<AttemptRef, Checked>, Error> {
        let mut verdicts = BTreeMap::new();
        for part in asked.chunks(MAX_ITEMS) {
            let items = part.iter().map(|(of, claim)| CheckItem { task: of.task, attempt: of.attempt, claim: *claim }).collect();
            let answer = self.client.check(&CheckRequest { items }).await?;
            // By name: an answer out of order must not condemn another attempt.
            verdicts.extend(answer.items.into_iter().map(|c| (AttemptRef { task: c.task, attempt: c.attempt }, c)));
        }
        Ok(verdicts)
    }

    /// Reports on attempts; what became of each.
    pub(super) async fn report(&self, mut items: Vec<ReportItem>) -> Result<Vec<Reported>, Error> {
        let mut became = Vec::with_capacity(items.len());
        while !items.is_empty() {
            let rest = items.split_off(items.len().min(MAX_ITEMS));
            crash_point!("runner.report");
            became.extend(self.client.report(&ReportRequest { items }).await?.items);
            crash_point!("runner.reported");
            items = rest;
        }
        Ok(became)
    }
}

pub(super) fn speaks_of_runner(error: &Error) -> bool {
    matches!(error.code(), Some(ProblemCode::RunnerNotFound | ProblemCode::RunnerNameTaken))
}

/// The answer of a claim on its way; never where there is none.
pub(super) async fn answered(claiming: &mut Option<Claiming>) -> Result<ClaimResponse, Error> {
    match claiming {
        // A claim that was lost (it cannot panic) is an empty answer; the next heartbeat finds what it brought.
        Some(claim) => claim.await.unwrap_or_else(|_| Ok(ClaimResponse { items: Vec::new() })),
        None => pending().await,
    }
}
