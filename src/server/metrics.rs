//! Metrics: counters fed by the log of events, gauges read when they are scraped. No label ever holds a user's text or
//! a task's id.

use super::{error::ApiResult, state::App};
use crate::{
    domain::EventId,
    store::{EventFilter, EventRecord},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByQueue {
    queue: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByEnd {
    queue: String,
    result: String,
    reason: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByRunner {
    runner: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByRequest {
    method: String,
    route: String,
    status: u16,
}

pub(super) struct Metrics {
    registry: Mutex<Registry>,
    submitted: Family<ByQueue, Counter>,
    finished: Family<ByEnd, Counter>,
    pending: Family<ByQueue, Gauge>,
    waiting: Family<ByQueue, Gauge>,
    running: Family<ByQueue, Gauge>,
    paused: Family<ByQueue, Gauge>,
    heard: Family<ByRunner, Gauge>,
    pub(super) log_bytes: Counter,
    pub(super) gap_bytes: Counter,
    requests: Family<ByRequest, Histogram, fn() -> Histogram>,
}

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/// From a read in memory to a long poll.
fn request_histogram() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0])
}

impl Metrics {
    pub(super) fn new() -> Self {
        let metrics = Self {
            registry: Mutex::default(),
            submitted: Family::default(),
            finished: Family::default(),
            pending: Family::default(),
            waiting: Family::default(),
            running: Family::default(),
            paused: Family::default(),
            heard: Family::default(),
            log_bytes: Counter::default(),
            gap_bytes: Counter::default(),
            requests: Family::new_with_constructor(request_histogram),
        };
        {
            let mut r = metrics.registry.lock().unwrap_or_else(PoisonError::into_inner);
            r.register("slipway_build", "The version of the server", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
            r.register("slipway_tasks_submitted", "Tasks submitted", metrics.submitted.clone());
            r.register("slipway_tasks_finished", "Tasks ended, by result and reason code", metrics.finished.clone());
            r.register("slipway_queue_pending", "Tasks ready to be claimed", metrics.pending.clone());
            r.register("slipway_queue_waiting", "Tasks held back", metrics.waiting.clone());
            r.register("slipway_queue_running", "Tasks with a live attempt", metrics.running.clone());
            r.register("slipway_queue_paused", "1 while nothing is claimed from the queue", metrics.paused.clone());
            r.register("slipway_runner_heartbeat_timestamp_seconds", "When the runner was heard last, Unix time", metrics.heard.clone());
            r.register("slipway_agent_log_bytes", "Log bytes taken from agents", metrics.log_bytes.clone());
            r.register("slipway_log_gap_bytes", "Log bytes that agents lost", metrics.gap_bytes.clone());
            r.register("http_request_duration_seconds", "Time to the head of the answer, held calls included", metrics.requests.clone());
        }
        metrics
    }

    pub(super) fn request(&self, method: &str, route: &str, status: u16, took: Duration) {
        // A method may be any word of a caller's; unknown ones are one.
        let method = if METHODS.contains(&method) { method } else { "other" };
        let labels = ByRequest { method: method.to_owned(), route: route.to_owned(), status };
        self.requests.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// The text of a scrape; gauges are read from the database now.
    pub(super) async fn scrape(&self, app: &App) -> ApiResult<String> {
        let queues = app.store.queues().await?;
        let runners = app.store.runners().await?;
        // Held over all of it, so that a scrape beside this one never meets emptied gauges.
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        for family in [&self.pending, &self.waiting, &self.running, &self.paused] {
            family.clear();
        }
        self.heard.clear();
        let int = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        for queue in &queues {
            let labels = ByQueue { queue: queue.name.to_string() };
            self.pending.get_or_create(&labels).set(int(queue.queued));
            self.waiting.get_or_create(&labels).set(int(queue.waiting));
            self.running.get_or_create(&labels).set(int(queue.active));
            self.paused.get_or_create(&labels).set(i64::from(queue.paused.is_some()));
        }
        for runner in &runners {
            if let Some(at) = app.seen.at(&runner.name) {
                self.heard.get_or_create(&ByRunner { runner: runner.name.to_string() }).set(at.0 / 1000);
            }
        }
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &registry);
        Ok(text)
    }

    fn count(&self, event: &EventRecord) {
        let text = |name: &str| event.data.get(name).and_then(|v| v.as_str()).unwrap_or("").to_owned();
        match event.kind.as_str() {
            "task.submitted" => {
                self.submitted.get_or_create(&ByQueue { queue: text("queue") }).inc();
            }
            "task.ended" => {
                let labels = ByEnd { queue: text("queue"), result: text("state"), reason: text("reason") };
                self.finished.get_or_create(&labels).inc();
            }
            _ => {}
        }
    }
}

/// Counts what happens from now on, from the same log that clients watch.
pub(super) async fn follow(app: App) {
    let mut newest = app.store.changes().events();
    let mut cursor = EventId(*newest.borrow_and_update());
    loop {
        tokio::select! {
            () = app.stop().cancelled() => return,
            changed = newest.changed() => if changed.is_err() { return },
        }
        loop {
            match app.store.events_after(cursor, &EventFilter::default(), 1000).await {
                Ok(events) => {
                    for event in &events {
                        app.metrics.count(event);
                    }
                    let Some(last) = events.last() else { break };
                    cursor = last.id;
                }
                Err(error) => {
                    tracing::error!(%error, "events could not be counted");
                    break;
                }
            }
        }
        // Counting can lag a little, and then reads many events at once.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
