//! Row 5: two glues serve one queue, as replicas under one name, as runners of two names, and as runners in two clusters; both are
//! killed at times.

use crate::{
    api_proxy::ApiProxy,
    fleet::Deed,
    ground::{Ground, on_ground},
    kit::times,
    row::{Absent, Form, Outcome, Row},
    score::Level,
    support::Dice,
};
use serde_json::{Value, json};

pub(crate) const ROW: Row = Row { number: 5, level: Level::P, short: 60, full: 2_000, run: |form| Box::pin(run(form)) };

const GLUES: [&str; 2] = ["east", "west"];

async fn run(form: Form) -> Result<Outcome, Absent> {
    let third = Form { tasks: form.tasks.div_ceil(3), ..form };
    eprintln!("two replicas under one name");
    let same = on_ground("two_replicas", times(), 1, async |ground| side_by_side(ground, third, Some("k8s")).await).await?;
    eprintln!("two runners");
    let different = on_ground("two_runners", times(), 1, async |ground| side_by_side(ground, third, None).await).await?;
    eprintln!("two runners in two clusters");
    let apart = on_ground("two_clusters", times(), 1, async |ground| apart(ground, third).await).await?;
    Ok(same.and(different).and(apart))
}

/// `shared` is the name that both have.
async fn side_by_side(ground: &mut Ground, form: Form, shared: Option<&str>) -> Outcome {
    let mut proxies = Vec::new();
    for name in GLUES {
        // Each has a proxy of its own, which does nothing but count.
        proxies.push(ground.proxied(form.seed).await);
        ground.glue(name, config(shared.unwrap_or(name), form)).await;
    }
    struck(ground, form, &proxies, shared.is_none()).await
}

/// Each in a cluster of its own.
async fn apart(ground: &mut Ground, form: Form) -> Outcome {
    if let Err(absent) = ground.expand().await {
        eprintln!("without a second cluster: {}", absent.why);
        let mut outcome = Outcome::default();
        outcome.must(absent.may_skip, || absent.why.clone());
        return outcome;
    }
    let [here, there] = GLUES;
    let mut proxies = vec![ground.proxied(form.seed).await];
    ground.glue(here, config(here, form)).await;
    proxies.push(ground.glue_elsewhere(there, form.seed, config(there, form)).await);
    struck(ground, form, &proxies, true).await
}

/// Room for a part of what is submitted at once, so that one cannot take it all.
fn config(name: &str, form: Form) -> Value {
    json!({"name": name, "maxPods": form.of(4, 20), "maxUnstarted": form.of(2, 10)})
}

/// Both are killed at times; `both` says whether each must have had something to do.
async fn struck(ground: &mut Ground, form: Form, proxies: &[ApiProxy], both: bool) -> Outcome {
    let mut dice = Dice::of(form.seed);
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
    outcome.must(!both || created.iter().all(|count| *count > 0), || format!("one had nothing to do: {created:?}"));
    outcome
}
