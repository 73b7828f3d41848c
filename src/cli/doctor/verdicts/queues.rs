//! What queues make, and what clusters say of it.

use super::{runners::few, seen};
use crate::{
    cli::doctor::{
        facts::{Facts, Looked},
        report::{Check, Line},
    },
    template::{Fault, of_fault},
    wire::{Level, Queue, Rendering, Runner, TemplateFinding},
};

/// The check that a finding belongs to.
fn check_of(finding: &TemplateFinding) -> Check {
    match finding.code.as_ref() {
        _ if finding.pointer.contains("/imagePullSecrets/") => Check::PullSecret,
        "PodSecurityViolation" => Check::Security,
        "NeverFits" | "NoNodeMatchesSelector" | "UntoleratedTaint" | "DeviceNotAdvertised" | "MigProfileNotAdvertised" | "MigNotReady" => {
            Check::Capacity
        }
        _ => Check::Queues,
    }
}

/// Everything about the objects of queues that belongs to this check.
pub(super) fn queues(check: Check, facts: &Facts) -> Vec<Line> {
    let queues = match seen(check, facts.queues.as_ref()) {
        Ok(queues) => queues,
        Err(line) => return vec![line],
    };
    let mut lines = Vec::new();
    let mut looked = Vec::new();
    for Looked { queue, rendered } in queues {
        match seen(check, Some(rendered)) {
            Ok(items) => {
                let items: Vec<_> = items.iter().filter(|item| item.runner.is_some()).collect();
                lines.extend(found(check, &items, is_for_pods(queue)).map(|line| line.about(&queue.name)));
                looked.extend(items);
            }
            // Once is enough, by the check that is about the queues themselves.
            Err(line) if check == Check::Queues => lines.push(line.about(&queue.name)),
            Err(_) => {}
        }
    }
    if lines.is_empty() { vec![nothing_found(check, facts, queues.len(), &looked)] } else { lines }
}

/// Whether a queue is meant for pods, or has tasks that wait for them: one that says nothing of them, as `default` does when it is
/// made, harms nobody where it cannot be rendered.
fn is_for_pods(queue: &Queue) -> bool {
    let says = queue.pod_template.is_some() || queue.use_image_entrypoint || queue.object.is_some() || queue.defaults.image.is_some();
    says || queue.counts.queued + queue.counts.waiting > 0
}

/// What is said of one queue. It fails where no cluster takes what it makes, and it is meant for them.
fn found(check: Check, items: &[&Rendering], for_pods: bool) -> impl Iterator<Item = Line> {
    let of_item = |item: &&Rendering| -> Vec<TemplateFinding> {
        let faults = item.faults.iter().map(|fault| of_fault(Fault { pointer: fault.pointer.clone(), message: fault.message.clone() }));
        let all = faults.chain(item.findings.iter().cloned());
        all.filter(|finding| finding.level != Level::Info && check_of(finding) == check).collect()
    };
    let by_item: Vec<_> = items.iter().map(of_item).collect();
    let everywhere =
        for_pods && !by_item.is_empty() && by_item.iter().all(|found| found.iter().any(|finding| finding.level == Level::Error));
    let mut distinct: Vec<(TemplateFinding, Vec<String>)> = Vec::new();
    for (item, findings) in items.iter().zip(by_item) {
        let cluster = item.cluster.clone().or_else(|| item.runner.as_ref().map(ToString::to_string)).unwrap_or_default();
        for finding in findings {
            match distinct.iter_mut().find(|(known, _)| *known == finding) {
                Some((_, clusters)) => clusters.push(cluster.clone()),
                None => distinct.push((finding, vec![cluster.clone()])),
            }
        }
    }
    distinct.into_iter().map(move |(finding, clusters)| {
        let TemplateFinding { level, code, found, message, fix, said, pointer, .. } = finding;
        let what = if found.is_empty() { String::new() } else { format!(" {found}") };
        let seen = format!("{code}{what} on {}: {message}", few(&clusters));
        let fix =
            [fix, said].into_iter().find(|text| !text.is_empty()).unwrap_or_else(|| format!("change {pointer} of the queue's template"));
        if level == Level::Error && everywhere { Line::fail(check, seen, fix) } else { Line::warn(check, seen, fix) }
    })
}

/// What to say where nothing was found: that all is well, or that nobody looked.
fn nothing_found(check: Check, facts: &Facts, queues: usize, looked: &[&Rendering]) -> Line {
    let (asked, on_nodes) = (|item: &&&Rendering| item.checked_at.is_some(), |item: &&&Rendering| item.nodes_at.is_some());
    if looked.is_empty() {
        return Line::skip(check, format!("none of {queues} queues is served by a glue"));
    }
    let count = |n: usize| if n == 1 { "1 object".to_owned() } else { format!("{n} objects") };
    let checked = looked.iter().filter(asked).count();
    let unasked = looked.len() - checked;
    let named = looked.iter().filter(|item| pull_secrets(item) > 0).count();
    let pending = unasked > 0 && all_check(facts);
    let unchecked = || {
        let line = Line::skip(check, format!("of {} the cluster was not asked", count(unasked)));
        if pending { line.unless("ask again in a minute: the glue has not come to all of them") } else { line.unless(ASK) }
    };
    match check {
        Check::Capacity if looked.iter().filter(on_nodes).count() == 0 => Line::skip(check, "no glue tells its nodes")
            .unless("readNodes: true in the glue's file (glue.readNodes of the chart), with slipway glue rbac --nodes"),
        Check::Capacity => Line::ok(
            check,
            format!("{} made by queues, and nodes that offer what they ask for", count(looked.iter().filter(on_nodes).count())),
        ),
        Check::PullSecret if named == 0 => Line::skip(check, "no queue names a Secret for pulling images"),
        _ if unasked > 0 => unchecked(),
        Check::Queues => Line::ok(check, format!("{} made by queues, all taken by their clusters in a dry run", count(checked))),
        Check::Security => {
            Line::ok(check, format!("{} made by queues, all with pods that pass Pod Security where they are to stand", count(checked)))
        }
        _ => Line::ok(check, format!("{} with Secrets for pulling images, all of which are there", count(named))),
    }
}

const ASK: &str = "checkQueues: true in the glue's file (glue.checkQueues of the chart), with slipway glue rbac --check";

/// Whether all glues ask their clusters about queues.
fn all_check(facts: &Facts) -> bool {
    let runners = facts.runners.as_ref().and_then(|runners| runners.as_ref().ok());
    let glues = |runner: &&Runner| runner.kind == "kubernetes";
    runners.is_some_and(|all| all.iter().filter(glues).all(|glue| glue.footing.as_ref().is_some_and(|footing| footing.checks_queues)))
}

fn pull_secrets(item: &Rendering) -> usize {
    let manifest = item.manifest.as_ref();
    let named = manifest.and_then(|manifest| manifest.pointer("/spec/template/spec/imagePullSecrets")?.as_array().map(Vec::len));
    named.unwrap_or(0)
}
