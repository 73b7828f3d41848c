//! Whether a pod fits on a node that is empty: what the scheduler would say, by the same rules.

use super::{containers, text};
use crate::domain::{Node, Taint, thousandths};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a pod takes from a node, in thousandths by resource: the sum of what runs at once, or the largest that comes before.
pub(super) fn requests(template: &Value) -> BTreeMap<String, u128> {
    let mut sum = BTreeMap::new();
    let mut largest: BTreeMap<String, u128> = BTreeMap::new();
    for (at, container) in containers(template) {
        let own = asked(container);
        // An init container with Always runs beside the others to the end.
        let beside = !at.starts_with("/spec/initContainers") || container["restartPolicy"] == "Always";
        for (resource, amount) in own {
            if beside {
                *sum.entry(resource).or_default() += amount;
            } else {
                let most = largest.entry(resource).or_default();
                *most = amount.max(*most);
            }
        }
    }
    for (resource, amount) in largest {
        let most: &mut u128 = sum.entry(resource).or_default();
        *most = amount.max(*most);
    }
    for (resource, amount) in template["spec"]["overhead"].as_object().into_iter().flatten() {
        *sum.entry(resource.clone()).or_default() += thousandths(&text(amount)).unwrap_or(0);
    }
    sum.retain(|_, amount| *amount > 0);
    sum
}

/// The requests of a container; where it has only a limit, that is the request.
fn asked(container: &Value) -> BTreeMap<String, u128> {
    let mut asked = BTreeMap::new();
    for kind in ["limits", "requests"] {
        for (resource, amount) in container["resources"][kind].as_object().into_iter().flatten() {
            asked.insert(resource.clone(), thousandths(&text(amount)).unwrap_or(0));
        }
    }
    asked
}

/// What a node offers of a resource, in thousandths.
pub(super) fn offered(node: &Node, resource: &str) -> u128 {
    node.allocatable.get(resource).and_then(|amount| thousandths(amount)).unwrap_or(0)
}

/// How many such pods an empty node holds.
pub(super) fn room(node: &Node, requests: &BTreeMap<String, u128>) -> u64 {
    let pods = offered(node, "pods") / 1_000;
    let by_resource = requests.iter().map(|(resource, amount)| offered(node, resource) / amount);
    let most = by_resource.chain((pods > 0).then_some(pods)).min().unwrap_or(0);
    u64::try_from(most).unwrap_or(u64::MAX)
}

/// Whether a pod may go to a node by name, selector and required affinity.
pub(super) fn selects(spec: &Value, node: &Node) -> bool {
    if spec["nodeName"].as_str().is_some_and(|name| name != node.name) {
        return false;
    }
    let mut pairs = spec["nodeSelector"].as_object().into_iter().flatten();
    if !pairs.all(|(key, value)| node.labels.get(key).is_some_and(|label| value == label)) {
        return false;
    }
    let terms = &spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"];
    terms.as_array().is_none_or(|terms| terms.iter().any(|term| is_met(term, node)))
}

/// All of a term holds; an empty one holds for no node.
fn is_met(term: &Value, node: &Node) -> bool {
    let part = |field: &str| term[field].as_array().into_iter().flatten();
    let mut labels = part("matchExpressions").map(|e| holds(e, e["key"].as_str().and_then(|key| node.labels.get(key)).map(String::as_str)));
    let mut fields = part("matchFields").map(|e| e["key"] == "metadata.name" && holds(e, Some(&node.name)));
    part("matchExpressions").chain(part("matchFields")).next().is_some() && labels.all(|fine| fine) && fields.all(|fine| fine)
}

/// One expression, of the value that the node has.
fn holds(expression: &Value, has: Option<&str>) -> bool {
    let mut values = expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let number = |text: &str| text.parse::<i64>().ok();
    match expression["operator"].as_str() {
        Some("In") => has.is_some_and(|has| values.any(|value| value == has)),
        Some("NotIn") => has.is_none_or(|has| values.all(|value| value != has)),
        Some("Exists") => has.is_some(),
        Some("DoesNotExist") => has.is_none(),
        Some("Gt") => has.and_then(number).zip(values.next().and_then(number)).is_some_and(|(has, value)| has > value),
        Some("Lt") => has.and_then(number).zip(values.next().and_then(number)).is_some_and(|(has, value)| has < value),
        _ => false,
    }
}

/// The first taint of a node that keeps a pod away.
pub(super) fn repels<'a>(spec: &Value, node: &'a Node) -> Option<&'a Taint> {
    node.taints.iter().filter(|taint| taint.effect != "PreferNoSchedule").find(|taint| !is_tolerated(spec, taint))
}

fn is_tolerated(spec: &Value, taint: &Taint) -> bool {
    spec["tolerations"].as_array().into_iter().flatten().any(|toleration| {
        let effect = toleration["effect"].as_str().unwrap_or_default();
        if !effect.is_empty() && effect != taint.effect {
            return false;
        }
        let key = toleration["key"].as_str().unwrap_or_default();
        match toleration["operator"].as_str() {
            Some("Exists") => key.is_empty() || key == taint.key,
            _ => key == taint.key && toleration["value"].as_str().unwrap_or_default() == taint.value,
        }
    })
}
