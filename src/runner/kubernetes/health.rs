//! Whether the glue lives, is ready, and gets on: `/livez`, `/readyz`, `/metrics`.

use super::{meter::Meter, metrics::Metrics, watch::Cache};
use crate::domain::Clock;
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The loop comes round at least so often, or hangs.
const LOOP_LIMIT: Duration = Duration::from_mins(3);
/// A watch hears an event or a bookmark at least so often, or is deaf.
const WATCH_LIMIT: Duration = Duration::from_mins(10);
/// The server is heard at least so often, or is away.
const SERVER_LIMIT: Duration = Duration::from_mins(1);
/// Room without an open claim for so long is trouble.
const STUCK: Duration = Duration::from_mins(2);

/// When what happened last, by the monotonic clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Signs {
    looped: Duration,
    /// When the server answered a heartbeat.
    heard: Option<Duration>,
    /// Whether cluster and server have been compared.
    compared: bool,
    /// Since when there has been room and no open claim.
    idle_since: Option<Duration>,
}

impl Signs {
    /// What keeps the loop from being alive; none where nothing does. An API server away is no reason to start anew.
    fn dead(&self, now: Duration, api: bool, watches: &[((String, String), Duration)]) -> Option<String> {
        let silent = now.saturating_sub(self.looped);
        if silent > LOOP_LIMIT {
            return Some(format!("the loop has not come round for {} s", silent.as_secs()));
        }
        let deaf = watches.iter().find(|(_, age)| api && *age > WATCH_LIMIT);
        deaf.map(|((resource, namespace), age)| format!("the watch of {resource} in {namespace} has been silent for {} s", age.as_secs()))
    }

    /// What keeps it from working.
    fn unready(&self, now: Duration, api: bool, troubles: &[String]) -> Option<String> {
        if !self.compared {
            return Some(troubles.first().cloned().unwrap_or_else(|| "cluster and server have not been compared yet".to_owned()));
        }
        if !api {
            return Some("the API server does not answer".to_owned());
        }
        let away = self.heard.is_none_or(|heard| now.saturating_sub(heard) > SERVER_LIMIT);
        if away { Some("the server does not answer heartbeats".to_owned()) } else { troubles.first().cloned() }
    }

    fn stuck(&self, now: Duration) -> bool {
        self.idle_since.is_some_and(|since| now.saturating_sub(since) >= STUCK)
    }
}

/// Signs of life of the loop.
pub(super) struct Pulse {
    clock: Arc<dyn Clock>,
    signs: Mutex<Signs>,
}

impl Pulse {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        let signs = Mutex::new(Signs { looped: clock.monotonic(), ..Signs::default() });
        Arc::new(Self { clock, signs })
    }

    fn signs(&self) -> MutexGuard<'_, Signs> {
        self.signs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The loop has come round.
    pub(super) fn looped(&self) {
        self.signs().looped = self.clock.monotonic();
    }

    /// The server has answered a heartbeat.
    pub(super) fn heard(&self) {
        self.signs().heard = Some(self.clock.monotonic());
    }

    /// Cluster and server have been compared.
    pub(super) fn compared(&self) {
        self.signs().compared = true;
    }

    /// Whether there is room, and whether a claim is open for it.
    pub(super) fn room(&self, room: bool, claiming: bool) {
        let now = self.clock.monotonic();
        let mut signs = self.signs();
        signs.idle_since = if room && !claiming { signs.idle_since.or(Some(now)) } else { None };
    }
}

/// What the routes read.
#[derive(Clone)]
pub(super) struct Health {
    pub(super) pulse: Arc<Pulse>,
    pub(super) meter: Arc<Meter>,
    pub(super) cache: Arc<Cache>,
    pub(super) metrics: Metrics,
}

type Answer = (StatusCode, String);

fn answer(fault: Option<String>) -> Answer {
    fault.map_or((StatusCode::OK, "ok\n".to_owned()), |fault| (StatusCode::SERVICE_UNAVAILABLE, fault + "\n"))
}

async fn livez(State(health): State<Health>) -> Answer {
    let signs = *health.pulse.signs();
    answer(signs.dead(health.pulse.clock.monotonic(), health.meter.answers(), &health.meter.watch_ages()))
}

async fn readyz(State(health): State<Health>) -> Answer {
    let signs = *health.pulse.signs();
    answer(signs.unready(health.pulse.clock.monotonic(), health.meter.answers(), &health.cache.troubles()))
}

async fn metrics(State(health): State<Health>) -> impl IntoResponse {
    health.metrics.stuck(health.pulse.signs().stuck(health.pulse.clock.monotonic()));
    let text = health.metrics.scrape(&health.cache.phases(), &health.meter.watch_ages());
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
}

pub(super) fn router(health: Health) -> Router {
    Router::new().route("/livez", get(livez)).route("/readyz", get(readyz)).route("/metrics", get(metrics)).with_state(health)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_deaf_watch_is_death_and_an_api_server_away_is_not() {
        let signs = Signs { looped: at(1_000), ..Signs::default() };
        let watch = |age| [(("jobs".to_owned(), "a".to_owned()), at(age))];
        assert_eq!(signs.dead(at(1_000), true, &watch(600)), None);
        assert!(signs.dead(at(1_000), true, &watch(601)).is_some_and(|fault| fault.contains("jobs in a")));
        assert_eq!(signs.dead(at(1_000), false, &watch(601)), None);
        assert!(signs.dead(at(1_181), true, &watch(0)).is_some());
    }

    #[test]
    fn it_is_ready_once_it_has_compared_and_while_both_servers_answer() {
        let fresh = Signs::default();
        assert!(fresh.unready(at(0), true, &["the watch of jobs in a: forbidden".into()]).is_some_and(|why| why.contains("forbidden")));
        let works = Signs { compared: true, heard: Some(at(10)), ..fresh };
        assert_eq!(works.unready(at(70), true, &[]), None);
        assert!(works.unready(at(71), true, &[]).is_some());
        assert!(works.unready(at(70), false, &[]).is_some());
        let idle = Signs { idle_since: Some(at(5)), ..works };
        assert!(idle.stuck(at(125)) && !idle.stuck(at(124)) && !works.stuck(at(500)));
    }
}
