//! Row 1: `kill -9` of the glue at random times and at named points.

use crate::{
    fleet::Deed,
    ground::{Ground, on_ground},
    kit::times,
    procs::uptime,
    recovery::{Fault, worst},
    row::{Absent, Form, Outcome, Row},
    score::Level,
    support::{Dice, crash_points},
    tail::Tail,
};
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, sleep};

pub(crate) const ROW: Row = Row { number: 1, level: Level::P, short: 60, full: 2_000, run: |form| Box::pin(run(form)) };

/// The most pods that have not begun, each of which may start while there is no glue.
const UNSTARTED: u32 = 20;
/// How many passes of a named point a glue may live.
const PASSES: u64 = 12;

async fn run(form: Form) -> Result<Outcome, Absent> {
    on_ground("glue_killed", times(), 1, async |ground| struck(ground, form).await).await
}

async fn struck(ground: &mut Ground, form: Form) -> Outcome {
    let mut dice = Dice::of(form.seed);
    let points: Vec<_> = crash_points().into_iter().filter(|name| name.starts_with("glue.")).collect();
    ground.glue("k8s", json!({"maxPods": 40, "maxUnstarted": UNSTARTED})).await;
    let kills = form.of(6, 200).min(form.tasks);
    let (mut tail, mut begun, mut tasks, mut faults, mut by_point) = (Tail::of(ground.record()), 0, Vec::new(), Vec::new(), 0);
    for nth in 0..kills {
        let due = (nth + 1) * form.tasks / kills;
        tasks.extend(ground.submit((tasks.len()..due).map(|_| Deed::live(dice.below(1_000))).collect::<Vec<_>>()).await);
        // Most kills hit a glue at work; some hit one that has hardly begun.
        if dice.below(4) > 0 {
            let enough = tasks.len().saturating_sub(2 * UNSTARTED as usize);
            work_goes_on(ground, &mut tail, &mut begun, enough).await;
        }
        if ground.world.crash.take().is_some() {
            died(ground, Duration::from_secs(2)).await;
        } else {
            dice.pause(0, 1_500).await;
        }
        by_point += usize::from(ground.world.dead("k8s"));
        let struck = uptime();
        ground.world.kill("k8s");
        if dice.below(2) == 0 {
            let proof = ground.world.root().join(format!("crashed-{nth}"));
            let pass = 1 + dice.below(PASSES);
            ground.world.crash = dice.pick(&points).map(|point| format!("{point}:{pass}@{}", proof.display()));
        }
        ground.world.revive("k8s");
        faults.push(Fault { began: struck, ended: uptime() });
    }
    if ground.world.crash.take().is_some() {
        died(ground, Duration::from_secs(3)).await;
        let struck = uptime();
        ground.world.strike("k8s");
        faults.push(Fault { began: struck, ended: uptime() });
    }
    let mut outcome = ground.judged(&tasks).await;
    let starts: Vec<_> = ground.lines().iter().filter(|line| line.word == "start").map(|line| line.at).collect();
    outcome.worst_recovery = worst(&faults, &starts, UNSTARTED as usize);
    eprintln!("{} kills, {by_point} of them at named points; worst recovery {:?} s", faults.len(), outcome.worst_recovery);
    outcome
}

/// Waits until so many commands have begun, or the glue has died.
async fn work_goes_on(ground: &mut Ground, tail: &mut Tail, begun: &mut usize, enough: usize) {
    let until = Instant::now() + Duration::from_mins(2);
    while *begun < enough && !ground.world.dead("k8s") {
        *begun += tail.fresh().iter().filter(|line| line.word == "start").count();
        assert!(Instant::now() < until, "waited in vain for work to go on");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Waits for the death of the glue at its armed point, which it may not pass.
async fn died(ground: &mut Ground, limit: Duration) {
    let until = Instant::now() + limit;
    while !ground.world.dead("k8s") && Instant::now() < until {
        sleep(Duration::from_millis(10)).await;
    }
}
