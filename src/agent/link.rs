//! The agent's connection to the server about its one attempt.

use super::{Ambient, Exit, notebook::Notebook};
use crate::{
    client::{Backoff, Client, Error},
    domain::{Clock, Rng},
    wire::{Assignment, AttemptRef, HeartbeatRequest, Phase, SelfStop, StartRequest, StartResponse, StoppedBy, Times},
};
use secrecy::SecretString;
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

/// What every part of a started agent needs to speak to the server.
pub(super) struct Link {
    pub(super) client: Client,
    pub(super) attempt: AttemptRef,
    pub(super) times: Times,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rng: Arc<dyn Rng>,
    /// The server said that the attempt is over: stop everything.
    pub(super) over: CancellationToken,
    /// Somebody asked to stop the command.
    pub(super) cancel: CancellationToken,
    /// Where the attempt is; heartbeats tell it.
    pub(super) phase: watch::Sender<Phase>,
    /// Set once the command is to stop.
    pub(super) stopping: watch::Sender<Option<Stopping>>,
    /// What an attempt before this one left for it.
    pub(super) resume: Option<String>,
    /// What the attempt says of itself.
    pub(super) notebook: Notebook,
    /// By when the command ends without an answer of the server.
    pub(super) self_stop: Option<SelfStop>,
    /// When the last heartbeat that was answered was sent, on the link's monotonic clock.
    pub(super) answered: watch::Sender<Duration>,
}

/// Why the command is to stop, and by when it is killed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stopping {
    pub(super) by: StoppedBy,
    /// On the link's monotonic clock.
    pub(super) until: Duration,
}

impl Link {
    /// Pauses for one kind of call.
    pub(super) fn backoff(&self, what: &'static str) -> Backoff {
        Backoff::new(what, self.times.call_retry_max_ms, &*self.rng)
    }

    /// Comes back once the server has given no answer for so long that the command is to end; never where silence ends nothing.
    ///
    /// Timers stand still while the machine sleeps, so the clock is looked at again and again.
    pub(super) async fn silenced(&self) {
        let Some(SelfStop { stop_ms, .. }) = self.self_stop else { return std::future::pending().await };
        let stop = Duration::from_millis(stop_ms);
        loop {
            let left = stop.saturating_sub(self.silence());
            if left.is_zero() {
                return;
            }
            sleep(left.min(Duration::from_secs(1))).await;
        }
    }

    /// The time that a command has for its end, at most `grace`.
    pub(super) fn grace(&self, grace: Duration) -> Duration {
        self.self_stop.map_or(grace, |rule| grace.min(Duration::from_millis(rule.kill_ms).saturating_sub(self.silence())))
    }

    fn silence(&self) -> Duration {
        self.clock.monotonic().saturating_sub(*self.answered.borrow())
    }

    /// Whether this answer ends the attempt; if so everybody hears of it.
    pub(super) fn ends(&self, error: &Error) -> bool {
        if error.ends_attempt() {
            tracing::warn!(%error, "the attempt is over for the server");
            self.over.cancel();
        }
        error.ends_attempt()
    }
}

/// Passes the exclusive start. The attempt is ours alone once the first heartbeat is answered too ([`first_beat`]).
///
/// Tries for as long as the server does not refuse: a claim that runs out meanwhile is refused for good.
pub(super) async fn connect(assignment: &Assignment, ambient: &Ambient) -> Result<(Link, StartResponse), Exit> {
    let of = assignment.attempt_ref();
    let times = &assignment.times;
    let client = Client::trusting(&assignment.url, Some(assignment.start_token.clone()), &ambient.program, assignment.ca.as_deref())
        .map_err(|error| Exit::setup(format!("cannot speak to the server: {error}")))?
        // Its runner has judged the address.
        .allowing_plain_http(true)
        .with_timeout(Duration::from_millis(times.call_timeout_ms));
    // In memory alone, so that nothing that comes after this process can repeat its start.
    let request = StartRequest { uid: assignment.uid.clone(), nonce: ambient.rng.uuid() };
    let mut backoff = Backoff::new("start", times.call_retry_max_ms, &*ambient.rng);
    let (sent, started) = loop {
        let sent = ambient.clock.monotonic();
        match client.start(of, &request).await {
            Ok(started) => break (sent, started),
            Err(error) if error.ends_attempt() => return Err(Exit::Over(error.to_string())),
            Err(error) if error.is_final() => return Err(Exit::setup(format!("the server refuses the start: {error}"))),
            Err(Error::Config(why)) => return Err(Exit::setup(why)),
            Err(error) => sleep(backoff.failed(&error)).await,
        }
    };
    backoff.succeeded();
    let client = client
        .with_token(SecretString::from(started.attempt_token.clone()))
        .with_timeout(Duration::from_millis(started.times.call_timeout_ms));
    let link = Link {
        client,
        attempt: of,
        times: started.times.clone(),
        clock: ambient.clock.clone(),
        rng: ambient.rng.clone(),
        over: CancellationToken::new(),
        cancel: CancellationToken::new(),
        phase: watch::Sender::new(Phase::Starting),
        stopping: watch::Sender::new(None),
        resume: started.resume.clone(),
        notebook: Notebook::default(),
        self_stop: started.self_stop,
        answered: watch::Sender::new(sent),
    };
    Ok((link, started))
}

/// The first heartbeat. Once it is answered nobody else can start the attempt, so the command may run.
pub(super) async fn first_beat(link: &Link) -> Result<(), Exit> {
    let request = HeartbeatRequest { phase: Phase::Starting, cancel_known: false, wait_ms: 0, usage: None, progress: None };
    let limit = Duration::from_millis(link.times.call_timeout_ms);
    let mut backoff = link.backoff("heartbeat");
    loop {
        let sent = link.clock.monotonic();
        match link.client.heartbeat(link.attempt, &request, limit).await {
            Ok(answer) => {
                link.answered.send_replace(sent);
                if answer.cancel {
                    link.cancel.cancel();
                }
                return Ok(());
            }
            Err(error) if error.ends_attempt() => return Err(Exit::Over(error.to_string())),
            Err(error) if error.is_final() => return Err(Exit::setup(format!("the server refuses the heartbeat: {error}"))),
            Err(error) => sleep(backoff.failed(&error)).await,
        }
    }
}

/// Heartbeats for ever; returns only where the attempt is over or the server refuses them for good.
///
/// An answer is held by the server until there is news. One that comes early without any means that the server holds
/// none now: then the pauses are ours, growing up to the usual time between heartbeats.
pub(super) async fn beat(link: Arc<Link>) {
    let hold = Duration::from_millis(link.times.heartbeat_hold_ms);
    let limit = hold + Duration::from_millis(link.times.call_timeout_ms);
    let mut backoff = link.backoff("heartbeat");
    let mut pause = hold / 10;
    let (mut phases, mut news) = (link.phase.subscribe(), link.notebook.news());
    loop {
        let cancel_known = link.cancel.is_cancelled();
        news.borrow_and_update();
        let (usage, progress) = link.notebook.read(|notes| (notes.usage.clone(), notes.progress.clone()));
        let phase = *phases.borrow_and_update();
        let request = HeartbeatRequest { phase, cancel_known, wait_ms: link.times.heartbeat_hold_ms, usage, progress };
        let sent = link.clock.monotonic();
        let answer = tokio::select! {
            answer = link.client.heartbeat(link.attempt, &request, limit) => answer,
            // The news is told at once, in place of what is held.
            Ok(()) = phases.changed() => continue,
            // This not so often: a command may say it as often as it likes.
            () = async { (sleep(hold / 8).await, news.changed().await).1.unwrap_or(()) } => continue,
        };
        match answer {
            Ok(answer) => {
                backoff.succeeded();
                link.answered.send_replace(sent);
                if answer.cancel && !cancel_known {
                    link.cancel.cancel();
                } else if link.clock.monotonic().saturating_sub(sent) < hold / 2 {
                    sleep(pause).await;
                    pause = hold.min(pause * 2);
                } else {
                    pause = hold / 10;
                }
            }
            Err(error) if link.ends(&error) => return,
            Err(error) if error.is_final() => {
                tracing::error!(%error, "the server refuses heartbeats; the command runs on");
                return;
            }
            Err(error) => sleep(backoff.failed(&error)).await,
        }
    }
}
