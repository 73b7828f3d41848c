//! Row 18: processes that hold on. Commands leave double forks and sessions of their own behind, ignore SIGTERM, leave somebody with
//! their standard output, or make thousands of orphans. In half of the pods the agent is not process 1, so nobody ends them but it.

use crate::{
    pods::in_pod,
    procs::uptime,
    row::{Absent, Form, Outcome, Row},
    score::Level,
    site::{Site, on_site, times},
    support::within,
};
use serde_json::json;
use slipway::{
    app::ambient::SystemRng,
    domain::Rng,
    wire::{TaskId, TaskState},
};
use std::{collections::BTreeMap, time::Duration};
use tokio::{task::JoinSet, time::sleep};

pub(crate) const ROW: Row = Row { number: 18, level: Level::R, short: 5, full: 40, run: |form| Box::pin(run(form)) };

/// The grace period of the tasks, in seconds, and how much later their agent may end.
const GRACE: f64 = 2.0;
const SLACK: f64 = 5.0;

/// What holds on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    /// A grandchild whose parent is gone.
    DoubleFork,
    /// A session of its own, elsewhere, without the attempt's environment.
    Session,
    /// The command itself, which ignores the signal to end.
    Deaf,
    /// Somebody who holds the command's output open.
    Output,
    /// Orphans by the thousand, all dead.
    Zombies,
}
use Habit::{Deaf, DoubleFork, Output, Session, Zombies};

fn body(habit: Habit, zombies: usize) -> String {
    match habit {
        DoubleFork => "(sleep 900 >/dev/null 2>&1 & (sleep 900 >/dev/null 2>&1 &) ) ; note end".to_owned(),
        Session => "(cd / && env -i /bin/setsid /bin/sleep 900 >/dev/null 2>&1 &); sleep 0.2; note end".to_owned(),
        Deaf => "trap '' TERM INT HUP; note ready; while :; do sleep 1; done".to_owned(),
        Output => "sleep 900 & note end".to_owned(),
        // Each is an orphan as soon as its parent has made it, and dies at once.
        Zombies => format!(
            "i=0; while [ $i -lt {zombies} ]; do (: &); i=$((i+1)); done
dead() {{ grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l; }}
t=0; while [ $(dead) -gt 0 ] && [ $t -lt 50 ]; do t=$((t+1)); sleep 0.1; done
note zombies:$(dead); note end"
        ),
    }
}

async fn run(form: Form) -> Result<Outcome, Absent> {
    on_site("clinging", times(form), async |site| clinging(site, form).await).await
}

async fn clinging(site: &mut Site, form: Form) -> Outcome {
    // Without a request a pod has the least weight of all on the node, and whoever makes thousands of processes, or counts them, starves it.
    let containers = json!([{"name": "task", "resources": {"requests": {"cpu": "250m"}}}]);
    for (name, shares) in [("alone", false), ("shared", true)] {
        site.queue(name, json!({"podTemplate": {"spec": {"shareProcessNamespace": shares, "containers": containers}}})).await;
    }
    // Few at once: what is timed here is the agent, and thousands of processes take the machine's.
    site.glue("k8s", json!({"maxPods": 4})).await;
    site.throughout(&["k8s"]);
    let habits: Vec<_> = [DoubleFork, Session, Deaf, Output, Zombies].into_iter().cycle().take(form.tasks).collect();
    // Every second task; in the next round of habits the others.
    let queue = |nth: usize| if (nth % 5 + nth / 5).is_multiple_of(2) { "shared" } else { "alone" };
    let task = |nth: usize| site.open_task(queue(nth), &body(habits[nth], form.of(500, 10_000)));
    // One that makes thousands of processes holds up the whole machine, so each of these is alone with it.
    let (crowds, others): (Vec<_>, Vec<_>) = (0..habits.len()).partition(|nth| habits[*nth] == Zombies);
    let (mut ids, mut of, mut ends) = (Vec::new(), BTreeMap::new(), Vec::new());
    for group in [others].into_iter().chain(crowds.into_iter().map(|nth| vec![nth])) {
        let submitted = site.submit(&group.iter().map(|nth| task(*nth)).collect::<Vec<_>>()).await;
        let kinds: Vec<_> = group.iter().map(|nth| habits[*nth]).collect();
        ends.extend(watch(site, &submitted, &kinds).await);
        of.extend(submitted.iter().copied().zip(kinds));
        ids.extend(submitted);
    }
    let mut judged = site.judged(&ids).await;
    for (task, habit) in judged.tasks.iter().map(|task| (task, of[&task.id])) {
        let state = if habit == Deaf { TaskState::Cancelled } else { TaskState::Succeeded };
        let right = task.state == state && task.attempt.0 == 1;
        judged.outcome.must(right, || format!("task {} ({habit:?}) is {}: {:?}", task.id, task.state, task.ended));
        let zombies = habit != Zombies || site.told(task.id, "zombies:0").is_some();
        judged.outcome.must(zombies, || format!("task {} saw zombies that nobody reaped", task.id));
    }
    let mut outcome = judged.outcome;
    ends.sort_by(|one, other| one.2.total_cmp(&other.2));
    for (id, habit, took, left) in &ends {
        outcome.must(*took <= GRACE + SLACK, || format!("the agent of task {id} ({habit:?}) ended after {took:.1} s"));
        outcome.must(left.is_empty(), || format!("of task {id} ({habit:?}) were left: {left:?}"));
    }
    eprintln!(
        "the slowest agents ended after: {:?}",
        ends.iter().rev().take(3).map(|(_, habit, took, _)| (habit, took)).collect::<Vec<_>>()
    );
    outcome.must(ends.len() == ids.len(), || format!("{} of {} agents were seen to end", ends.len(), ids.len()));
    site.nothing_left(&mut outcome).await;
    outcome
}

/// How long each agent outlived its command, or the wish that it ends, and what of its pod was alive then.
async fn watch(site: &Site, ids: &[TaskId], habits: &[Habit]) -> Vec<(TaskId, Habit, f64, Vec<String>)> {
    let client = site.world.client().await;
    let (mut set, mut ends) = (JoinSet::new(), Vec::new());
    let mut open: Vec<_> = ids.iter().copied().zip(habits.iter().copied()).collect();
    within(Duration::from_mins(15), "every command to do what it is there for", async || {
        let lines = site.recorder.lines();
        open.retain(|(id, habit)| {
            let word = if *habit == Deaf { "ready" } else { "end" };
            let Some(line) = lines.iter().find(|line| line.task == id.0 && line.word == word) else { return true };
            let (id, habit, uid, told, client) = (*id, *habit, line.uid.clone(), line.at, client.clone());
            set.spawn(async move {
                let mut since = told;
                if habit == Deaf {
                    since = uptime();
                    client.cancel_task(id, SystemRng.uuid()).await.expect("taken");
                }
                let (took, left) = outlived(&uid, since).await;
                (id, habit, took, left)
            });
            false
        });
        open.is_empty().then_some(())
    })
    .await;
    while let Some(end) = set.join_next().await {
        ends.push(end.expect("a look at the processes"));
    }
    ends
}

/// Waits until a pod's agent is gone: how long after `since` that was, and what of the pod still lives, but what holds its
/// namespaces.
async fn outlived(uid: &str, since: f64) -> (f64, Vec<String>) {
    let lives = |line: &String| line.contains("slipway-agent");
    loop {
        let alive = in_pod(uid);
        let now = uptime();
        if !alive.iter().any(lives) || now > since + 120.0 {
            return (now - since, alive.into_iter().filter(|line| line != "/pause").collect());
        }
        // A look goes over the cgroups of all pods.
        sleep(Duration::from_millis(200)).await;
    }
}
