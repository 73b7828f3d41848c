//! Row 15: a cancel from 200 ms before a command's end to 200 ms after it.

use crate::{
    ended::{all_ended, stored},
    judge::judge,
    procs::uptime,
    record::Line,
    row::{Absent, Form, Outcome, Row},
    score::Level,
    sound::{Held, panics},
    support::{Dice, eventually},
    tail::Tail,
    world::{Part, World},
};
use futures::{StreamExt, stream};
use slipway::{
    app::ambient::SystemRng,
    client::Client,
    domain::Rng,
    wire::{BatchRequest, Task, TaskId, TaskState},
};
use std::{collections::BTreeMap, time::Duration};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

pub(crate) const ROW: Row = Row { number: 15, level: Level::P, short: 60, full: 2_400, run: |form| Box::pin(run(form)) };

/// Runs for 400 ms unless it is told to stop. A shell that waits hears a signal at once.
const BODY: &str = "trap 'note term; exit 143' TERM; note ready; sleep 0.4 & wait $!; emit done; trap '' TERM";
const RUNS: u64 = 400;
const AROUND: u64 = 200;
const SLOTS: u32 = 12;
/// Of `protocol-and-faults`: the cancel is heard within this, at the 99th hundredth.
const HEARD: f64 = 1.0;
/// The grace of these tasks, and ten seconds.
const OVER: f64 = 5.0 + 10.0;

/// A cancel that was answered.
struct Cancel {
    task: TaskId,
    /// When it was asked for, in seconds of uptime.
    asked: f64,
    /// What the answer said.
    state: TaskState,
}

async fn run(form: Form) -> Result<Outcome, Absent> {
    let mut dice = Dice::of(form.seed);
    let mut world = World::new();
    world.slots = SLOTS;
    world.start(Part::Server);
    world.start(Part::Runner);
    world.ready().await;
    let held = [Part::Server, Part::Runner].map(|part| (part, Held::now(&mut world, part)));
    let client = world.client().await;
    let mut tasks = Vec::new();
    while tasks.len() < form.tasks {
        let batch = BatchRequest { tasks: vec![world.recorder.task(BODY); (form.tasks - tasks.len()).min(500)] };
        let key = SystemRng.uuid();
        tasks.extend(eventually("an answer to the batch", async || client.submit_batch(&batch, key).await.ok()).await.ids);
    }
    let after: BTreeMap<_, _> = tasks.iter().map(|id| (id.0, RUNS - AROUND + dice.below(2 * AROUND))).collect();
    let cancels = raced(&world, &client, &after).await;
    let all = all_ended(&world).await;
    let lines = world.recorder.lines();
    let acknowledged: Vec<_> = tasks.iter().map(|id| id.0).collect();
    let mut outcome = Outcome { tries: tasks.len(), findings: judge(&acknowledged, &lines, &stored(&all)), ..Outcome::default() };
    let odds = stream::iter(all.iter().map(|task| at_odds(&world, &client, task, &cancels)).collect::<Vec<_>>());
    outcome.broken = odds.buffer_unordered(8).filter_map(async |story| story).collect().await;
    timed(&mut outcome, &all, &cancels, &lines);
    world.nothing_left().await;
    outcome.broken.extend(panics(&world.root));
    outcome.broken.extend(held.into_iter().filter_map(|(part, held)| held.grown(&Held::now(&mut world, part))));
    Ok(outcome)
}

/// Cancels each task so many milliseconds after its command was ready.
async fn raced(world: &World, client: &Client, after: &BTreeMap<i64, u64>) -> BTreeMap<i64, Cancel> {
    let (mut tail, mut open, mut answered) = (Tail::of(world.recorder.file.clone()), JoinSet::new(), BTreeMap::new());
    let mut since = Instant::now();
    while answered.len() < after.len() {
        for line in tail.fresh().into_iter().filter(|line| line.word == "ready") {
            let (client, wait) = (client.clone(), Duration::from_millis(after[&line.task]));
            open.spawn(async move {
                // The record has hundredths of a second, and was read a moment later.
                let passed = Duration::from_secs_f64((uptime() - line.at).max(0.0));
                sleep(wait.saturating_sub(passed)).await;
                let (task, asked, key) = (TaskId(line.task), uptime(), SystemRng.uuid());
                let mut tries = 0;
                let state = loop {
                    match client.cancel_task(task, key).await {
                        Ok(task) => break task.state,
                        Err(error) => assert!(tries < 100, "no answer to the cancel of task {task}: {error}"),
                    }
                    tries += 1;
                    sleep(Duration::from_millis(50)).await;
                };
                Cancel { task, asked, state }
            });
        }
        while let Some(cancel) = open.try_join_next() {
            let cancel = cancel.expect("a cancel");
            answered.insert(cancel.task.0, cancel);
            since = Instant::now();
        }
        if since.elapsed() > Duration::from_mins(1) {
            eprintln!("{} of {} cancels were answered, and no more come", answered.len(), after.len());
            break;
        }
        sleep(Duration::from_millis(5)).await;
    }
    answered
}

/// How the parts disagree about the end of a task; none where they agree.
async fn at_odds(world: &World, client: &Client, task: &Task, cancels: &BTreeMap<i64, Cancel>) -> Option<String> {
    let id = task.id;
    let Some(cancel) = cancels.get(&id.0) else { return Some(format!("the cancel of task {id} was not answered")) };
    if !matches!(task.state, TaskState::Succeeded | TaskState::Cancelled) {
        return Some(format!("task {id} is {}: {:?}", task.state, task.ended));
    }
    if cancel.state.is_terminal() && cancel.state != task.state {
        return Some(format!("the cancel of task {id} was told that it {}, later it {}", cancel.state, task.state));
    }
    let attempts = eventually("the attempts", async || client.attempts(id).await.ok()).await.items;
    let states: Vec<_> = attempts.iter().map(|attempt| attempt.state).collect();
    if states != [Some(task.state)] {
        return Some(format!("task {id} is {}, its attempts are {states:?}", task.state));
    }
    let events = world.ends(id).await;
    (events != [task.state.to_string()]).then(|| format!("task {id} is {}, its events say {events:?}", task.state))
}

/// How fast cancels were heard and done.
fn timed(outcome: &mut Outcome, all: &[Task], cancels: &BTreeMap<i64, Cancel>, lines: &[Line]) {
    let first = |task: i64, words: &[&str]| {
        lines.iter().filter(|line| line.task == task && words.contains(&line.word.as_str())).map(|line| line.at).min_by(f64::total_cmp)
    };
    let mut heard: Vec<_> =
        cancels.values().filter_map(|cancel| Some((first(cancel.task.0, &["term"])? - cancel.asked).max(0.0))).collect();
    heard.sort_by(f64::total_cmp);
    let over = cancels.values().filter_map(|cancel| Some(first(cancel.task.0, &["term", "end"])? - cancel.asked));
    let slowest = over.max_by(f64::total_cmp).unwrap_or_default();
    let cancelled = all.iter().filter(|task| task.state == TaskState::Cancelled).count();
    let p99 = heard.get(heard.len().saturating_sub(1) * 99 / 100).copied();
    eprintln!(
        "{cancelled} of {} were cancelled; {} heard it, p99 {p99:?} s; the last was over after {slowest:.2} s",
        all.len(),
        heard.len()
    );
    outcome.must(p99.is_some_and(|p99| p99 <= HEARD), || format!("cancel → SIGTERM: p99 {p99:?} s"));
    outcome.must(slowest <= OVER, || format!("a command went on for {slowest} s after its cancel"));
    outcome.must(cancelled > 0 && cancelled < all.len(), || format!("no race: {cancelled} of {} were cancelled", all.len()));
}
