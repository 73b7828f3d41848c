//! Row 6: watches that are delayed, reordered, cut, swallow events until the next list, and end by `410`; lists that are old.

use crate::{
    api_proxy::{Faults, WatchFaults},
    fleet::Deed,
    ground::{Ground, on_ground},
    kit::times,
    row::{Absent, Form, Outcome, Row},
    score::{Level, Size},
    support::Dice,
};
use serde_json::json;
use slipway::wire::Reason;
use std::time::Duration;
use tokio::time::{Instant, sleep};

pub(crate) const ROW: Row = Row { number: 6, level: Level::P, short: 60, full: 2_000, run: |form| Box::pin(run(form)) };

/// How long a watch may be away at most.
const DEAF: Duration = Duration::from_mins(1);

/// How soon it is told that watches which stay open say nothing any more: those that are open when it begins end within [`DEAF`] first.
const TOLD: Duration = Duration::from_mins(5);

async fn run(form: Form) -> Result<Outcome, Absent> {
    on_ground("watches_lie", times(), 1, async |ground| lied_to(ground, form).await).await
}

/// As the table says; in the short form a tenth of it.
fn faults(size: Size) -> WatchFaults {
    let scale = if size == Size::Full { 1 } else { 10 };
    let (life, delay) = (Duration::from_mins(1) / scale, Duration::from_mins(2) / scale);
    WatchFaults { life, delay, swallowed: 10, swapped: 10, stale: 30 }
}

async fn lied_to(ground: &mut Ground, form: Form) -> Outcome {
    let mut dice = Dice::of(form.seed);
    let proxy = ground.proxied(form.seed).await;
    proxy.set(Faults { watches: faults(form.size), ..Faults::default() });
    ground.glue("k8s", json!({"maxPods": form.of(30, 200), "maxUnstarted": 30})).await;
    let waves = form.of(3, 20);
    let mut tasks = Vec::new();
    for nth in 0..waves {
        let due = (nth + 1) * form.tasks / waves;
        // Some are over before any watch tells of them, others outlive several lists.
        let mut deed = || {
            let most = if dice.below(3) == 0 { 15_000 } else { 1_000 };
            Deed::live(dice.below(most))
        };
        tasks.extend(ground.submit((tasks.len()..due).map(|_| deed()).collect::<Vec<_>>()).await);
        sleep(Duration::from_secs(form.of(3, 20))).await;
    }
    let mut outcome = ground.judged(&tasks).await;
    let tally = proxy.tally();
    eprintln!("a watch was away for {:.1?} at the most; {} writes: {:?}", tally.deaf, tally.written(), tally.kinds);
    outcome.must(tally.deaf <= DEAF, || format!("a watch was away for {:?}", tally.deaf));
    if form.size == Size::Full {
        proxy.set(Faults { watches: WatchFaults { swallowed: 100, ..WatchFaults::default() }, ..Faults::default() });
        let told = told_blind(ground).await;
        outcome.must(told.is_some_and(|after| after <= TOLD), || format!("that its watches say nothing was told after {told:?}"));
    }
    outcome
}

/// After how long the server says that the runner does not see its cluster; none where it does not.
async fn told_blind(ground: &Ground) -> Option<Duration> {
    let (began, client) = (Instant::now(), ground.world.client().await);
    while began.elapsed() < 2 * TOLD {
        if client.health().await.is_ok_and(|health| health.stuck.iter().any(|stuck| stuck.code == Reason::RunnerBlind)) {
            eprintln!("that its watches say nothing was told after {:.0?}", began.elapsed());
            return Some(began.elapsed());
        }
        sleep(Duration::from_secs(1)).await;
    }
    None
}
