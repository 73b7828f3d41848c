//! `slipway queue ls`, `slipway queue get`

use super::{flow, pod};
use crate::{
    cli::{
        budget::word,
        context::Context,
        exit::{Exit, Failure},
        span::{age, between, span},
        style::{Tone, clean, paint},
        table::{Cell, Table, cell},
    },
    wire::{Amount, Budget, BudgetName, BudgetShare, KeepJobs, Paused, Queue, QueueList, QueueName, Retention, Timestamp, Waits},
};
use std::time::Duration;

/// Lists queues.
pub(super) async fn ls(context: &Context) -> Result<Exit, Failure> {
    let queues = context.client()?.queues().await?;
    if queues.items.is_empty() && context.asked().is_none() {
        context.console.note("No queues. Create one: slipway queue apply -f queue.yaml");
        return Ok(Exit::Ok);
    }
    let names = |list: &QueueList| list.items.iter().map(|queue| queue.name.to_string()).collect();
    let now = context.now();
    context.print(&queues, names, |list| {
        table(&list.items, now, context.console.terminal().unicode, context.width()).render(context.headers(), context.width())
    })?;
    Ok(Exit::Ok)
}

/// Shows one queue.
pub(super) async fn get(context: &Context, name: &QueueName) -> Result<Exit, Failure> {
    let client = context.client()?;
    let queue = client.queue(name).await?;
    // Budgets are objects of their own; only people want both at once.
    let asks = context.format().is_for_people() && !queue.budgets.is_empty();
    let budgets = if asks { client.budgets().await?.items } else { Vec::new() };
    context.print(&queue, |queue| vec![queue.name.to_string()], |queue| block(queue, &budgets, context.now()))?;
    Ok(Exit::Ok)
}

/// A terminal that is narrower than this gets fewer columns.
const ROOMY: u16 = 120;

fn table(queues: &[Queue], now: Timestamp, unicode: bool, width: Option<u16>) -> Table {
    let roomy = width.is_none_or(|width| width >= ROOMY);
    let row = |queue: &Queue| {
        let stats = queue.stats.clone().unwrap_or_default();
        let mut cells = vec![
            cell(&queue.name),
            state(queue),
            cell(queue.counts.waiting + queue.counts.queued),
            cell(queue.counts.active),
            cell(flow::limit(queue).map(|limit| limit.to_string()).unwrap_or_default()),
            flow::taken(queue, unicode),
            cell(flow::waits(&stats)),
        ];
        if roomy {
            cells.extend([cell(flow::gpus(&stats)), cell(flow::course(&stats, unicode)), flow::runners(&stats, now)]);
        }
        cells.push(note(queue, now));
        cells
    };
    let rows = queues.iter().map(row).collect();
    if roomy {
        Table::new(&["QUEUE", "STATE", "PENDING", "RUNNING", "LIMIT", "TAKEN", "WAIT", "GPUS", "LAST 6H", "RUNNER", "NOTE"], rows)
    } else {
        Table::new(&["QUEUE", "STATE", "PENDING", "RUNNING", "LIMIT", "TAKEN", "WAIT", "NOTE"], rows)
    }
}

/// Who halted it, when and why, else what it is for, else what its pods ask for.
fn note(queue: &Queue, now: Timestamp) -> Cell {
    let halted: Vec<String> = halts(queue).map(|(_, halt)| format!("{}, {}", halt.by, since(halt, now))).collect();
    let halted = (!halted.is_empty()).then(|| halted.join("; "));
    cell(halted.or_else(|| queue.description.clone()).or_else(|| pod::devices(queue)).unwrap_or_default())
}

/// `paused`, `draining`, both, or `open`.
fn state(queue: &Queue) -> Cell {
    let halted: Vec<&str> = halts(queue).map(|(how, _)| how).collect();
    if halted.is_empty() { cell("open") } else { cell(halted.join(", ")).tone(Tone::Warn) }
}

fn halts(queue: &Queue) -> impl Iterator<Item = (&'static str, &Paused)> {
    [("paused", &queue.paused), ("draining", &queue.draining)].into_iter().filter_map(|(how, halt)| Some((how, halt.as_ref()?)))
}

/// `20m ago: driver update`.
fn since(halt: &Paused, now: Timestamp) -> String {
    let reason = halt.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{} ago{reason}", age(between(halt.at, now)))
}

fn block(queue: &Queue, budgets: &[Budget], now: Timestamp) -> String {
    let mut lines = Vec::new();
    let mut field = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            lines.push(format!("{}{value}\n", paint(Tone::Faint, &format!("{name:<14}"))));
        }
    };
    let seconds = |s: u64| span(Duration::from_secs(s));
    let defaults = &queue.defaults;
    field("queue", Some(paint(Tone::Strong, queue.name.as_str())));
    field("about", queue.description.as_deref().map(clean));
    let halted: Vec<String> = halts(queue).map(|(how, halt)| clean(&format!("{how} ({}) {}", halt.by, since(halt, now)))).collect();
    field("state", Some(if halted.is_empty() { "open".to_owned() } else { halted.join("; ") }));
    field("tasks", Some(format!("{} active, {} queued, {} waiting", queue.counts.active, queue.counts.queued, queue.counts.waiting)));
    field("limits", Some(limits(queue)));
    if let Some(stats) = &queue.stats {
        field("runners", Some(stats.runners.iter().map(|runner| runner.name.to_string()).collect::<Vec<_>>().join(", ")));
        field("places", stats.places.map(|places| places.to_string()));
        field("gpus in use", Some(flow::gpus(stats)));
        let of = |waits: Waits| format!("{}: half and nine of ten of the last {}", flow::waits(stats), waits.of);
        field("waits", stats.waits.map(of));
        field("estimates", flow::estimates(stats));
    }
    field("weight", queue.weight.map(|weight| weight.to_string()));
    let weights = queue.user_weights.iter().map(|(user, weight)| clean(&format!("{user} {weight}")));
    field("user weights", Some(weights.collect::<Vec<_>>().join(", ")));
    for (name, share) in &queue.budgets {
        field("budget", Some(drawn(queue, name, *share, budgets)));
    }
    field("image", pod::image(queue).map(clean));
    field("devices", pod::devices(queue).map(|devices| clean(&devices)));
    field("command", queue.use_image_entrypoint.then(|| "its image's".to_owned()));
    field("template", queue.pod_template.as_ref().map(|_| format!("its own; all of it: slipway queue get {} -o yaml", queue.name)));
    field("time limit", defaults.timeout_seconds.map(seconds));
    field("wait limit", defaults.max_wait_seconds.map(seconds));
    field("in all", defaults.total_timeout_seconds.map(seconds));
    field("grace", defaults.grace_seconds.map(seconds));
    field("retries", defaults.retries.map(|retries| format!("{} user, {} infra", retries.user, retries.infra)));
    field("env", Some(defaults.env.iter().map(|(k, v)| crate::cli::style::shell(&[format!("{k}={v}")])).collect::<Vec<_>>().join(" ")));
    field("outputs", queue.limits.output_bytes.map(|bytes| format!("at most {bytes} bytes")));
    field("log limit", queue.limits.log_bytes.map(|bytes| format!("{bytes} bytes")));
    field("no place", pending(queue));
    field("silence", silence(queue));
    let kept = |kept: KeepJobs| format!("{} after a success, {} after a failure", seconds(kept.success), seconds(kept.failure));
    field("jobs stay", queue.keep_jobs_seconds.map(kept));
    field("keeps", kept_of(&queue.retention));
    field("revision", Some(queue.revision.to_string()));
    field("changed", Some(format!("{:.0}  ({} ago)", queue.updated_at, age(between(queue.updated_at, now)))));
    lines.concat()
}

/// `16 running, 4 running of one user, 100 pending`.
fn limits(queue: &Queue) -> String {
    let limits = &queue.limits;
    let each = [(limits.max_running, "running"), (limits.max_running_per_user, "running of one user"), (limits.max_pending, "pending")];
    each.iter().filter_map(|(limit, of)| Some(format!("{} {of}", (*limit)?))).collect::<Vec<_>>().join(", ")
}

/// `gpu-pool: 5 of 8 gpus used, 3 here, 2 guaranteed`.
fn drawn(queue: &Queue, name: &BudgetName, share: BudgetShare, budgets: &[Budget]) -> String {
    let use_of = |budget: &Budget| {
        let here = budget.queues.iter().find(|of| of.queue == queue.name).map(|of| of.used).unwrap_or_default();
        format!(": {} of {} {} used, {here} here", budget.used, budget.max, word(budget.resource))
    };
    let used = budgets.iter().find(|budget| budget.name == *name).map(use_of).unwrap_or_default();
    let kept = if share.guaranteed == Amount::default() { String::new() } else { format!(", {} guaranteed", share.guaranteed) };
    format!("{name}{used}{kept}")
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

/// What becomes of attempts whose agents cannot be reached, where that is not the usual.
fn silence(queue: &Queue) -> Option<String> {
    let stops = queue.stop_after_seconds.map(|s| format!(" after {}", span(Duration::from_secs(s))));
    queue
        .idempotent
        .then(|| format!("idempotent: silent agents stop their commands{}, and another attempt follows", stops.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::testing::{NOW, budget, queue},
        wire::{Keep, QueueLimits},
    };

    #[test]
    fn queues_are_read_at_a_glance() {
        let now = NOW.parse().unwrap();
        let at = "2026-11-20T09:02:41Z".parse().unwrap();
        let mut gpu = queue("gpu-a100", 4);
        gpu.paused = Some(Paused { by: "lena".into(), reason: Some("driver update".into()), at });
        gpu.draining = Some(Paused { by: "olga".into(), reason: None, at });
        gpu.limits = QueueLimits {
            max_running: Some(16),
            max_running_per_user: Some(4),
            max_pending: Some(100),
            log_bytes: None,
            output_bytes: None,
        };
        (gpu.weight, gpu.user_weights) = (Some(3), [("sam".to_owned(), 2)].into());
        let share = |guaranteed| BudgetShare { guaranteed: Amount::whole(guaranteed) };
        gpu.budgets = [("gpu-pool", 2), ("licences", 0)].map(|(name, kept)| (name.parse().unwrap(), share(kept))).into();
        let budgets = [budget("gpu-pool", 8, &[("gpu-a100", 2, 3), ("other", 0, 2)])];
        gpu.defaults.timeout_seconds = Some(3_600);
        gpu.defaults.max_wait_seconds = Some(7_200);
        gpu.defaults.total_timeout_seconds = Some(86_400);
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
        (mig.idempotent, mig.stop_after_seconds) = (true, Some(300));
        mig.retention.tasks = Keep { days: Some(90), count: Some(10_000) };
        mig.retention.logs.days = Some(30);
        mig.keep_jobs_seconds = Some(KeepJobs { success: 60, failure: 86_400 });
        let at = |width| table(&[queue("default", 1), gpu.clone(), mig.clone()], now, true, width).render(true, width);
        let plain = table(&[queue("default", 1), gpu.clone(), mig.clone()], now, false, None).render(true, None);
        let all = [plain, at(Some(160)), at(Some(80)), block(&gpu, &budgets, now), block(&mig, &[], now)].join("\n");
        insta::assert_snapshot!(anstream::adapter::strip_str(&all).to_string());
    }
}
