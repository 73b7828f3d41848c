//! Row 1 on a real node: `kill -9` of the glue at random times and at named points.

use crate::{
    kit::audit,
    procs::uptime,
    recovery::{Fault, worst},
    row::{Absent, Form, Outcome, Row},
    score::Level,
    site::{Site, on_site, times},
    support::{Dice, crash_points, within},
};
use serde_json::json;
use std::time::Duration;

pub(crate) const ROW: Row = Row { number: 1, level: Level::R, short: 8, full: 400, run: |form| Box::pin(run(form)) };

/// The most pods that have not begun, each of which may start while there is no glue.
const UNSTARTED: u32 = 8;
/// How many passes of a named point a glue may live.
const PASSES: u64 = 12;

async fn run(form: Form) -> Result<Outcome, Absent> {
    on_site("glue_killed", times(form), async |site| struck(site, form).await).await
}

async fn struck(site: &mut Site, form: Form) -> Outcome {
    let mut dice = Dice::of(form.seed);
    let points: Vec<_> = crash_points().into_iter().filter(|name| name.starts_with("glue.")).collect();
    site.queue("q", json!({})).await;
    site.glue("k8s", json!({"maxPods": 12, "maxUnstarted": UNSTARTED})).await;
    let kills = form.of(3, 40).min(form.tasks);
    let (mut ids, mut faults, mut by_point) = (Vec::new(), Vec::new(), 0);
    for nth in 0..kills {
        let due = (nth + 1) * form.tasks / kills - ids.len();
        let tasks: Vec<_> = (0..due).map(|_| site.task("q", &format!("sleep {}.{}", dice.below(2), dice.below(10)))).collect();
        ids.extend(site.submit(&tasks).await);
        // Most kills hit a glue at work; some hit one that has hardly begun.
        if dice.below(4) > 0 {
            let enough = ids.len().saturating_sub(2 * UNSTARTED as usize);
            within(Duration::from_mins(4), "work to go on", async || {
                (site.count(&ids, "start") >= enough || site.world.dead("k8s")).then_some(())
            })
            .await;
        }
        dice.pause(0, 2_500).await;
        by_point += usize::from(site.world.dead("k8s"));
        let began = uptime();
        site.world.kill("k8s");
        let proof = site.world.root().join(format!("crashed-{nth}"));
        let point = dice.pick(&points).map(|point| format!("{point}:{}@{}", 1 + dice.below(PASSES), proof.display()));
        site.world.crash = point.filter(|_| dice.below(2) == 0 && nth + 1 < kills);
        site.world.revive("k8s");
        faults.push(Fault { began, ended: uptime() });
    }
    let mut judged = site.judged(&ids).await;
    judged.all_succeed(true);
    let mut outcome = judged.outcome;
    let lines = site.recorder.lines();
    let starts: Vec<_> = lines.iter().filter(|line| line.word == "start").map(|line| line.at).collect();
    outcome.worst_recovery = worst(&faults, &starts, UNSTARTED as usize);
    let writes = audit::of_glue(&site.scene, "k8s").iter().filter(|request| request.writes()).count();
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let per_task = writes as f64 / form.tasks as f64;
    outcome.api_writes_per_task = Some(per_task);
    eprintln!("{} kills, {by_point} of them at named points; {per_task:.2} writes a task", faults.len());
    site.nothing_left(&mut outcome).await;
    outcome
}
