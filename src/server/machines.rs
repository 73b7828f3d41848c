//! What runners without a cluster have: whether a task is too large for all of them.

use super::state::App;
use crate::{
    domain::{QueueName, RunnerName},
    wire::NewQueue,
};

impl App {
    /// The runners at work that serve a queue with the GPUs of each, most first, where all are machines and none has as many as a task
    /// needs; none where one has, where a cluster serves it, or nobody does.
    pub(super) fn too_small(&self, name: &QueueName, queue: &NewQueue, gpus: u32) -> Option<Vec<(RunnerName, u32)>> {
        if gpus == 0 || queue.asks_for_pods() {
            return None;
        }
        let mut machines = Vec::new();
        for (runner, doc) in self.runners.all() {
            let serves = doc.queues.iter().any(|served| served == "*" || served == name.as_str());
            if !serves || !self.is_heard(&runner) {
                continue;
            }
            if doc.cluster.is_some() || doc.gpus >= gpus {
                return None;
            }
            machines.push((runner, doc.gpus));
        }
        machines.sort_by_key(|(_, gpus)| std::cmp::Reverse(*gpus));
        (!machines.is_empty()).then_some(machines)
    }
}
