//! The scheduler's sentence: `0/12 nodes are available: 3 Insufficient nvidia.com/gpu, 4 node(s) had untolerated taint {…}.
//! preemption: …`. There is no structured form of it.

use super::{
    ReasonClass::{self, Change, Escalate, Wait},
    catalogue::entry,
    text::{Words, line},
};
use crate::domain::state::Reason;

/// Why some nodes do not take the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rejection {
    /// The code.
    pub(super) code: Reason,
    /// What it asks for.
    pub(super) class: ReasonClass,
    /// One sentence for people.
    pub(super) message: String,
    /// The next step, where the code's own is none here.
    pub(super) hint: Option<&'static str>,
    /// Whether these nodes are the control plane's own, where no work belongs.
    pub(super) control_plane: bool,
}

/// Reads the sentence. Parts that ask for the same are one rejection.
pub(super) fn rejections(message: &str) -> Vec<Rejection> {
    // What preemption or other plugins add speaks of the same nodes once more.
    let told =
        ["preemption:", "no new claims to deallocate"].iter().fold(message, |text, mark| text.split(mark).next().unwrap_or_default());
    let (total, body) = match told.split_once("nodes are available:") {
        Some((count, body)) => (count.trim().rsplit('/').next().and_then(|n| n.parse::<u32>().ok()), body),
        None => (None, told),
    };
    let mut read: Vec<Part> = Vec::new();
    for part in parts(body).map(Part::read) {
        match read.iter_mut().find(|same| part.what.is_some() && same.what == part.what && same.code == part.code) {
            Some(same) => same.nodes = same.nodes.zip(part.nodes).map(|(one, other)| one.saturating_add(other)),
            None => read.push(part),
        }
    }
    let mut found: Vec<Rejection> = Vec::new();
    for part in read {
        let rejection = part.rejection(total);
        match found.iter_mut().find(|f| (f.code, f.class, f.control_plane) == (rejection.code, rejection.class, rejection.control_plane)) {
            Some(same) => same.message = format!("{}; {}", same.message, rejection.message),
            None => found.push(rejection),
        }
    }
    found
}

/// The parts between commas; a comma inside a part is not followed by a number.
fn parts(body: &str) -> impl Iterator<Item = &str> {
    let mut parts = Vec::new();
    let mut from = 0;
    for (at, comma) in body.match_indices(", ") {
        let next = &body[at + comma.len()..];
        if next.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(' ') && next.starts_with(|c: char| c.is_ascii_digit()) {
            parts.push(&body[from..at]);
            from = at + comma.len();
        }
    }
    parts.push(&body[from..]);
    parts.into_iter().map(|part| part.trim().trim_end_matches(['.', ',', ' '])).filter(|part| !part.is_empty())
}

/// One part of the sentence.
struct Part<'a> {
    nodes: Option<u32>,
    text: &'a str,
    code: Reason,
    class: ReasonClass,
    /// A predicate of `N nodes` where ours is better than the scheduler's.
    what: Option<String>,
    hint: Option<&'static str>,
}

impl<'a> Part<'a> {
    fn read(part: &'a str) -> Self {
        let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (nodes, text) = match part[..digits].parse::<u32>() {
            Ok(nodes) if part[digits..].starts_with(' ') => (Some(nodes), part[digits..].trim_start()),
            _ => (None, part),
        };
        let (code, class, what) = classify(text);
        let hint = (code == Reason::UntoleratedTaint && class == Escalate).then(|| {
            let cordoned = what.as_deref() == Some(CORDONED);
            if cordoned {
                "Let it take pods again once its work is done: kubectl uncordon NODE"
            } else {
                "See what is wrong with the nodes: kubectl describe nodes"
            }
        });
        Self { nodes, text, code, class, what, hint }
    }

    /// What it says of so many nodes in all.
    fn rejection(self, total: Option<u32>) -> Rejection {
        let Self { nodes, text, code, class, what, hint } = self;
        let who = match (nodes, total) {
            (Some(nodes), Some(total)) if nodes == total && total > 1 => format!("All {total} nodes"),
            (Some(nodes), Some(total)) => format!("{nodes} of {total} nodes"),
            (Some(nodes), None) => format!("{nodes} nodes"),
            (None, _) => String::new(),
        };
        let message = match (who.as_str(), what) {
            ("", _) => line(text).to_owned(),
            (who, Some(what)) => format!("{who} {what}"),
            (who, None) => format!("{who}: {}", line(text.trim_start_matches("node(s) "))),
        };
        let control_plane =
            ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"].iter().any(|taint| text.contains(taint));
        Rejection { code, class, message, hint, control_plane }
    }
}

/// What nodes are that an administrator keeps pods off.
const CORDONED: &str = "are cordoned";

/// The code of one part, with a predicate of `N nodes` where ours is better than the scheduler's.
fn classify(text: &str) -> (Reason, ReasonClass, Option<String>) {
    use Reason as R;
    let plain = |code: Reason| (code, entry(code).class, None);
    if let Some(resource) = text.strip_prefix("Insufficient ") {
        let code = insufficient(resource);
        return (code, Wait, Some(format!("have too little {} free", line(resource))));
    }
    let words = Words::of(text);
    if words.any(&["taint"]) {
        return taint(text);
    }
    if words.any(&["were unschedulable"]) {
        return (R::UntoleratedTaint, Escalate, Some(CORDONED.to_owned()));
    }
    if words.any(&["node affinity/selector", "node selector", "requested node name", "node affinity"]) && !words.any(&["volume"]) {
        return (R::NoNodeMatchesSelector, Change, Some("do not carry the labels that the pod asks for".to_owned()));
    }
    if words.any(&["affinity rules", "topology spread", "anti-affinity"]) {
        return (R::AffinityUnsatisfied, Change, Some("cannot meet the pod's rules of affinity or spread".to_owned()));
    }
    if words.any(&["volume node affinity conflict", "no available volume zone"]) {
        return (R::ZoneConflict, Escalate, Some("cannot reach the pod's volume".to_owned()));
    }
    if words.any(&["max volume count", "free ports", "already in-use by another pod", "cannot allocate all claims"]) {
        return plain(R::InsufficientResource);
    }
    if words.any(&["persistentvolume", "persistent volume", "pvc(s)", "free storage", "storageclass"]) {
        return plain(R::VolumeUnbound);
    }
    if words.any(&["too many pods"]) {
        return (R::TooManyPods, Wait, Some("have as many pods as they may".to_owned()));
    }
    if words.any(&["no nodes available to schedule pods"]) {
        return (R::Unschedulable, Escalate, None);
    }
    plain(R::Unschedulable)
}

/// A taint that says a node is out of order or set aside is an administrator's; others can be tolerated.
fn taint(text: &str) -> (Reason, ReasonClass, Option<String>) {
    let taint = text.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(taint, _)| taint.trim_end_matches([' ', ':']));
    let by_kubernetes =
        taint.is_some_and(|taint| taint.starts_with("node.kubernetes.io/") || taint.starts_with("node.cloudprovider.kubernetes.io/"));
    let class = if by_kubernetes { Escalate } else { Change };
    let what = match taint {
        Some(taint) => format!("bear the taint {}, which the pod does not tolerate", line(taint)),
        None => "bear taints that the pod does not tolerate".to_owned(),
    };
    (Reason::UntoleratedTaint, class, Some(what))
}

/// The code for a resource that is used up.
pub(super) fn insufficient(resource: &str) -> Reason {
    const DEVICES: [&str; 6] = ["nvidia.com/", "amd.com/", "gpu.intel.com/", "habana.ai/", "google.com/tpu", "aws.amazon.com/neuron"];
    match resource {
        "cpu" => Reason::InsufficientCpu,
        "memory" => Reason::InsufficientMemory,
        "ephemeral-storage" => Reason::InsufficientStorage,
        "pods" => Reason::TooManyPods,
        other if DEVICES.iter().any(|vendor| other.starts_with(vendor)) || other.contains("gpu") => Reason::InsufficientGpu,
        _ => Reason::InsufficientResource,
    }
}
