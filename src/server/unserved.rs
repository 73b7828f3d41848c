//! Kinds of objects that the clusters of runners do not take, as each runner said with its last claim, in memory: the queues that
//! name one are left out of that runner's claims, and their tasks are told why they wait.

use super::{orders::Ready, state::App};
use crate::{
    domain::{QueueName, RunnerName, evidence::ApiRefusal},
    wire::{NewQueue, UnservedKind},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// What each runner said last.
#[derive(Default)]
pub(super) struct Unserved(Mutex<BTreeMap<RunnerName, Arc<[UnservedKind]>>>);

impl Unserved {
    /// Notes what a runner says.
    pub(super) fn put(&self, runner: &RunnerName, kinds: &[UnservedKind]) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kinds.is_empty() {
            known.remove(runner);
        } else {
            known.insert(runner.clone(), kinds.into());
        }
    }

    /// How a runner's cluster refuses what a queue makes of its tasks; none where it does not.
    pub(super) fn refusal(&self, runner: &RunnerName, queue: &NewQueue, ready: &Ready) -> Option<ApiRefusal> {
        let (Ready::Object(prepared), Some(object)) = (ready, &queue.object) else { return None };
        let kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(runner)?.clone();
        let same = |known: &&UnservedKind| {
            (object.manifest["apiVersion"] == known.api_version.as_str(), object.manifest["kind"] == known.kind.as_str()) == (true, true)
                && prepared.namespace() == known.namespace
        };
        kinds.iter().find(same).map(|known| known.refusal.clone())
    }
}

impl App {
    /// How the clusters of all the runners that could serve a queue refuse the kind of its object; none where one takes it, or
    /// where no runner on Kubernetes was heard lately.
    pub(super) fn unserved(&self, name: &QueueName) -> Vec<(RunnerName, ApiRefusal)> {
        let Some(queue) = self.queues.get(name.as_str()).filter(|queue| queue.object.is_some()) else { return Vec::new() };
        let mut found = Vec::new();
        for (runner, doc) in self.runners.all() {
            let serves = doc.queues.iter().any(|served| served == "*" || served == name.as_str()) && self.is_heard(&runner);
            let Some(offer) = doc.cluster.as_ref().filter(|_| serves) else { continue };
            if let Ok(ready) = &*self.templates.prepare((&runner, &doc), offer, (name, &queue), None) {
                match self.unserved.refusal(&runner, &queue, ready) {
                    Some(refusal) => found.push((runner, refusal)),
                    None => return Vec::new(),
                }
            }
        }
        found
    }
}
