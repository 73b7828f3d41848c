//! Row 13: runner and agents cut off from their server for the scaled equivalents of 5 seconds and of 1, 5, 9 and 15 minutes, in each
//! of the ways that networks have.

use super::fenced::fenced;
use crate::{
    ended::{all_ended, stored},
    judge::judge,
    logs::differing,
    procs::uptime,
    proxy::{FOUL, Proxy, Weather},
    recovery::{Fault, worst},
    row::{Absent, Form, Outcome, Row},
    score::Level,
    sound::{Held, panics},
    support::{Dice, eventually},
    tail::Tail,
    world::{Part, World},
};
use slipway::{
    app::ambient::SystemRng,
    domain::Rng,
    wire::{BatchRequest, TaskId, TaskState, Times},
};
use std::{collections::BTreeMap, fs, net::SocketAddr, time::Duration};
use tokio::time::{Instant, sleep};

pub(crate) const ROW: Row = Row { number: 13, level: Level::P, short: 60, full: 2_000, run: |form| Box::pin(run(form)) };

/// Between a third of a second and three, with output all the while.
const BODY: &str = "i=0; while [ $i -lt 10 ]; do i=$((i+1)); emit \"line $i of $id: $(head -c 60 /dev/urandom | base64 -w 0)\"; \
                    sleep 0.$((id % 9))2; done";
const SLOTS: u32 = 24;
/// By how much times are smaller than the usual ones, and cuts than those of the scenario.
const SCALE: u64 = 60;
/// Milliseconds, a sixtieth of 5 s, 1, 5, 9 and 15 min; the shorter ones more often. The short form has those up to 5 min.
const LENGTHS: [u64; 12] = [83, 83, 83, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 5_000, 9_000, 15_000];

async fn run(form: Form) -> Result<Outcome, Absent> {
    let mut dice = Dice::of(form.seed);
    let mut world = World::new();
    let server: SocketAddr = world.url.trim_start_matches("http://").parse().expect("an address");
    let proxy = Proxy::before(server, dice.below(u64::MAX)).await;
    world.slots = SLOTS;
    // What an agent's report of its end has to outlast a cut: the cut, the pause that straddles its end, and the calls around it, as
    // with the usual times.
    world.times.call_retry_max_ms = Times::default().call_retry_max_ms / SCALE;
    world.times.finish_retry_ms = LENGTHS[11] + world.times.call_retry_max_ms + 2 * world.times.call_timeout_ms;
    world.runners_call = Some(format!("http://{}", proxy.address));
    world.start(Part::Server);
    world.start(Part::Runner);
    world.ready().await;
    let held = [Part::Server, Part::Runner].map(|part| (part, Held::now(&mut world, part)));
    let client = world.client().await;
    let mut tasks = at_the_edge(&world, &proxy).await;
    while tasks.len() < form.tasks {
        let batch = BatchRequest { tasks: vec![world.recorder.task(BODY); (form.tasks - tasks.len()).min(500)] };
        let key = SystemRng.uuid();
        tasks.extend(eventually("an answer to the batch", async || client.submit_batch(&batch, key).await.ok()).await.ids);
    }
    let faults = storm(&world, &proxy, &mut dice, form).await;
    all_ended(&world).await;
    // An agent that was cut off right after its finish sends the rest of its log after the end.
    world.nothing_left().await;
    let all = all_ended(&world).await;
    let lines = world.recorder.lines();
    let acknowledged: Vec<_> = tasks.iter().map(|id| id.0).collect();
    let starts: Vec<_> = lines.iter().filter(|line| line.word == "start").map(|line| line.at).collect();
    let mut outcome = Outcome {
        tries: tasks.len(),
        findings: judge(&acknowledged, &lines, &stored(&all)),
        worst_recovery: worst(&faults, &starts, SLOTS as usize),
        broken: differing(&world, &all).await,
        ..Outcome::default()
    };
    let mut begun: BTreeMap<i64, usize> = BTreeMap::new();
    lines.iter().filter(|line| line.word == "start").for_each(|line| *begun.entry(line.task).or_default() += 1);
    for task in &all {
        outcome.must(task.state == TaskState::Succeeded, || format!("task {} is {}: {:?}", task.id, task.state, task.ended));
        let times = begun.get(&task.id.0).copied().unwrap_or_default();
        outcome.must(times == 1, || format!("the command of task {} began {times} times: a cut cost something", task.id));
    }
    outcome.broken.extend(panics(&world.root));
    outcome.broken.extend(held.into_iter().filter_map(|(part, held)| held.grown(&Held::now(&mut world, part))));
    drop(world);
    Ok(outcome.and(fenced(form).await))
}

/// The longest cut at its worst moment: right before commands end, so that their results and the ends of their logs have to outlast
/// all of it.
async fn at_the_edge(world: &World, proxy: &Proxy) -> Vec<TaskId> {
    let body = "emit before; note ready; while [ ! -e \"$COPIES/../go\" ]; do sleep 0.05; done; emit after";
    let mut tasks = Vec::new();
    for _ in 0..SLOTS / 3 {
        tasks.push(world.submit(&world.recorder.task(body)).await);
    }
    for id in &tasks {
        world.recorded(*id, "ready").await;
    }
    proxy.turn(Weather::Reset);
    fs::write(world.root.join("go"), "").expect("a file");
    sleep(Duration::from_millis(LENGTHS[11])).await;
    proxy.turn(Weather::Fair);
    tasks
}

/// One fault after the other, until every command has begun.
async fn storm(world: &World, proxy: &Proxy, dice: &mut Dice, form: Form) -> Vec<Fault> {
    let (mut tail, mut started, mut faults) = (Tail::of(world.recorder.file.clone()), 0, Vec::new());
    let mut counts = BTreeMap::<String, usize>::new();
    let mut since = Instant::now();
    loop {
        // Half of the faults come once work goes on, the others at any time.
        let (enough, limit) =
            if dice.below(2) == 0 { (started + SLOTS as usize + 1, 20_000) } else { (usize::MAX, 200 + dice.below(2_000)) };
        let until = Instant::now() + Duration::from_millis(limit);
        while started < enough.min(form.tasks) && Instant::now() < until {
            let fresh = tail.fresh().iter().filter(|line| line.word == "start").count();
            if fresh > 0 {
                since = Instant::now();
            }
            started += fresh;
            sleep(Duration::from_millis(20)).await;
        }
        if started >= form.tasks || since.elapsed() > Duration::from_mins(4) {
            break;
        }
        let weather = *dice.pick(&FOUL).expect("one of them");
        let length = *dice.pick(&LENGTHS[..form.of(10, 12)]).expect("one of them");
        let began = uptime();
        proxy.turn(weather);
        sleep(Duration::from_millis(length)).await;
        proxy.turn(Weather::Fair);
        faults.push(Fault { began, ended: uptime() });
        *counts.entry(format!("{weather:?}")).or_default() += 1;
        if faults.len().is_multiple_of(10) {
            eprintln!("{} faults, {started} of {} commands have started", faults.len(), form.tasks);
        }
    }
    eprintln!("{} faults: {counts:?}", faults.len());
    faults
}
