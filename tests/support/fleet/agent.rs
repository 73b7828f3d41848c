//! The agent's side of the protocol for one simulated pod: exclusive start, first heartbeat, command, finish.

use super::{Counts, Yard, deed::Deed};
use slipway::{
    app::ambient::SystemRng,
    client::{Backoff, Client, Error},
    domain::{Clock, Rng},
    wire::{
        Assignment, AttemptRef, AttemptResult, FinishRequest, HeartbeatRequest, Phase, StartRequest, StartResponse, StoppedBy,
        handoff::{Fault, Testament},
    },
};
use std::{sync::atomic::Ordering, time::Duration};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// SIGTERM, as a shell would tell it.
pub(super) const TERMINATED: i32 = 143;

/// How a container ends: what its process exits with, and its termination message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exit {
    pub(super) code: i32,
    pub(super) message: String,
}

impl Exit {
    /// Without a result, and why.
    fn fault(of: AttemptRef, code: i32, message: &str) -> Self {
        let fault = Some(Fault { exit_code: code, message: message.to_owned() });
        Self { code, message: document(&Testament { task: of.task, attempt: of.attempt, result: None, fault }) }
    }

    /// With a result, whoever tells the server.
    fn with(of: AttemptRef, code: i32, result: &FinishRequest) -> Self {
        let result = Some(result.clone());
        Self { code, message: document(&Testament { task: of.task, attempt: of.attempt, result, fault: None }) }
    }
}

fn document(testament: &Testament) -> String {
    String::from_utf8(testament.document().expect("a testament has a form in JSON")).expect("JSON is text")
}

/// One attempt, as its agent knows it.
struct Agent<'a> {
    yard: &'a Yard,
    of: AttemptRef,
    uid: &'a str,
    client: Client,
    started: StartResponse,
    told: &'a CancellationToken,
}

/// How a command ended.
enum Ended {
    /// By itself.
    Alone,
    /// It was made to.
    Stopped(StoppedBy),
    /// The server said that the attempt is over.
    Over(Error),
}

/// Carries an attempt in the pod `uid` to its end. `told` says that somebody wants the pod gone.
pub(super) async fn carry(yard: &Yard, assignment: &Assignment, uid: &str, told: &CancellationToken) -> Exit {
    let of = assignment.attempt_ref();
    let connected = tokio::select! {
        biased;
        () = told.cancelled() => return Exit::fault(of, 98, "told to stop before the start"),
        connected = connect(yard, assignment, uid) => connected,
    };
    let (client, started) = match connected {
        Ok(connected) => connected,
        Err(exit) => return exit,
    };
    let agent = Agent { yard, of, uid, client, started, told };
    if let Err(exit) = agent.first_beat().await {
        return exit;
    }
    agent.run().await
}

/// What a final answer means before the command runs.
fn refused(yard: &Yard, of: AttemptRef, error: &Error) -> Exit {
    if error.ends_attempt() {
        Counts::add(&yard.counts.refused);
        return Exit::fault(of, 97, &error.to_string());
    }
    Exit::fault(of, 98, &error.to_string())
}

/// Passes the exclusive start.
async fn connect(yard: &Yard, assignment: &Assignment, uid: &str) -> Result<(Client, StartResponse), Exit> {
    let of = assignment.attempt_ref();
    let connect = || Client::new(&assignment.url, None, "slipway-fleet/0").expect("a client").allowing_plain_http(true);
    let shared = yard.server.get_or_init(connect).with_timeout(Duration::from_millis(assignment.times.call_timeout_ms));
    let client = shared.with_token(assignment.start_token.clone());
    let request = StartRequest { uid: uid.to_owned(), nonce: SystemRng.uuid() };
    let mut backoff = Backoff::new("start", assignment.times.call_retry_max_ms, &SystemRng);
    loop {
        match client.start(of, &request).await {
            Ok(started) => {
                let limit = Duration::from_millis(started.times.call_timeout_ms);
                let client = client.with_token(started.attempt_token.clone().into()).with_timeout(limit);
                return Ok((client, started));
            }
            Err(error) if error.is_final() => return Err(refused(yard, of, &error)),
            Err(error) => sleep(backoff.failed(&error)).await,
        }
    }
}

impl Agent<'_> {
    fn backoff(&self, what: &'static str) -> Backoff {
        Backoff::new(what, self.started.times.call_retry_max_ms, &SystemRng)
    }

    /// Once it is answered nobody else can start the attempt.
    async fn first_beat(&self) -> Result<(), Exit> {
        let request = HeartbeatRequest { phase: Phase::Starting, cancel_known: false, wait_ms: 0, usage: None, progress: None };
        let limit = Duration::from_millis(self.started.times.call_timeout_ms);
        let mut backoff = self.backoff("heartbeat");
        loop {
            match self.client.heartbeat(self.of, &request, limit).await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_final() => return Err(refused(self.yard, self.of, &error)),
                Err(error) => sleep(backoff.failed(&error)).await,
            }
        }
    }

    /// Heartbeats for as long as the server has no news.
    async fn beat(&self) -> Ended {
        let hold = Duration::from_millis(self.started.times.heartbeat_hold_ms);
        let limit = hold + Duration::from_millis(self.started.times.call_timeout_ms);
        let wait_ms = self.started.times.heartbeat_hold_ms;
        let request = HeartbeatRequest { phase: Phase::Running, cancel_known: false, wait_ms, usage: None, progress: None };
        let (mut backoff, mut pause) = (self.backoff("heartbeat"), hold / 10);
        let clock = slipway::app::ambient::SystemClock;
        loop {
            let sent = clock.monotonic();
            match self.client.heartbeat(self.of, &request, limit).await {
                Ok(answer) if answer.cancel => return Ended::Stopped(StoppedBy::Cancel),
                Ok(_) if clock.monotonic().saturating_sub(sent) < hold / 2 => {
                    sleep(pause).await;
                    pause = hold.min(pause * 2);
                }
                Ok(_) => pause = hold / 10,
                Err(error) if error.ends_attempt() => return Ended::Over(error),
                Err(error) => sleep(backoff.failed(&error)).await,
            }
        }
    }

    /// Runs the command and tells its end, to the recorder first.
    async fn run(&self) -> Exit {
        let Some(deed) = Deed::read(&self.started.work) else {
            return Exit::fault(self.of, 98, "a simulated pod knows no such command");
        };
        let (pen, counts) = (&self.yard.pen, &self.yard.counts);
        pen.note(self.of, "start", self.uid);
        counts.running.fetch_add(1, Ordering::Relaxed);
        let command = deed.done(&self.yard.go);
        let ended = tokio::select! {
            biased;
            () = command => Ended::Alone,
            () = self.told.cancelled() => Ended::Stopped(StoppedBy::Drain),
            ended = self.beat() => ended,
        };
        counts.running.fetch_sub(1, Ordering::Relaxed);
        if matches!(ended, Ended::Stopped(StoppedBy::Drain)) {
            Counts::add(&counts.disturbed);
        }
        pen.note(self.of, if matches!(ended, Ended::Alone) { "end" } else { "killed" }, self.uid);
        match ended {
            Ended::Alone => self.finish(0, AttemptResult { exit_code: Some(0), ..AttemptResult::default() }).await,
            Ended::Stopped(by) => {
                let result = AttemptResult { signal: Some(15), stopped_by: Some(by), ..AttemptResult::default() };
                self.finish(TERMINATED, result).await
            }
            Ended::Over(error) => refused(self.yard, self.of, &error),
        }
    }

    /// Tells the server the result; where it cannot be told in time it stands in the termination message.
    async fn finish(&self, code: i32, result: AttemptResult) -> Exit {
        let request = FinishRequest::new(result, (0, 0));
        let patience = Duration::from_millis(self.started.times.finish_retry_ms);
        let telling = async {
            let mut backoff = self.backoff("finish");
            loop {
                match self.client.finish(self.of, &request).await {
                    Ok(answer) if answer.settled => return Ok(()),
                    Ok(_) => sleep(Duration::from_millis(self.started.times.log_sync_ms)).await,
                    Err(error) if error.is_final() => return Err(error),
                    Err(error) => sleep(backoff.failed(&error)).await,
                }
            }
        };
        match tokio::time::timeout(patience, telling).await {
            Ok(Ok(())) => Exit::with(self.of, code, &request),
            Ok(Err(error)) if error.ends_attempt() => Exit::with(self.of, 97, &request),
            Ok(Err(_)) | Err(_) => {
                Counts::add(&self.yard.counts.untold);
                Exit::with(self.of, 99, &request)
            }
        }
    }
}
