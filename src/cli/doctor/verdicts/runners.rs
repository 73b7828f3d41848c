//! Who serves the queues.

use super::seen;
use crate::{
    cli::{
        doctor::{
            facts::Facts,
            report::{Check, Line},
        },
        span::{age, between},
    },
    domain::reasons,
    wire::{Queue, Runner, Stuck, Timestamp},
};

/// Runners are heard every 10 s; one that is silent for longer than this is not at work.
const SILENT_SECONDS: u64 = 60;

/// Whether a runner was heard lately.
pub(in super::super) fn is_alive(runner: &Runner, now: Timestamp) -> bool {
    runner.seen_at.is_some_and(|at| between(at, now).as_secs() <= SILENT_SECONDS)
}

/// Whether a runner could ever take a task of a queue.
fn serves(runner: &Runner, queue: &Queue) -> bool {
    let of_cluster = queue.pod_template.is_some() || queue.use_image_entrypoint || queue.object.is_some();
    let named = runner.queues.iter().any(|name| name == "*" || name == queue.name.as_str());
    named && (runner.kind == "kubernetes" || !of_cluster)
}

/// Runners are alive, and every queue has one.
pub(super) fn runners(facts: &Facts) -> Vec<Line> {
    let check = Check::Runners;
    let runners = match seen(check, facts.runners.as_ref()) {
        Ok(runners) => runners,
        Err(line) => return vec![line],
    };
    let (alive, silent): (Vec<&Runner>, Vec<&Runner>) = runners.iter().partition(|runner| is_alive(runner, facts.there()));
    let mut lines = Vec::new();
    if alive.is_empty() {
        let seen = if runners.is_empty() { "no runner has ever registered" } else { "no runner was heard for a minute" };
        lines.push(Line::fail(check, seen, "start one: slipway runner, or slipway glue in a cluster (the chart's glue.enabled)"));
    } else {
        let names: Vec<_> =
            alive.iter().map(|runner| format!("{} ({}, {}/{} busy)", runner.name, runner.kind, runner.active, runner.slots)).collect();
        lines.push(Line::ok(check, format!("{} at work: {}", alive.len(), few(&names))));
    }
    for runner in silent {
        let heard = runner
            .seen_at
            .map_or("not heard since the server started".to_owned(), |at| format!("silent for {}", age(between(at, facts.there()))));
        let fix = "see whether it runs and reaches the server; one that is gone for good does no harm";
        lines.push(Line::warn(check, heard, fix).about(&runner.name));
    }
    for runner in &alive {
        let Some(unknown) = runner.state.as_ref().and_then(|state| state.cluster.as_ref()?.unknown.as_ref()) else { continue };
        let seen = format!("{} Jobs in its cluster are of no task that the server knows: {}", unknown.count, few(&unknown.named));
        lines.push(Line::warn(check, seen, "look at them, then: slipway admin reap --config GLUE.yaml").about(&runner.name));
    }
    let none = Vec::new();
    let queues = facts.queues.as_ref().and_then(|queues| queues.as_ref().ok()).unwrap_or(&none);
    for queue in queues.iter().map(|looked| &looked.queue) {
        if alive.is_empty() || alive.iter().any(|runner| serves(runner, queue)) {
            continue;
        }
        let waiting = queue.counts.queued + queue.counts.waiting;
        let fix = format!("let a runner serve it: its queues, or slipway runner --queues {}", queue.name);
        let line = if waiting > 0 {
            Line::fail(check, format!("no runner at work serves this queue, and {waiting} of its tasks wait"), fix)
        } else {
            Line::warn(check, "no runner at work serves this queue", fix)
        };
        lines.push(line.about(&queue.name));
    }
    lines
}

/// What the server finds stuck.
pub(super) fn stuck(facts: &Facts) -> Vec<Line> {
    let check = Check::Stuck;
    let health = match seen(check, facts.health.as_ref()) {
        Ok(health) => health,
        Err(line) => return vec![line],
    };
    if health.stuck.is_empty() {
        return vec![Line::ok(check, "everything gets on")];
    }
    let line = |stuck: &Stuck| {
        let since = format!("{}, {} ago: {}", stuck.code, age(between(stuck.since, facts.there())), stuck.message);
        let fix = reasons::entry(stuck.code).hint;
        let line = Line::fail(check, since, stuck.task.map_or(fix.to_owned(), |task| fix.replace("TASK", &task.to_string())));
        match (&stuck.task, &stuck.queue) {
            (Some(task), _) if stuck.attempt.is_some() => line.about(task),
            (_, Some(queue)) => line.about(queue),
            _ => line.about(&stuck.runner),
        }
    };
    health.stuck.iter().map(line).collect()
}

/// The first few of many, and how many more there are.
pub(super) fn few(all: &[String]) -> String {
    const MANY: usize = 5;
    let shown = all.iter().take(MANY).cloned().collect::<Vec<_>>().join(", ");
    if all.len() > MANY { format!("{shown} and {} more", all.len() - MANY) } else { shown }
}
