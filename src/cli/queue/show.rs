//! `slipway queue ls`, `slipway queue get`

use super::pod;
use crate::{
    cli::{
        context::Context,
        exit::{Exit, Failure},
        span::{age, between, span},
        style::{Tone, clean, paint},
        table::{Table, cell},
    },
    wire::{KeepJobs, Paused, Queue, QueueList, QueueName, Retention, Timestamp},
};
use std::time::Duration;

/// Lists queues.
pub(super) async fn ls(context: &Context) -> Result<Exit, Failure> {
    let queues = context.client()?.queues().await?;
    if queues.items.is_empty() && context.common.output.is_none() {
        context.console.note("No queues. Create one: slipway queue apply -f queue.yaml");
        return Ok(Exit::Ok);
    }
    let names = |list: &QueueList| list.items.iter().map(|queue| queue.name.to_string()).collect();
    let now = context.now();
    context.print(&queues, names, |list| table(&list.items, now).render(context.headers(), context.width()))?;
    Ok(Exit::Ok)
}

/// Shows one queue.
pub(super) async fn get(context: &Context, name: &QueueName) -> Result<Exit, Failure> {
    let queue = context.client()?.queue(name).await?;
    context.print(&queue, |queue| vec![queue.name.to_string()], |queue| block(queue, context.now()))?;
    Ok(Exit::Ok)
}

fn table(queues: &[Queue], now: Timestamp) -> Table {
    let rows = queues
        .iter()
        .map(|queue| {
            vec![
                cell(&queue.name),
                state(queue),
                cell(queue.counts.waiting),
                cell(queue.counts.queued),
                cell(queue.counts.active),
                note(queue, now),
            ]
        })
        .collect();
    Table::new(&["QUEUE", "STATE", "WAITING", "QUEUED", "ACTIVE", "NOTE"], rows)
}

/// Why it is paused, else what it is for, else what its pods ask for.
fn note(queue: &Queue, now: Timestamp) -> crate::cli::table::Cell {
    let paused = queue.paused.as_ref().map(|paused| since(paused, now));
    cell(paused.or_else(|| queue.description.clone()).or_else(|| pod::devices(queue)).unwrap_or_default())
}

fn state(queue: &Queue) -> crate::cli::table::Cell {
    if queue.paused.is_some() { cell("paused").tone(Tone::Warn) } else { cell("open") }
}

/// `by lena 20m ago: driver update`.
fn since(paused: &Paused, now: Timestamp) -> String {
    let reason = paused.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("paused by {} {} ago{reason}", paused.by, age(between(paused.at, now)))
}

fn block(queue: &Queue, now: Timestamp) -> String {
    let mut lines = Vec::new();
    let mut field = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            lines.push(format!("{}{value}\n", paint(Tone::Faint, &format!("{name:<12}"))));
        }
    };
    let seconds = |s: u64| span(Duration::from_secs(s));
    let defaults = &queue.defaults;
    field("queue", Some(paint(Tone::Strong, queue.name.as_str())));
    field("about", queue.description.as_deref().map(clean));
    field("state", Some(queue.paused.as_ref().map_or_else(|| "open".to_owned(), |paused| clean(&since(paused, now)))));
    field("tasks", Some(format!("{} active, {} queued, {} waiting", queue.counts.active, queue.counts.queued, queue.counts.waiting)));
    field("image", pod::image(queue).map(clean));
    field("devices", pod::devices(queue).map(|devices| clean(&devices)));
    field("command", queue.use_image_entrypoint.then(|| "its image's".to_owned()));
    field("template", queue.pod_template.as_ref().map(|_| format!("its own; all of it: slipway queue get {} -o yaml", queue.name)));
    field("time limit", defaults.timeout_seconds.map(seconds));
    field("grace", defaults.grace_seconds.map(seconds));
    field("retries", defaults.retries.map(|retries| format!("{} user, {} infra", retries.user, retries.infra)));
    field("env", Some(defaults.env.iter().map(|(k, v)| crate::cli::style::shell(&[format!("{k}={v}")])).collect::<Vec<_>>().join(" ")));
    field("log limit", queue.limits.log_bytes.map(|bytes| format!("{bytes} bytes")));
    field("no place", pending(queue));
    let kept = |kept: KeepJobs| format!("{} after a success, {} after a failure", seconds(kept.success), seconds(kept.failure));
    field("jobs stay", queue.keep_jobs_seconds.map(kept));
    field("keeps", kept_of(&queue.retention));
    field("revision", Some(queue.revision.to_string()));
    field("changed", Some(format!("{:.0}  ({} ago)", queue.updated_at, age(between(queue.updated_at, now)))));
    lines.concat()
}

/// What is kept of its ended tasks, where not everything is.
fn kept_of(retention: &Retention) -> Option<String> {
    let rule = |what: &str, days: Option<u32>, count: Option<u32>| {
        let bounds = [days.map(|n| format!("{n} days")), count.map(|n| format!("the newest {n}"))];
        let told: Vec<String> = bounds.into_iter().flatten().collect();
        (!told.is_empty()).then(|| format!("{what} {}", told.join(" and of ")))
    };
    let (tasks, logs, events) = (retention.tasks, retention.logs, retention.events);
    let rules = [rule("tasks", tasks.days, tasks.count), rule("logs", logs.days, logs.count), rule("events", events.days, None)];
    let told: Vec<String> = rules.into_iter().flatten().collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// What becomes of attempts whose pods find no place.
fn pending(queue: &Queue) -> Option<String> {
    let after = |what: &str, s: u64| format!("{what} after {}", span(Duration::from_secs(s)));
    let returned = queue.pending_timeout_seconds.map(|s| after("given back", s));
    let failed = queue.fail_pending_after_seconds.map(|s| after("fails", s));
    let told: Vec<String> = returned.into_iter().chain(failed).collect();
    (!told.is_empty()).then(|| told.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::testing::{NOW, queue},
        wire::Keep,
    };

    #[test]
    fn queues_are_read_at_a_glance() {
        let now = NOW.parse().unwrap();
        let at = "2026-11-20T09:02:41Z".parse().unwrap();
        let mut gpu = queue("gpu-a100", 4);
        gpu.paused = Some(Paused { by: "lena".into(), reason: Some("driver update".into()), at });
        gpu.defaults.timeout_seconds = Some(3_600);
        gpu.defaults.env.insert("A".into(), "b c".into());
        let mut mig = queue("mig", 2);
        mig.description = None;
        mig.defaults.image = Some("python:3.12".into());
        mig.pod_template = Some(serde_json::json!({"spec": {"containers": [
            {"name": "proxy", "image": "envoy"},
            {"name": "task", "resources": {"limits": {"nvidia.com/mig-1g.10gb": 1, "rdma/hca": "2", "memory": "8Gi"}}},
        ]}}));
        mig.use_image_entrypoint = true;
        mig.fail_pending_after_seconds = Some(7200);
        mig.retention.tasks = Keep { days: Some(90), count: Some(10_000) };
        mig.retention.logs.days = Some(30);
        mig.keep_jobs_seconds = Some(KeepJobs { success: 60, failure: 86_400 });
        let table = table(&[queue("default", 1), gpu.clone(), mig.clone()], now).render(true, None);
        let all = [table, block(&gpu, now), block(&mig, now)].join("\n");
        insta::assert_snapshot!(anstream::adapter::strip_str(&all).to_string());
    }
}
