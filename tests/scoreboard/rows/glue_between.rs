//! Row 3: the glue dies exactly between claim and create, and between a create and its answer.

use crate::{
    api_proxy::ApiProxy,
    fleet::Deed,
    ground::{Ground, on_ground},
    kit::times,
    procs::uptime,
    row::{Absent, Form, Outcome, Row},
    score::Level,
    support::{Dice, eventually},
};
use serde_json::json;
use slipway::wire::{TaskId, Timestamp};
use std::collections::BTreeMap;

pub(crate) const ROW: Row = Row { number: 3, level: Level::P, short: 40, full: 2_000, run: |form| Box::pin(run(form)) };

/// How many tasks one death hits: as many as a glue claims, and creates, at once.
const AT_ONCE: usize = 20;
/// What the median recovery may take, in seconds.
const MEDIAN: f64 = 5.0;
/// What any recovery may take beyond the claim's lease, in seconds.
const BEYOND_LEASE: f64 = 5.0;

async fn run(form: Form) -> Result<Outcome, Absent> {
    on_ground("glue_between", times(), 1, async |ground| between(ground, form).await).await
}

async fn between(ground: &mut Ground, form: Form) -> Outcome {
    let mut dice = Dice::of(form.seed);
    let proxy = ground.proxied(form.seed).await;
    ground.glue("k8s", json!({"maxPods": AT_ONCE, "maxUnstarted": AT_ONCE})).await;
    let deaths = form.tasks.div_ceil(AT_ONCE);
    let (mut tasks, mut back) = (Vec::new(), BTreeMap::new());
    for nth in 0..deaths {
        let deeds: Vec<_> = (0..AT_ONCE).map(|_| Deed::live(dice.below(100))).collect();
        let (hit, at) = if nth % 2 == 0 { claimed(ground, deeds, nth).await } else { created(ground, deeds, &proxy).await };
        for id in &hit {
            ground.world.ended(*id).await;
            back.insert(id.0, at);
        }
        tasks.extend(hit);
    }
    let mut outcome = ground.judged(&tasks).await;
    let lines = ground.lines();
    let starts = lines.iter().filter(|line| line.word == "start" && line.attempt == 1);
    let mut took: Vec<f64> = starts.filter_map(|line| Some(line.at - back.get(&line.task)?)).collect();
    took.sort_by(f64::total_cmp);
    let (median, worst) = (took.get(took.len() / 2).copied().unwrap_or(f64::MAX), took.last().copied().unwrap_or(f64::MAX));
    let lease = f64::from(u32::try_from(times().claim_lease_ms).unwrap_or(u32::MAX)) / 1e3;
    eprintln!("{deaths} deaths; recovery {median:.2} s in the median, {worst:.2} s at worst");
    outcome.must(took.len() == tasks.len(), || format!("{} of {} tasks ran in their first attempt", took.len(), tasks.len()));
    outcome.must(median <= MEDIAN, || format!("the median recovery took {median:.1} s"));
    outcome.must(worst <= lease + BEYOND_LEASE, || format!("a recovery took {worst:.1} s"));
    outcome.worst_recovery = Some(worst);
    outcome
}

/// The glue claims them all and dies before it creates the first. Answers when another one was started.
async fn claimed(ground: &mut Ground, deeds: Vec<Deed>, nth: usize) -> (Vec<TaskId>, f64) {
    let proof = ground.world.root().join(format!("claimed-{nth}"));
    let before = registered(ground).await;
    ground.world.kill("k8s");
    // It may hear of the claim by its answer, or by what the server says that it holds; either way it comes by here.
    ground.world.crash = Some(format!("glue.create@{}", proof.display()));
    ground.world.revive("k8s");
    // Until it is there the tasks might go to the claim that its predecessor had open.
    eventually("the glue to be there again", async || (registered(ground).await > before).then_some(())).await;
    let tasks = ground.submit(deeds).await;
    eventually("a death between claim and create", async || ground.world.dead("k8s").then_some(())).await;
    assert!(proof.exists(), "it died where it was meant to");
    ground.world.crash = None;
    ground.world.revive("k8s");
    (tasks, uptime())
}

/// When the glue registered last.
async fn registered(ground: &Ground) -> Option<Timestamp> {
    let runners = ground.world.client().await.runners().await.ok()?.items;
    runners.into_iter().find(|runner| runner.name.as_str() == "k8s").map(|runner| runner.registered_at)
}

/// The API server has created all Jobs, and the glue dies before it hears of one.
async fn created(ground: &mut Ground, deeds: Vec<Deed>, proxy: &ApiProxy) -> (Vec<TaskId>, f64) {
    proxy.hold_creates(true);
    let tasks = ground.submit(deeds).await;
    eventually("all Jobs to be created", async || (proxy.held() == tasks.len()).then_some(())).await;
    ground.world.kill("k8s");
    proxy.hold_creates(false);
    ground.world.revive("k8s");
    (tasks, uptime())
}
