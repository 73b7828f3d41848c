//! `slipway nodes`

use super::{
    context::{Common, Context},
    exit::{Exit, Failure},
    style::Tone,
    table::{Cell, Table, cell},
};
use crate::wire::{Node, NodeList, RunnerNodes};

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway nodes                   the machines of all clusters, and what they offer
  slipway nodes -o json | jq '.items[].nodes[].labels'

A glue tells them where its file says readNodes: true and it has the right:
  slipway glue rbac -n NAMESPACE --nodes | kubectl apply -f -
It asks its cluster about each queue where its file says checkQueues: true, with the rights of
  slipway glue rbac -n NAMESPACE --check | kubectl apply -f -";

/// The arguments of `nodes`.
#[derive(Clone, Debug, clap::Args)]
pub struct NodesArgs {
    #[command(flatten)]
    pub(super) common: Common,
}

/// Lists nodes.
pub(super) async fn run(_args: NodesArgs, context: &Context) -> Result<Exit, Failure> {
    let nodes = context.client()?.nodes().await?;
    if nodes.items.is_empty() && context.asked().is_none() {
        context.console.note("No runner tells its nodes. Let a glue do it: readNodes: true, and slipway glue rbac --nodes");
        return Ok(Exit::Ok);
    }
    let names = |list: &NodeList| list.items.iter().flat_map(|of| &of.nodes).map(|node| node.name.clone()).collect();
    context.print(&nodes, names, |list| table(&list.items).render(context.headers(), context.width()))?;
    Ok(Exit::Ok)
}

fn table(all: &[RunnerNodes]) -> Table {
    let row = |of: &RunnerNodes, node: &Node| {
        let amount = |resource: &str| cell(node.allocatable.get(resource).map(|text| readable(text)).unwrap_or_default());
        vec![
            cell(&node.name),
            state(node),
            cell(
                node.labels
                    .get("nvidia.com/gpu.product")
                    .or_else(|| node.labels.get("amd.com/gpu.product-name"))
                    .cloned()
                    .unwrap_or_default(),
            ),
            cell(devices(node)),
            amount("cpu"),
            amount("memory"),
            cell(of.cluster.clone().unwrap_or_else(|| of.runner.to_string())),
            cell(node.taints.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        ]
    };
    let rows = all.iter().flat_map(|of| of.nodes.iter().map(move |node| row(of, node))).collect();
    Table::new(&["NODE", "STATE", "PRODUCT", "DEVICES", "CPU", "MEMORY", "CLUSTER", "TAINTS"], rows)
}

fn state(node: &Node) -> Cell {
    match (node.ready, node.cordoned) {
        (false, _) => cell("not ready").tone(Tone::Warn),
        (true, true) => cell("cordoned").tone(Tone::Warn),
        (true, false) => cell("ready"),
    }
}

/// What a node has besides processors, memory, disk and places for pods: `8 nvidia.com/gpu`.
fn devices(node: &Node) -> String {
    let plain = |resource: &str| !resource.contains('/') || resource.starts_with("hugepages-");
    let devices = node.allocatable.iter().filter(|(resource, amount)| !plain(resource) && *amount != "0");
    devices.map(|(resource, amount)| format!("{amount} {resource}")).collect::<Vec<_>>().join(", ")
}

/// Memory comes in Ki, which nobody reads: `263_921_532Ki` is `251Gi`.
fn readable(text: &str) -> String {
    match text.strip_suffix("Ki").and_then(|digits| digits.parse::<u64>().ok()) {
        Some(kib) if kib >= 1 << 20 => format!("{}Gi", kib >> 20),
        Some(kib) if kib >= 1 << 10 => format!("{}Mi", kib >> 10),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::testing::NOW, wire::Taint};

    #[test]
    fn machines_show_what_they_offer() {
        let pairs = |all: &[(&str, &str)]| all.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let gpu = Node {
            name: "gpu-1".into(),
            labels: pairs(&[("nvidia.com/gpu.product", "NVIDIA-H100-80GB-HBM3")]),
            allocatable: pairs(&[
                ("cpu", "95500m"),
                ("memory", "1056312320Ki"),
                ("nvidia.com/gpu", "8"),
                ("nvidia.com/mig-1g.10gb", "0"),
                ("pods", "110"),
            ]),
            taints: vec![Taint { key: "nvidia.com/gpu".into(), value: "present".into(), effect: "NoSchedule".into() }],
            ready: true,
            cordoned: false,
        };
        let mut closed =
            Node { name: "cpu-1".into(), allocatable: pairs(&[("cpu", "8"), ("memory", "900000Ki")]), ready: true, ..Node::default() };
        closed.cordoned = true;
        let down = Node { name: "cpu-2".into(), ..Node::default() };
        let of = RunnerNodes {
            runner: "prod".parse().unwrap(),
            cluster: Some("eu-1".into()),
            at: NOW.parse().unwrap(),
            nodes: vec![gpu, closed, down],
        };
        insta::assert_snapshot!(anstream::adapter::strip_str(&table(&[of]).render(true, None)).to_string());
    }
}
