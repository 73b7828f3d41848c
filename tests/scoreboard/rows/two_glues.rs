//! Row 5: two glues serve one queue, as replicas under one name and as runners of two names; both are killed at times.

use crate::{
    fleet::Deed,
    ground::{Ground, on_ground},
    kit::times,
    row::{Absent, Form, Outcome, Row},
    score::Level,
    support::Dice,
};
use serde_json::json;

pub(crate) const ROW: Row = Row { number: 5, level: Level::P, short: 60, full: 2_000, run: |form| Box::pin(run(form)) };

const GLUES: [&str; 2] = ["east", "west"];

async fn run(form: Form) -> Result<Outcome, Absent> {
    let half = Form { tasks: form.tasks.div_ceil(2), ..form };
    eprintln!("two replicas under one name");
    let same = on_ground("two_replicas", times(), 1, async |ground| side_by_side(ground, half, Some("k8s")).await).await?;
    eprintln!("two runners");
    let different = on_ground("two_runners", times(), 1, async |ground| side_by_side(ground, half, None).await).await?;
    Ok(same.and(different))
}

/// `shared` is the name that both have.
async fn side_by_side(ground: &mut Ground, form: Form, shared: Option<&str>) -> Outcome {
    let mut dice = Dice::of(form.seed);
    let mut proxies = Vec::new();
    for name in GLUES {
        // Each has a proxy of its own, which does nothing but count.
        proxies.push(ground.proxied(form.seed).await);
        ground.glue(name, json!({"name": shared.unwrap_or(name), "maxPods": 20, "maxUnstarted": 10})).await;
    }
    let kills = form.of(3, 40);
    let mut tasks = Vec::new();
    for nth in 0..kills {
        let due = (nth + 1) * form.tasks / kills;
        tasks.extend(ground.submit((tasks.len()..due).map(|_| Deed::live(dice.below(1_500))).collect::<Vec<_>>()).await);
        dice.pause(500, 3_000).await;
        ground.world.strike(dice.pick(&GLUES).expect("two names"));
    }
    let mut outcome = ground.judged(&tasks).await;
    let created: Vec<_> = proxies.iter().map(|proxy| proxy.tally().created).collect();
    let writes: u64 = proxies.iter().map(|proxy| proxy.tally().written()).sum();
    eprintln!("Jobs created by each: {created:?}; {writes} writes for {} tasks", tasks.len());
    outcome.must(created.iter().any(|count| *count > 0), || "neither has created a Job".to_owned());
    outcome.must(shared.is_some() || created.iter().all(|count| *count > 0), || format!("one had nothing to do: {created:?}"));
    outcome
}
