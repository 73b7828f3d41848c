//! What a glue counts, and the text of a scrape.

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByRequest {
    verb: &'static str,
    resource: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByPhase {
    phase: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByWatch {
    resource: String,
    namespace: String,
}

type Seconds = Gauge<f64, AtomicU64>;

/// A glue's counters and gauges.
#[derive(Clone)]
pub(super) struct Metrics {
    registry: Arc<Mutex<Registry>>,
    requests: Family<ByRequest, Counter>,
    /// Attempts claimed.
    pub(super) claimed: Counter,
    /// Jobs created.
    pub(super) created: Counter,
    /// Jobs deleted.
    pub(super) deleted: Counter,
    /// Attempts given back.
    pub(super) returned: Counter,
    reconcile: Histogram,
    pods: Family<ByPhase, Gauge>,
    watches: Family<ByWatch, Seconds>,
    /// Objects that the server does not know.
    pub(super) strange: Gauge,
    stuck: Gauge,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let metrics = Self {
            registry: Arc::default(),
            requests: Family::default(),
            claimed: Counter::default(),
            created: Counter::default(),
            deleted: Counter::default(),
            returned: Counter::default(),
            reconcile: Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0]),
            pods: Family::default(),
            watches: Family::default(),
            strange: Gauge::default(),
            stuck: Gauge::default(),
        };
        let mut r = metrics.registry.lock().unwrap_or_else(PoisonError::into_inner);
        r.register(
            "slipway_glue_api_requests",
            "Requests to the API server, by verb, resource and status; 0 is none",
            metrics.requests.clone(),
        );
        r.register("slipway_glue_claimed", "Attempts claimed", metrics.claimed.clone());
        r.register("slipway_glue_jobs_created", "Jobs created", metrics.created.clone());
        r.register("slipway_glue_jobs_deleted", "Jobs deleted", metrics.deleted.clone());
        r.register("slipway_glue_returned", "Attempts given back to the server", metrics.returned.clone());
        r.register("slipway_glue_reconcile_seconds", "Time of one comparison of server and cluster", metrics.reconcile.clone());
        r.register("slipway_glue_pods", "Pods of this glue, by phase", metrics.pods.clone());
        r.register("slipway_glue_watch_age_seconds", "Silence of each watch", metrics.watches.clone());
        r.register("slipway_glue_strange", "Attempts in the cluster that the server does not know", metrics.strange.clone());
        r.register("slipway_glue_stuck", "1 while there is room and work, and nothing is claimed for two minutes", metrics.stuck.clone());
        drop(r);
        metrics
    }

    pub(super) fn request(&self, verb: &'static str, resource: &str, status: u16) {
        self.requests.get_or_create(&ByRequest { verb, resource: resource.to_owned(), status }).inc();
    }

    pub(super) fn reconciled(&self, took: Duration) {
        self.reconcile.observe(took.as_secs_f64());
    }

    pub(super) fn stuck(&self, stuck: bool) {
        self.stuck.set(i64::from(stuck));
    }

    /// The text of a scrape, with gauges as they stand now.
    pub(super) fn scrape(&self, pods: &BTreeMap<String, i64>, watches: &[((String, String), Duration)]) -> String {
        // Held over all of it, so that a scrape beside this one never meets emptied gauges.
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        self.pods.clear();
        for (phase, count) in pods {
            self.pods.get_or_create(&ByPhase { phase: phase.clone() }).set(*count);
        }
        for ((resource, namespace), age) in watches {
            let watch = ByWatch { resource: resource.clone(), namespace: namespace.clone() };
            self.watches.get_or_create(&watch).set(age.as_secs_f64());
        }
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &registry);
        text
    }
}
