//! Row 13: the agents in the pods of one glue are cut off from the server for 5 seconds, those of others for 1, 5, 9 and 15 minutes, each
//! in one of the ways that networks have, while their commands print, end and begin. Each must have run once, and its log be whole.

use crate::{
    kit::HOST,
    proxy::{FOUL, Proxy, Weather},
    row::{Absent, Form, Outcome, Row},
    score::Level,
    site::{Site, on_site, times},
    support::Dice,
};
use serde_json::json;
use slipway::wire::{Sha256, Task, TaskId, Times};
use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};
use tokio::time::{Instant, sleep, sleep_until};

pub(crate) const ROW: Row = Row { number: 13, level: Level::R, short: 10, full: 200, run: |form| Box::pin(run(form)) };

/// How long each glue's agents are cut off, in seconds; the short form's are a sixtieth.
const CUTS: [u64; 5] = [5, 60, 300, 540, 900];
/// How many pods a glue has at once.
const PODS: u32 = 3;
/// For some seconds it prints, and it tells the digest of all that it printed.
const BODY: &str = "emit() { echo \"$1\"; echo \"$1\" >>copy; }; i=0
while [ $i -lt 12 ]; do i=$((i+1)); emit \"line $i of $id: $(head -c 60 /dev/urandom | base64 | tr -d '\\n')\"; sleep 0.$((id % 9))2; done
note sum:$(sha256sum <copy | cut -c1-64)";

async fn run(form: Form) -> Result<Outcome, Absent> {
    // An agent's report of its end has to outlast the longest cut, and calls on connections whose other side is gone: some thirty of
    // them, as with the usual times.
    let short = Times { call_timeout_ms: 2_000, call_retry_max_ms: 1_000, finish_retry_ms: 60_000, ..crate::kit::times() };
    on_site("cut_off", form.of(short, times(form)), async |site| cut_off(site, form).await).await
}

async fn cut_off(site: &mut Site, form: Form) -> Outcome {
    let mut dice = Dice::of(form.seed);
    let server: SocketAddr = site.world.url.trim_start_matches("http://").parse().expect("an address");
    let mut proxies = Vec::new();
    for cut in CUTS {
        let (name, proxy) = (format!("cut-{cut}"), Proxy::at(Ipv4Addr::from(HOST).into(), server, dice.below(u64::MAX)).await);
        site.queue(&name, json!({})).await;
        let config = json!({"agentUrl": format!("http://{}", proxy.address), "queues": [&name], "maxPods": PODS, "maxUnstarted": PODS});
        site.glue(&name, config).await;
        proxies.push((name, cut, proxy));
    }
    let tasks: Vec<_> = (0..form.tasks).map(|nth| site.task(&proxies[nth % CUTS.len()].0, BODY)).collect();
    let ids = site.submit(&tasks).await;
    // Every glue has work under way.
    let first: Vec<_> = ids.iter().copied().take(CUTS.len()).collect();
    site.all_told(&first, "start").await;
    let (began, mut weathers) = (Instant::now(), Vec::new());
    for (_, cut, proxy) in &proxies {
        // The longest is of the kind of which nobody hears.
        let weather = if *cut == CUTS[4] { Weather::HalfOpen } else { *dice.pick(&FOUL).expect("one of them") };
        proxy.turn(weather);
        weathers.push((cut, weather));
    }
    eprintln!("{weathers:?}");
    for (_, cut, proxy) in &proxies {
        let cut = Duration::from_secs(*cut);
        sleep_until(began + form.of(cut / 60, cut)).await;
        proxy.turn(Weather::Fair);
    }
    sleep(Duration::from_secs(1)).await;
    let mut judged = site.judged(&ids).await;
    judged.all_succeed(false);
    let mut outcome = judged.outcome;
    for task in &judged.tasks {
        outcome.broken.extend(torn(site, task).await);
        let times = site.recorder.lines().iter().filter(|line| line.task == task.id.0 && line.word == "start").count();
        outcome.must(times == 1, || format!("the command of task {} began {times} times: a cut cost something", task.id));
    }
    site.nothing_left(&mut outcome).await;
    outcome
}

/// How the stored log of a task differs from what its command printed; none where it is the same.
async fn torn(site: &Site, task: &Task) -> Option<String> {
    let complete = task.ended.clone().unwrap_or_default().log_complete;
    let stored = site.world.log(task.id, task.attempt.0).await;
    let sum = printed(site, task.id)?;
    let same = complete == Some(true) && Sha256::of(&stored).to_string() == sum;
    (!same).then(|| format!("the log of task {} is not what it printed: {} bytes, complete: {complete:?}", task.id, stored.len()))
}

/// The digest of what a task says that it printed; none where it never ended.
fn printed(site: &Site, id: TaskId) -> Option<String> {
    let lines = site.recorder.lines();
    lines.iter().find_map(|line| Some(line.word.strip_prefix("sum:").filter(|_| line.task == id.0)?.to_owned()))
}
