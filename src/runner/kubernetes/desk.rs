//! The glue's loop: register, compare, claim, give signs of life.

use super::{
    act::{Done, Hands},
    capacity::Room,
    checks,
    cluster::Cluster,
    config::Config,
    footing,
    health::Pulse,
    leftovers::Leftovers,
    metrics::Metrics,
    pace::Pace,
    poll::{Polled, poll},
    sight::Notes,
    voices::Course,
    watch::Cache,
};
use crate::{
    client::{Backoff, Client, Error},
    domain::{Clock, Rng},
    runner::{
        Refusal,
        link::{Claiming, Link, answered},
    },
    wire::{self, AttemptRef, ClusterOffer, ClusterSight, Hold, ProblemCode, RegisterRequest, ReportItem, RunnerState, UnknownJobs},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until},
};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

/// How long changes in the cluster are gathered before they are compared.
const GATHER: Duration = Duration::from_millis(50);

/// Everything the glue has at hand.
pub(super) struct Desk {
    pub(super) config: Arc<Config>,
    pub(super) link: Link,
    pub(super) hands: Hands,
    pub(super) cache: Arc<Cache>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) metrics: Metrics,
    pub(super) notes: Notes,
    /// What the server held for us when it was asked last, and what was claimed since.
    pub(super) held: BTreeMap<AttemptRef, Hold>,
    /// Attempts that somebody asked to stop, and whether their agents have had the time for it.
    pub(super) cancels: BTreeMap<AttemptRef, bool>,
    /// What the server is still to be told, because what it rests on cannot be seen any more.
    pub(super) owed: BTreeMap<AttemptRef, ReportItem>,
    /// Unknown attempts that were spoken of.
    pub(super) warned: BTreeSet<AttemptRef>,
    /// Attempts of which a Secret may be left.
    pub(super) leftovers: Leftovers,
    pub(super) followers: BTreeMap<AttemptRef, AbortOnDropHandle<()>>,
    /// What those who send the logs of several pods are told of them.
    pub(super) courses: BTreeMap<AttemptRef, watch::Sender<Course>>,
    /// The kinds of objects that are looked at, for the task that does.
    pub(super) polled: watch::Sender<Polled>,
    done: mpsc::UnboundedReceiver<(AttemptRef, Done)>,
    pub(super) claiming: Option<Claiming>,
    /// The claim on its way, or one given up, whose answer may have been lost; and the room that it was made for.
    pub(super) asked: Option<(Uuid, Room)>,
    /// What the server is told of the room; none while nothing can be claimed for want of sight.
    pub(super) room: Option<wire::Room>,
    /// What stands under our name and is of no attempt that the server knows.
    pub(super) unknown: Option<UnknownJobs>,
    /// When room is counted.
    pub(super) pace: Pace,
    /// Whether a comparison has been made since the registration.
    pub(super) compared: bool,
    /// Whether what the server holds is to be read anew at the next comparison, whatever the cluster shows.
    pub(super) stale: bool,
}

/// What surrounds the loop.
pub(super) struct Around {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rng: Arc<dyn Rng>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) metrics: Metrics,
}

impl Desk {
    pub(super) fn new(config: Arc<Config>, instance: Uuid, server: Client, cluster: Cluster, cache: Arc<Cache>, around: Around) -> Self {
        let (tell, done) = mpsc::unbounded_channel();
        let Around { clock, rng, pulse, metrics } = around;
        Self {
            link: Link::new(server, config.name.clone(), instance, rng),
            hands: Hands::new(cluster, config.clone(), metrics.clone(), tell),
            config,
            cache,
            clock,
            pulse,
            metrics,
            notes: Notes::default(),
            held: BTreeMap::new(),
            cancels: BTreeMap::new(),
            owed: BTreeMap::new(),
            warned: BTreeSet::new(),
            leftovers: Leftovers::default(),
            followers: BTreeMap::new(),
            courses: BTreeMap::new(),
            polled: watch::Sender::default(),
            done,
            claiming: None,
            asked: None,
            room: None,
            unknown: None,
            pace: Pace::new(Instant::now()),
            compared: false,
            stale: true,
        }
    }

    /// Runs until something makes it impossible.
    pub(super) async fn serve(&mut self) -> Result<(), Refusal> {
        self.register().await?;
        let (cluster, namespaces, name) = (self.hands.cluster.clone(), self.config.namespaces.clone(), self.config.name.clone());
        let polling = poll(cluster, namespaces, name, self.cache.clone(), self.hands.barred.clone(), self.polled.subscribe());
        let _polling = AbortOnDropHandle::new(tokio::spawn(polling));
        let checking = checks::tell(self.hands.clone(), self.link.client.clone(), self.config.name.clone(), self.link.instance);
        let _checking = self.config.check_queues.then(|| AbortOnDropHandle::new(tokio::spawn(checking)));
        let standing = footing::tell(self.hands.clone(), self.link.client.clone(), self.config.name.clone(), self.link.instance);
        let _standing = AbortOnDropHandle::new(tokio::spawn(standing));
        let beat_every = Duration::from_millis(self.link.times.runner_heartbeat_ms);
        let ticks = |every: Duration| {
            let mut ticks = interval(every.max(Duration::from_millis(10)));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        };
        let (mut beats, mut probes) = (ticks(beat_every), ticks(beat_every / 5));
        let mut sweeps = ticks(Duration::from_millis(self.link.times.sweep_ms));
        let mut backoff = self.link.backoff("glue");
        let (mut changed, mut api) = (self.cache.changed(), self.hands.cluster.meter.changed());
        let mut barred = self.hands.barred.changed();
        // When to compare next; none while nothing suggests it.
        let mut compare: Option<Instant> = None;
        // However much happens, half of the time is for other things.
        let mut rested = Instant::now();
        loop {
            self.pulse.looped();
            self.ask();
            let soon = Instant::now();
            let after = tokio::select! {
                biased;
                () = at(compare) => {
                    compare = match Box::pin(self.compare()).await {
                        Ok(due) => due.map(|due| Instant::now() + due.max(GATHER)),
                        Err(error) => Some(Instant::now() + self.failed(error, &mut backoff).await?),
                    };
                    self.metrics.reconciled(soon.elapsed());
                    rested = Instant::now() + soon.elapsed();
                    continue;
                }
                // What was put off may be all that there is to do.
                () = at(self.pace.due()) => continue,
                answer = answered(&mut self.claiming) => {
                    self.claiming = None;
                    match answer {
                        Ok(answer) => drop(self.take(answer)),
                        Err(error) => sleep(self.failed(error, &mut backoff).await?).await,
                    }
                    GATHER
                }
                Some((of, done)) = self.done.recv() => {
                    self.note(of, done);
                    Duration::ZERO
                }
                Ok(()) = barred.changed() => {
                    // A claim that is open asks for what it is not to have, or not for what it is; it is made anew under its own id.
                    self.claiming = None;
                    continue;
                }
                Ok(()) = changed.changed() => GATHER,
                Ok(()) = api.changed() => Duration::ZERO,
                _ = beats.tick() => {
                    let known = match self.beat().await {
                        Ok(known) => {
                            backoff.succeeded();
                            known
                        }
                        Err(error) => {
                            // The next beat comes in time anyway; only what the error says matters here.
                            self.failed(error, &mut backoff).await?;
                            true
                        }
                    };
                    if known && self.cancels.is_empty() {
                        continue;
                    }
                    self.stale = true;
                    Duration::ZERO
                }
                _ = sweeps.tick() => {
                    self.stale = true;
                    self.notes.ask_again();
                    self.hands.barred.ask_again(&self.hands.cluster);
                    self.search().await;
                    Duration::ZERO
                }
                // A watch that hangs does not tell when the API server is back.
                _ = probes.tick(), if !self.hands.cluster.meter.answers() => {
                    self.hands.probe();
                    continue;
                }
            };
            let next = rested.max(soon + after);
            compare = Some(compare.map_or(next, |planned| planned.min(next)));
        }
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
            kind: "kubernetes".to_owned(),
            instance: self.link.instance,
            version: self.config.version.clone(),
            slots: self.config.max_pods,
            gpus: 0,
            queues: self.config.served(),
            cluster: Some(ClusterOffer {
                name: self.config.cluster.clone(),
                namespaces: self.config.namespaces.clone(),
                base: self.config.base.clone(),
                overlays: self.config.overlays.clone(),
            }),
        };
        let answer = self.link.register(&request).await?;
        (self.hands.instance, self.hands.times) = (answer.instance, answer.times);
        self.leftovers.recall(answer.lapsed);
        (self.compared, self.stale) = (false, true);
        Ok(())
    }

    /// Whether the server holds the same attempts as we believe.
    async fn beat(&mut self) -> Result<bool, Error> {
        let sight = self.hands.cluster.meter.sight(Duration::from_millis(self.link.times.watch_silent_ms));
        let cluster = ClusterSight { unknown: self.unknown.clone(), ..sight };
        let state = RunnerState { room: self.room.clone(), cluster: Some(cluster) };
        let answer = self.link.beat(self.held.keys().copied(), state).await?;
        self.pulse.heard();
        self.cancels = answer.cancels.iter().map(|c| (AttemptRef { task: c.task, attempt: c.attempt }, c.overdue)).collect();
        Ok(answer.known)
    }
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => pending().await,
    }
}
