//! Row 4: one call in five to the Kubernetes API fails, half of them after the API server has acted.

use crate::{
    api_proxy::{CallFaults, Faults},
    fleet::Deed,
    ground::{Ground, on_ground},
    kit::times,
    row::{Absent, Form, Outcome, Row},
    score::Level,
    support::Dice,
};
use serde_json::json;

pub(crate) const ROW: Row = Row { number: 4, level: Level::P, short: 40, full: 2_000, run: |form| Box::pin(run(form)) };

/// How many calls in 100 fail.
const PERCENT: u64 = 20;
/// How often more may be written than without faults.
const MORE: f64 = 2.0;

async fn run(form: Form) -> Result<Outcome, Absent> {
    on_ground("api_fails", times(), 1, async |ground| failing(ground, form).await).await
}

async fn failing(ground: &mut Ground, form: Form) -> Outcome {
    let mut dice = Dice::of(form.seed);
    let proxy = ground.proxied(form.seed).await;
    ground.glue("k8s", json!({"maxPods": 60, "maxUnstarted": 40})).await;
    let mut deeds = |count: usize| (0..count).map(|_| Deed::live(dice.below(500))).collect::<Vec<_>>();

    let quiet = form.tasks.div_ceil(4);
    let first = ground.submit(deeds(quiet)).await;
    let mut outcome = ground.judged(&first).await;
    let base = per_task(proxy.tally().written(), quiet);
    proxy.reset();

    proxy.set(Faults { calls: CallFaults { percent: PERCENT, ..CallFaults::default() }, ..Faults::default() });
    let rest = ground.submit(deeds(form.tasks)).await;
    let all: Vec<_> = first.into_iter().chain(rest).collect();
    let under_faults = ground.judged(&all).await;
    let tally = proxy.tally();
    let writes = per_task(tally.written(), form.tasks);
    eprintln!("{writes:.2} writes a task, {base:.2} without faults: {:?}; {} calls, faults {:?}", tally.kinds, tally.calls, tally.faults);
    outcome = Outcome { tries: 0, ..outcome }.and(under_faults);
    outcome.must(writes <= MORE * base, || format!("{writes:.2} writes a task, and {base:.2} without faults"));
    outcome.api_writes_per_task = Some(writes);
    outcome
}

fn per_task(writes: u64, tasks: usize) -> f64 {
    let float = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    float(writes) / float(tasks.max(1) as u64)
}
