//! Metrics: counters, and gauges that are read when they are scraped. No label ever holds a user's text or
//! a task's id.

use super::{error::ApiResult, state::App};
use crate::{
    domain::order::Amount,
    store::{Tally, TaskEnd},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByQueue {
    queue: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByBudget {
    budget: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByCame {
    queue: String,
    came: &'static str,
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
struct ByWhy {
    why: &'static str,
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
    limit: Family<ByQueue, Gauge>,
    paused: Family<ByQueue, Gauge>,
    oldest: Family<ByQueue, Gauge>,
    estimated: Family<ByCame, Gauge>,
    budget_used: Family<ByBudget, Gauge<f64, AtomicU64>>,
    budget_max: Family<ByBudget, Gauge<f64, AtomicU64>>,
    heard: Family<ByRunner, Gauge>,
    stuck: Family<ByWhy, Gauge>,
    pub(super) log_bytes: Counter,
    pub(super) gap_bytes: Counter,
    requests: Family<ByRequest, Histogram, fn() -> Histogram>,
    pub(super) connections: Gauge,
    dropped: Family<ByWhy, Counter>,
    pub(super) certificate_ends: Gauge,
    pub(super) certificate_stale: Gauge,
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
            limit: Family::default(),
            paused: Family::default(),
            oldest: Family::default(),
            estimated: Family::default(),
            budget_used: Family::default(),
            budget_max: Family::default(),
            heard: Family::default(),
            stuck: Family::default(),
            log_bytes: Counter::default(),
            gap_bytes: Counter::default(),
            requests: Family::new_with_constructor(request_histogram),
            connections: Gauge::default(),
            dropped: Family::default(),
            certificate_ends: Gauge::default(),
            certificate_stale: Gauge::default(),
        };
        {
            let mut r = metrics.registry.lock().unwrap_or_else(PoisonError::into_inner);
            r.register("slipway_build", "The version of the server", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
            r.register("slipway_tasks_submitted", "Tasks submitted", metrics.submitted.clone());
            r.register("slipway_tasks_finished", "Tasks ended, by result and reason code", metrics.finished.clone());
            r.register("slipway_queue_pending", "Tasks waiting or queued, which limits.maxPending bounds", metrics.pending.clone());
            r.register("slipway_queue_waiting", "Of the pending tasks those held back", metrics.waiting.clone());
            r.register("slipway_queue_running", "Tasks with a live attempt", metrics.running.clone());
            r.register("slipway_queue_limit", "The most tasks that run at once, where the queue has a limit", metrics.limit.clone());
            let oldest = "How long the longest has been ready of the tasks first in line; 0 where none is ready";
            r.register("slipway_queue_oldest_pending_seconds", oldest, metrics.oldest.clone());
            let estimated =
                "Starts of which an estimate was told, by when they came: p50 by the time for half, p90 by that for nine of ten, later";
            r.register("slipway_queue_estimated_starts", estimated, metrics.estimated.clone());
            r.register("slipway_budget_used", "What live attempts use of the budget, in what it counts", metrics.budget_used.clone());
            r.register("slipway_budget_max", "The most that they may use", metrics.budget_max.clone());
            r.register("slipway_queue_paused", "1 while nothing is claimed from the queue", metrics.paused.clone());
            r.register("slipway_runner_heartbeat_timestamp_seconds", "When the runner was heard last, Unix time", metrics.heard.clone());
            r.register("slipway_stuck", "What should get on and does not, by why: GET /api/v1/health names it", metrics.stuck.clone());
            r.register("slipway_agent_log_bytes", "Log bytes taken from agents", metrics.log_bytes.clone());
            r.register("slipway_log_gap_bytes", "Log bytes that agents lost", metrics.gap_bytes.clone());
            r.register("http_request_duration_seconds", "Time to the head of the answer, held calls included", metrics.requests.clone());
            r.register("slipway_connections", "Open connections", metrics.connections.clone());
            r.register("slipway_connections_dropped", "Connections refused or ended by the server, by why", metrics.dropped.clone());
            let ends = "When the certificate that the server shows ends, Unix time; 0 without TLS";
            r.register("slipway_tls_certificate_end_timestamp_seconds", ends, metrics.certificate_ends.clone());
            let stale = "1 while the certificate's files hold something that cannot be used";
            r.register("slipway_tls_certificate_stale", stale, metrics.certificate_stale.clone());
        }
        metrics
    }

    pub(super) fn request(&self, method: &str, route: &str, status: u16, took: Duration) {
        // A method may be any word of a caller's; unknown ones are one.
        let method = if METHODS.contains(&method) { method } else { "other" };
        let labels = ByRequest { method: method.to_owned(), route: route.to_owned(), status };
        self.requests.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// A connection was refused, or ended before whoever opened it ended it.
    pub(super) fn dropped(&self, why: &'static str) {
        self.dropped.get_or_create(&ByWhy { why }).inc();
    }

    /// The text of a scrape; gauges are read from the database now.
    pub(super) async fn scrape(&self, app: &App) -> ApiResult<String> {
        let queues = app.store.queues().await?;
        let runners = app.store.runners().await?;
        let budgets = app.store.budgets().await?;
        let mut oldest = Vec::with_capacity(queues.len());
        for queue in &queues {
            // A queue in which nothing is ready has nothing to look for.
            oldest.push(if queue.queued > 0 { app.store.oldest_ready(&queue.name).await? } else { None });
        }
        let up = app.store.uptime().now();
        // Held over all of it, so that a scrape beside this one never meets emptied gauges.
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        self.count(&app.store.changes().tally());
        for family in [&self.pending, &self.waiting, &self.running, &self.limit, &self.paused, &self.oldest] {
            family.clear();
        }
        self.estimated.clear();
        self.budget_used.clear();
        self.budget_max.clear();
        self.heard.clear();
        let int = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        for (queue, oldest) in queues.iter().zip(oldest) {
            let labels = ByQueue { queue: queue.name.to_string() };
            self.pending.get_or_create(&labels).set(int(queue.waiting + queue.queued));
            self.waiting.get_or_create(&labels).set(int(queue.waiting));
            self.running.get_or_create(&labels).set(int(queue.active));
            self.paused.get_or_create(&labels).set(i64::from(queue.paused.is_some()));
            self.oldest.get_or_create(&labels).set(oldest.map_or(0, |since| (up - since).max(0) / 1000));
            if let Some(of) = app.flow.estimates(&queue.name) {
                for (came, count) in [("p50", of.by_p50), ("p90", of.by_p90 - of.by_p50), ("later", of.told - of.by_p90)] {
                    self.estimated.get_or_create(&ByCame { queue: queue.name.to_string(), came }).set(int(count));
                }
            }
            if let Some(limit) = app.queues.get(queue.name.as_str()).and_then(|doc| doc.limits.max_running) {
                self.limit.get_or_create(&labels).set(i64::from(limit));
            }
        }
        for budget in &budgets {
            let labels = ByBudget { budget: budget.name.to_string() };
            let used = budget.queues.iter().map(|share| share.used).sum();
            self.budget_used.get_or_create(&labels).set(units(used));
            self.budget_max.get_or_create(&labels).set(units(budget.rules.max));
        }
        for runner in &runners {
            if let Some(at) = app.seen.at(&runner.name) {
                self.heard.get_or_create(&ByRunner { runner: runner.name.to_string() }).set(at.0 / 1000);
            }
        }
        for (code, count) in app.watchdog.counts() {
            self.stuck.get_or_create(&ByWhy { why: code.as_str() }).set(int(count as u64));
        }
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &registry);
        Ok(text)
    }

    /// Takes over what the store counted.
    fn count(&self, tally: &Tally) {
        let set = |counter: &Counter, count: u64| counter.inner().store(count, Ordering::Relaxed);
        for (queue, count) in &tally.submitted {
            set(&self.submitted.get_or_create(&ByQueue { queue: queue.clone() }), *count);
        }
        for (TaskEnd { queue, state, reason }, count) in &tally.ended {
            let labels = ByEnd { queue: queue.clone(), result: state.clone(), reason: reason.clone() };
            set(&self.finished.get_or_create(&labels), *count);
        }
    }
}

/// An amount as a sample. At most a billion thousandths, which a float holds exactly enough.
#[expect(clippy::cast_precision_loss, reason = "amounts are far below 2^52")]
fn units(amount: Amount) -> f64 {
    amount.0 as f64 / 1000.0
}
