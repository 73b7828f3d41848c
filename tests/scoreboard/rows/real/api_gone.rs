//! Row 7: the Kubernetes API is away for ten minutes; first it hangs, then it is dead. As many tasks as a small node has room for run as it
//! goes, at most half, and the others wait for their places. Of those that run some end meanwhile, the others go on after it.

use crate::{
    procs::uptime,
    row::{Absent, Form, Outcome, Row},
    score::Level,
    site::{Site, on_site, times},
    support::{Dice, within},
};
use nix::sys::signal::Signal;
use serde_json::json;
use slipway::wire::{TaskId, TaskState};
use std::time::Duration;
use tokio::time::sleep;

pub(crate) const ROW: Row = Row { number: 7, level: Level::R, short: 8, full: 80, run: |form| Box::pin(run(form)) };

/// What a node of two cores has room for: every pod asks for a tenth of one.
const ROOM: usize = 16;
/// Within so many seconds after its return the first new command begins.
const AGAIN: f64 = 60.0;

async fn run(form: Form) -> Result<Outcome, Absent> {
    on_site("api_gone", times(form), async |site| gone(site, form).await).await
}

async fn gone(site: &mut Site, form: Form) -> Outcome {
    let (mut dice, room) = (Dice::of(form.seed), ROOM.min(form.tasks / 2));
    site.queue("q", json!({})).await;
    site.glue("k8s", json!({"maxPods": room, "maxUnstarted": room})).await;
    site.throughout(&["k8s"]);
    let away = form.of(12, 600);
    // A third ends while the API is away, at moments of their own.
    let body = |ends: Option<u64>| ends.map_or("note wait".to_owned(), |after| format!("sleep {after}"));
    let mut tasks = Vec::new();
    for nth in 0..room {
        let ends = (nth % 3 == 0).then(|| dice.below(away) + 10);
        tasks.push(site.task("q", &body(ends)));
    }
    let running = site.submit(&tasks).await;
    within(Duration::from_mins(5), "the first ones to run", async || (site.count(&running, "start") == room).then_some(())).await;
    let queued = site.submit(&vec![site.task("q", "sleep 1"); form.tasks - room]).await;

    let cluster = site.scene.cluster.clone();
    let began = uptime();
    cluster.signal("apiserver", Signal::SIGSTOP);
    sleep(Duration::from_secs(away / 4)).await;
    cluster.kill_api();
    sleep(Duration::from_secs(away - away / 4)).await;
    let unaffected = still(site, &running).await;
    cluster.start_api();
    let back = uptime();
    site.recorder.go();
    let all: Vec<_> = running.iter().chain(&queued).copied().collect();
    let mut judged = site.judged(&all).await;
    // What was claimed as the API went may have been given back.
    judged.all_succeed(false);
    let mut outcome = judged.outcome;
    outcome.broken.extend(unaffected);
    for task in judged.tasks.iter().filter(|task| running.contains(&task.id)) {
        outcome.must(task.attempt.0 == 1, || format!("task {} ran as the API went and is in attempt {}", task.id, task.attempt));
    }
    let starts: Vec<_> = queued.iter().filter_map(|id| site.began(*id, 1)).filter(|at| *at > back).collect();
    let first = starts.iter().copied().fold(f64::INFINITY, f64::min) - back;
    let early = queued.iter().filter_map(|id| site.began(*id, 1)).filter(|at| (began..back).contains(at)).count();
    eprintln!("away for {:.0} s; {early} began as it went; the first new command began {first:.1} s after its return", back - began);
    outcome.must(first <= AGAIN, || format!("the first new command began {first:.1} s after the return of the API"));
    outcome.worst_recovery = Some(first);
    site.nothing_left(&mut outcome).await;
    outcome
}

/// What is wrong with tasks that ran as the API went: they run or have succeeded, in their first attempt.
async fn still(site: &Site, running: &[TaskId]) -> Vec<String> {
    let (mut wrong, mut ended) = (Vec::new(), 0);
    for id in running {
        let task = site.world.task(*id).await;
        ended += usize::from(task.state == TaskState::Succeeded);
        if task.attempt.0 != 1 || task.heartbeat_lost || !matches!(task.state, TaskState::Active | TaskState::Succeeded) {
            wrong.push(format!("task {id} is {} in attempt {} while the API is away: {:?}", task.state, task.attempt, task.ended));
        }
    }
    eprintln!("{ended} of {} ended while the API was away", running.len());
    wrong
}
