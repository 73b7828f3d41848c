//! Rules on the nodes that are there: how many take such a pod, and what keeps the others from it.

use super::{
    Findings, Level, containers, devices,
    fit::{offered, repels, requests, room, selects},
};
use crate::{
    domain::{Node, did_you_mean},
    template::{
        gpu::{self, Device, PRODUCT, SLICED},
        pointer::below,
    },
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The label in which NVIDIA's MIG manager says how far it is.
const MIG_STATE: &str = "nvidia.com/mig.config.state";

pub(super) fn rules(template: &Value, nodes: &[Node], found: &mut Findings<'_>) {
    let spec = &template["spec"];
    let requests = requests(template);
    if nodes.is_empty() {
        found.add(Level::Warning, "NeverFits", "/spec", "0 nodes", "the cluster has no nodes now", "an autoscaler may bring some");
        return;
    }
    let selected: Vec<&Node> = nodes.iter().filter(|node| selects(spec, node)).collect();
    if selected.is_empty() {
        unselected(template, nodes, found);
        advertised(template, &requests, nodes, found);
        return;
    }
    let open: Vec<&Node> = selected.iter().copied().filter(|node| repels(spec, node).is_none()).collect();
    if open.is_empty() {
        repelled(spec, &selected, found);
        return;
    }
    let ready: Vec<&Node> = open.iter().copied().filter(|node| node.ready && !node.cordoned).collect();
    let fitting: Vec<&Node> = ready.iter().copied().filter(|node| room(node, &requests) > 0).collect();
    for node in &open {
        mig_state(node, &requests, found);
    }
    if ready.is_empty() {
        let names = few(open.iter().map(|node| node.name.as_str()));
        found.add(
            Level::Warning,
            "NodesNotReady",
            "/spec",
            names,
            "every node that would take such a pod is closed or not ready",
            "kubectl get nodes",
        );
    } else if fitting.is_empty() {
        too_large(template, &requests, &ready, nodes, found);
    } else {
        let most: u64 = fitting.iter().map(|node| room(node, &requests)).fold(0, u64::saturating_add);
        let message = format!("fits on {} of {} nodes, {most} such pods at once if they were empty", fitting.len(), nodes.len());
        found.add(Level::Info, "Fits", "/spec", few(fitting.iter().map(|node| node.name.as_str())), message, "");
    }
}

/// At most three names, and how many more.
fn few<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<&str> = names.collect();
    let more = all.len().saturating_sub(3);
    let shown = all.iter().take(3).copied().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

/// No node has the labels asked for: which of them, and what the nodes have instead.
fn unselected(template: &Value, nodes: &[Node], found: &mut Findings<'_>) {
    let before = found.list.len();
    for (key, value) in template["spec"]["nodeSelector"].as_object().into_iter().flatten() {
        missing(&below("/spec/nodeSelector", key), key, value.as_str().unwrap_or_default(), nodes, found);
    }
    for (at, product) in devices::products(template).into_iter().filter(|(at, _)| !at.starts_with("/spec/nodeSelector")) {
        missing(&at, PRODUCT, &product, nodes, found);
    }
    if found.list.len() == before {
        let message = "no node has all of what node selector, affinity and node name ask for together";
        found.add(Level::Error, "NoNodeMatchesSelector", "/spec", format!("0 of {} nodes", nodes.len()), message, "loosen one of them");
    }
}

/// A label that no node has with this value.
fn missing(at: &str, key: &str, value: &str, nodes: &[Node], found: &mut Findings<'_>) {
    let values: BTreeSet<&str> = nodes.iter().filter_map(|node| node.labels.get(key)).map(String::as_str).collect();
    if values.contains(value) {
        return;
    }
    if values.is_empty() {
        let keys: BTreeSet<&str> = nodes.iter().flat_map(|node| node.labels.keys()).map(String::as_str).collect();
        let near =
            did_you_mean(key, keys).map_or_else(|| "kubectl get nodes --show-labels".to_owned(), |near| format!("nodes have {near}"));
        found.add(Level::Error, "NoNodeMatchesSelector", at, format!("{key}={value}"), format!("no node has a label {key}"), near);
        return;
    }
    // Newer plugins put the vendor before the product, and divided GPUs have their slice behind it.
    let alike =
        |has: &&&str| has.ends_with(&format!("-{value}")) || value.ends_with(&format!("-{has}")) || has.split(SLICED).next() == Some(value);
    let near = values.iter().find(alike).copied().or_else(|| did_you_mean(value, values.iter().copied()));
    let message = match near {
        Some(near) => format!("no node has {key}={value}; nodes say {near}"),
        None => format!("no node has {key}={value}; there are {}", few(values.iter().copied())),
    };
    let fix = near.map(|near| format!("{key}: {near}")).unwrap_or_default();
    found.add(Level::Error, "NoNodeMatchesSelector", at, value, message, fix);
}

/// Devices that no node at all offers, where the selector already lets no node through.
fn advertised(template: &Value, requests: &BTreeMap<String, u128>, nodes: &[Node], found: &mut Findings<'_>) {
    for resource in requests.keys().filter(|resource| gpu::device(resource).is_some()) {
        if !nodes.iter().any(|node| offered(node, resource) > 0) {
            not_offered(&place(template, resource), resource, nodes, found);
        }
    }
}

/// Every node that has the labels is tainted.
fn repelled(spec: &Value, selected: &[&Node], found: &mut Findings<'_>) {
    let taints: BTreeSet<String> = selected.iter().filter_map(|node| repels(spec, node)).map(ToString::to_string).collect();
    let first = selected.iter().find_map(|node| repels(spec, node));
    let fix =
        first.map(|taint| format!("tolerations: [{{key: {}, operator: Exists, effect: {}}}]", taint.key, taint.effect)).unwrap_or_default();
    let message = format!("{} nodes match, and all of them have taints that the pod does not tolerate", selected.len());
    found.add(Level::Error, "UntoleratedTaint", "/spec/tolerations", few(taints.iter().map(String::as_str)), message, fix);
}

/// No node is large enough even if it were empty: what is missing, and the nearest.
fn too_large(template: &Value, requests: &BTreeMap<String, u128>, ready: &[&Node], nodes: &[Node], found: &mut Findings<'_>) {
    let before = found.list.len();
    for (resource, amount) in requests {
        let largest = ready.iter().max_by_key(|node| offered(node, resource));
        let Some(largest) = largest.filter(|node| offered(node, resource) < *amount) else { continue };
        if offered(largest, resource) == 0 && gpu::device(resource).is_some() {
            let labelled = ready.iter().find(|node| node.labels.contains_key(PRODUCT) && resource.starts_with("nvidia.com/gpu"));
            match labelled {
                Some(node) => {
                    let message = format!(
                        "its labels say {}, and it offers no {resource}: its device plugin is down, or its GPUs are divided",
                        node.labels[PRODUCT]
                    );
                    found.add(
                        Level::Error,
                        "LabelWithoutDevices",
                        &place(template, resource),
                        &node.name,
                        message,
                        format!("kubectl describe node {}", node.name),
                    );
                }
                None => not_offered(&place(template, resource), resource, nodes, found),
            }
            continue;
        }
        let has = largest.allocatable.get(resource).map_or("none", String::as_str);
        let message = format!("no matching node offers so much {resource}; the largest, {}, has {has}", largest.name);
        found.add(
            Level::Error,
            "NeverFits",
            &place(template, resource),
            format!("{resource}: {}", shown(*amount)),
            message,
            "ask for less, or for other nodes",
        );
    }
    if found.list.len() == before {
        let message = "each amount is offered by some matching node, but no node offers all of them together";
        found.add(Level::Error, "NeverFits", "/spec", format!("0 of {} nodes", ready.len()), message, "ask for less, or for other nodes");
    }
}

/// Thousandths as an amount.
fn shown(amount: u128) -> String {
    if amount.is_multiple_of(1_000) { (amount / 1_000).to_string() } else { format!("{amount}m") }
}

/// Where a pod asks for a resource.
fn place(template: &Value, resource: &str) -> String {
    let asks = |(at, container): (String, &Value)| {
        let kind = ["limits", "requests"].into_iter().find(|kind| container["resources"][kind].get(resource).is_some())?;
        Some(below(&format!("{at}/resources/{kind}"), resource))
    };
    containers(template).find_map(asks).unwrap_or_else(|| "/spec".to_owned())
}

/// A device under a name that no node offers.
fn not_offered(at: &str, resource: &str, nodes: &[Node], found: &mut Findings<'_>) {
    let is_slice = matches!(gpu::device(resource), Some(Device::Slice(_)));
    let domain = resource.split('/').next().unwrap_or_default();
    let offers: BTreeSet<&str> = nodes
        .iter()
        .flat_map(|node| node.allocatable.keys().filter(|name| name.starts_with(domain) && offered(node, name) > 0))
        .map(String::as_str)
        .collect();
    let code = if is_slice { "MigProfileNotAdvertised" } else { "DeviceNotAdvertised" };
    let instead = if offers.is_empty() {
        "they offer no such devices at all".to_owned()
    } else {
        format!("they offer {}", few(offers.iter().copied()))
    };
    let single = nodes.iter().filter_map(|node| node.labels.get(PRODUCT)).any(|product| product.contains(SLICED));
    let fix = match () {
        () if is_slice && single => {
            "the nodes are divided by the strategy single: select their product, …-MIG-…, and ask for nvidia.com/gpu: 1"
        }
        () if is_slice => "an admin labels a node nvidia.com/mig.config=all-<profile>, with the strategy mixed",
        () => "install the vendor's device plugin, or ask for what is offered",
    };
    found.add(Level::Error, code, at, resource, format!("none of {} nodes offers it; {instead}", nodes.len()), fix);
}

/// A node whose GPUs are being divided anew.
fn mig_state(node: &Node, requests: &BTreeMap<String, u128>, found: &mut Findings<'_>) {
    let needs = requests.keys().any(|resource| resource.starts_with("nvidia.com/"));
    if let Some(state) = node.labels.get(MIG_STATE).filter(|state| needs && *state != "success") {
        let message = format!("the GPUs of {} are being divided anew, or that failed", node.name);
        found.add(
            Level::Warning,
            "MigNotReady",
            "/spec",
            format!("{MIG_STATE}={state}"),
            message,
            format!("kubectl describe node {}", node.name),
        );
    }
}
