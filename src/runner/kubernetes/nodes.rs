//! The nodes of the cluster, told to the server where the glue may read them: they decide which queues' pods ever fit.

use super::{cluster::Cluster, watch::PAGE};
use crate::{
    client::Client,
    domain::{Node, Taint},
    wire::{NodesReport, RunnerName, limits},
};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Node as Seen;
use kube::{
    Api,
    runtime::{WatchStreamExt, watcher, watcher::Event},
};
use std::{collections::BTreeMap, pin::pin, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval};
use uuid::Uuid;

/// How long changes are gathered before they are told.
const GATHER: Duration = Duration::from_secs(2);
/// How long the server may know nothing after a restart of it.
const AGAIN: Duration = Duration::from_mins(1);

/// Watches the nodes and tells the server, for ever.
pub(super) async fn tell(cluster: Cluster, server: Client, name: RunnerName, instance: Uuid) {
    let api: Api<Seen> = Api::all(cluster.client.clone());
    let mut stream = pin!(watcher(api, watcher::Config::default().page_size(PAGE)).default_backoff());
    let mut ticks = interval(GATHER);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known = Known::default();
    let mut troubled = false;
    loop {
        tokio::select! {
            event = stream.next() => match event {
                Some(Ok(event)) => {
                    troubled = false;
                    known.take(event);
                }
                Some(Err(error)) if !troubled => {
                    tracing::warn!(%error, "cannot watch the nodes; trying on. The right: slipway glue rbac --nodes");
                    troubled = true;
                }
                Some(Err(_)) => {}
                None => return,
            },
            _ = ticks.tick() => {
                if let Some(nodes) = known.due() {
                    match server.report_nodes(&name, &NodesReport { instance, nodes }).await {
                        Ok(()) => known.told = Some(Instant::now()),
                        // The glue's own calls say what there is to say; this one is made again.
                        Err(error) => tracing::debug!(%error, "telling the nodes"),
                    }
                }
            }
        }
    }
}

/// The nodes as they were seen last.
#[derive(Default)]
struct Known {
    nodes: BTreeMap<String, Node>,
    /// A list under way, in place of which the old one stands until it is whole.
    list: Option<BTreeMap<String, Node>>,
    /// Whether there was a whole list.
    complete: bool,
    /// When they were told last; none where they have changed since.
    told: Option<Instant>,
}

impl Known {
    fn take(&mut self, event: Event<Seen>) {
        match event {
            Event::Init => self.list = Some(BTreeMap::new()),
            Event::InitApply(node) => {
                let node = read(node);
                self.list.get_or_insert_default().insert(node.name.clone(), node);
            }
            Event::InitDone => {
                let list = self.list.take().unwrap_or_default();
                if !self.complete || list != self.nodes {
                    self.told = None;
                }
                (self.nodes, self.complete) = (list, true);
            }
            Event::Apply(node) => {
                // A node's heartbeat changes nothing that is told.
                let node = read(node);
                if self.nodes.get(&node.name) != Some(&node) {
                    self.nodes.insert(node.name.clone(), node);
                    self.told = None;
                }
            }
            Event::Delete(node) => {
                if self.nodes.remove(node.metadata.name.as_deref().unwrap_or_default()).is_some() {
                    self.told = None;
                }
            }
        }
    }

    /// The nodes, where they are to be told.
    fn due(&self) -> Option<Vec<Node>> {
        let due = self.told.is_none_or(|at| at.elapsed() >= AGAIN);
        (self.complete && due).then(|| self.nodes.values().take(limits::MAX_NODES).cloned().collect())
    }
}

/// What is told of a node.
fn read(node: Seen) -> Node {
    let (spec, status) = (node.spec.unwrap_or_default(), node.status.unwrap_or_default());
    let taint =
        |taint: k8s_openapi::api::core::v1::Taint| Taint { key: taint.key, value: taint.value.unwrap_or_default(), effect: taint.effect };
    Node {
        name: node.metadata.name.unwrap_or_default(),
        labels: node.metadata.labels.unwrap_or_default().into_iter().collect(),
        allocatable: status.allocatable.unwrap_or_default().into_iter().map(|(resource, amount)| (resource, amount.0)).collect(),
        taints: spec.taints.unwrap_or_default().into_iter().map(taint).collect(),
        ready: status.conditions.unwrap_or_default().iter().any(|condition| condition.type_ == "Ready" && condition.status == "True"),
        cordoned: spec.unschedulable.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn seen(name: &str, gpus: &str, beat: &str) -> Seen {
        serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {"zone": "a"}},
            "spec": {"taints": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}], "unschedulable": true},
            "status": {"allocatable": {"nvidia.com/gpu": gpus}, "conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": beat}]},
        }))
        .unwrap()
    }

    #[test]
    fn only_what_changed_is_told() {
        let mut known = Known::default();
        known.take(Event::Init);
        known.take(Event::InitApply(seen("a", "8", "2026-11-24T10:00:00Z")));
        assert_eq!(known.due(), None, "half a list");
        known.take(Event::InitDone);
        let told = known.due().unwrap();
        assert!(told[0].ready && told[0].cordoned && told[0].taints[0].to_string() == "nvidia.com/gpu:NoSchedule");
        known.told = Some(Instant::now());
        known.take(Event::Apply(seen("a", "8", "2026-11-24T10:05:00Z")));
        assert_eq!(known.due(), None, "a heartbeat");
        known.take(Event::Apply(seen("a", "7", "2026-11-24T10:06:00Z")));
        assert_eq!(known.due().unwrap()[0].allocatable["nvidia.com/gpu"], "7");
        known.told = Some(Instant::now());
        known.take(Event::Delete(seen("a", "7", "2026-11-24T10:06:00Z")));
        assert_eq!(known.due(), Some(Vec::new()));
        known.told = Some(Instant::now());
        for event in [Event::Init, Event::InitDone] {
            known.take(event);
        }
        assert_eq!(known.due(), None, "the same list again");
    }
}
