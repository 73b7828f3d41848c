//! Row 5 on a real node: two glues serve one queue, as replicas under one name and as runners of two names; both are killed at times.

use crate::{
    kit::audit,
    row::{Absent, Form, Outcome, Row},
    score::Level,
    site::{Site, on_site, times},
    support::{Dice, within},
};
use serde_json::json;
use std::time::Duration;

pub(crate) const ROW: Row = Row { number: 5, level: Level::R, short: 12, full: 400, run: |form| Box::pin(run(form)) };

const GLUES: [&str; 2] = ["east", "west"];

async fn run(form: Form) -> Result<Outcome, Absent> {
    let half = Form { tasks: form.tasks.div_ceil(2), ..form };
    eprintln!("two replicas under one name");
    let same = on_site("two_replicas", times(form), async |site| side_by_side(site, half, Some("k8s")).await).await?;
    eprintln!("two runners");
    let different = on_site("two_runners", times(form), async |site| side_by_side(site, half, None).await).await?;
    Ok(same.and(different))
}

/// `shared` is the name that both have.
async fn side_by_side(site: &mut Site, form: Form, shared: Option<&str>) -> Outcome {
    let mut dice = Dice::of(form.seed);
    // How many pods each has at once: few enough that neither can take all.
    let pods: u32 = form.of(2, 6);
    site.queue("q", json!({})).await;
    for name in GLUES {
        site.glue(name, json!({"name": shared.unwrap_or(name), "maxPods": pods, "maxUnstarted": pods})).await;
    }
    let kills = form.of(2, 20);
    let mut ids = Vec::new();
    for nth in 0..kills {
        let due = (nth + 1) * form.tasks / kills - ids.len();
        let tasks: Vec<_> = (0..due).map(|_| site.task("q", &format!("sleep {}.{}", dice.below(2), dice.below(10)))).collect();
        ids.extend(site.submit(&tasks).await);
        let enough = ids.len().saturating_sub(2 * pods as usize);
        within(Duration::from_mins(4), "work to go on", async || (site.count(&ids, "start") >= enough).then_some(())).await;
        dice.pause(0, 3_000).await;
        site.world.strike(dice.pick(&GLUES).expect("two names"));
    }
    let mut judged = site.judged(&ids).await;
    judged.all_succeed(true);
    let mut outcome = judged.outcome;
    let requests = GLUES.map(|name| audit::of_glue(&site.scene, name));
    let created = requests.each_ref().map(|of| of.iter().filter(|one| one.verb == "create" && one.resource() == "jobs").count());
    let writes: usize = requests.iter().map(|of| of.iter().filter(|one| one.writes()).count()).sum();
    eprintln!("Jobs created by each: {created:?}; {writes} writes for {} tasks", ids.len());
    outcome.must(shared.is_some() || created.iter().all(|count| *count > 0), || format!("one had nothing to do: {created:?}"));
    site.nothing_left(&mut outcome).await;
    outcome
}
