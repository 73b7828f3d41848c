//! How queues stand and go: what runs them, how many run at once, how long the last ones waited.

use super::render::sample;
use crate::{
    domain::{QueueName, RunnerName},
    server::{convert, orders, state::App, tasks::intake},
    store::QueueRecord,
    template::{self, Facts},
    wire::{self, NewQueue, QueueRunner, QueueStats, RegisterRequest, timestamp},
};
use std::sync::Arc;

impl App {
    /// A queue, with what only the memory of this server knows.
    pub(in crate::server) fn queue(&self, record: &QueueRecord) -> wire::Queue {
        let name = &record.name;
        let (mut runners, mut places) = (Vec::new(), None);
        if let Some(queue) = self.queues.get(name.as_str()) {
            for (runner, doc) in self.runners.all() {
                let serves = doc.queues.iter().any(|served| served == "*" || served == name.as_str());
                if !serves || doc.cluster.is_none() && queue.asks_for_pods() {
                    continue;
                }
                let heard = self.is_heard(&runner);
                if heard && let Some(more) = self.places((&runner, &doc), (name, &queue)) {
                    places = Some(more.saturating_add(places.unwrap_or(0)));
                }
                runners.push(QueueRunner { seen_at: self.seen.at(&runner).map(timestamp), name: runner, heard });
            }
        }
        let stats = QueueStats {
            gpus: record.gpus,
            places,
            waits: self.flow.waits(name),
            starts: self.flow.starts(name, self.now()),
            estimates: self.flow.estimates(name),
            runners,
        };
        wire::Queue { stats: Some(stats), ..convert::queue(record) }
    }

    /// How many tasks of a queue a runner carries at once, where nothing else runs there; none where nobody knows.
    fn places(&self, (runner, doc): (&RunnerName, &Arc<RegisterRequest>), (name, queue): (&QueueName, &Arc<NewQueue>)) -> Option<u64> {
        let slots = u64::from(doc.slots);
        let Some(offer) = &doc.cluster else { return Some(slots) };
        let (_, nodes) = self.nodes.of(runner).filter(|_| queue.object.is_none())?;
        let prepared = self.templates.prepare((runner, doc), offer, (name, queue), None);
        let spec = intake::spec(sample(queue), "sample", name.clone(), queue).ok()?;
        let facts = Facts { runner: Some(runner.as_str()), ..orders::facts(&spec, "sample", queue) };
        let made = prepared.as_ref().as_ref().ok()?.render(&orders::layer(&spec, queue, facts)).ok()?;
        Some(template::places(&made.manifest, &nodes).min(slots))
    }
}
