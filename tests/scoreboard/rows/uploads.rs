//! Row 14: the server killed and started again while twenty agents upload their logs.

use crate::{
    ended::{all_ended, stored},
    judge::judge,
    procs::uptime,
    proxy::Proxy,
    record::Line,
    row::{Absent, Form, Outcome, Row},
    score::Level,
    support::{Dice, eventually, within},
    world::{Part, World},
};
use slipway::{
    client::LogRange,
    wire::{Task, TaskState},
};
use std::{
    fs::File,
    io::{Read, Write},
    net::SocketAddr,
    path::Path,
    time::Duration,
};

pub(crate) const ROW: Row = Row { number: 14, level: Level::P, short: 4, full: 20, run: |form| Box::pin(run(form)) };

/// Bytes that one task writes in the short form, and in the full one.
const SIZES: (u64, u64) = (8_000_000, 400_000_000);
/// How often the server is killed.
const KILLS: (u64, u64) = (2, 50);
/// Of what was uploaded, so much may have been sent again. In the short form each kill meets fewer bytes.
const AGAIN: (f64, f64) = (0.5, 0.05);
/// So many bytes on the way to a server that was started again are more than heads and heartbeats: the uploads go on.
const GOES_ON: u64 = 1_000_000;

async fn run(form: Form) -> Result<Outcome, Absent> {
    let mut dice = Dice::of(form.seed);
    let mut world = World::new();
    let server: SocketAddr = world.url.trim_start_matches("http://").parse().expect("an address");
    let proxy = Proxy::before(server, dice.below(u64::MAX)).await;
    world.runners_call = Some(format!("http://{}", proxy.address));
    world.slots = u32::try_from(form.tasks).expect("a number of slots");
    world.start(Part::Server);
    world.start(Part::Runner);
    world.ready().await;
    let (size, kills, again) = (form.of(SIZES.0, SIZES.1), form.of(KILLS.0, KILLS.1), form.of(AGAIN.0, AGAIN.1));
    let body = format!("head -c {size} /dev/urandom | tee \"$COPIES/$id-$n\"");
    let mut tasks = Vec::new();
    for _ in 0..form.tasks {
        tasks.push(world.submit(&world.recorder.task(&body)).await);
    }
    let whole = size * tasks.len() as u64;
    let mut worst = 0.0_f64;
    for nth in 1..=kills {
        // At a random point of each share of the way.
        let next = whole / (kills + 1) * nth - dice.below(whole / (kills + 1));
        within(Duration::from_mins(5), "the uploads to go on", async || (proxy.sent() >= next).then_some(())).await;
        world.strike(Part::Server);
        let (since, before) = (uptime(), proxy.sent());
        eventually("the uploads after a kill", async || (proxy.sent() > before + GOES_ON).then_some(())).await;
        worst = worst.max(uptime() - since);
        if nth % 5 == 0 {
            eprintln!("{nth} kills, {} of {} MB were sent", proxy.sent() / 1_000_000, whole / 1_000_000);
        }
    }
    let all = all_ended(&world).await;
    let sent = proxy.sent();
    let lines: Vec<Line> = world.recorder.lines();
    let acknowledged: Vec<_> = tasks.iter().map(|id| id.0).collect();
    let mut outcome = Outcome {
        tries: tasks.len(),
        findings: judge(&acknowledged, &lines, &stored(&all)),
        worst_recovery: Some(worst),
        ..Outcome::default()
    };
    for task in &all {
        outcome.must(task.state == TaskState::Succeeded && task.attempt.0 == 1, || format!("task {}: {:?}", task.id, task.ended));
        let same = same(&world, task, size).await;
        outcome.must(same, || format!("the log of task {} is not what its command wrote", task.id));
    }
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let more = sent as f64 / whole as f64 - 1.0;
    eprintln!("{kills} kills over {} MB: {:.1} % were sent again, heads and heartbeats included", whole / 1_000_000, more * 100.0);
    outcome.must(more <= again, || format!("{:.1} % of the bytes were sent again", more * 100.0));
    world.nothing_left().await;
    Ok(outcome)
}

/// Whether the stored log is, byte for byte, what the command wrote.
async fn same(world: &World, task: &Task, size: u64) -> bool {
    let stored = world.root.join(format!("stored-{}", task.id));
    let mut answer = world.client().await.with_timeout(Duration::from_mins(5)).log(task.id, LogRange::default()).await.expect("the log");
    let mut file = File::create(&stored).expect("a file");
    while let Some(piece) = answer.chunk().await.expect("the log") {
        file.write_all(&piece).expect("the log");
    }
    let copy = world.recorder.file.with_file_name("copies").join(format!("{}-{}", task.id, task.attempt.0));
    let complete = task.ended.clone().unwrap_or_default().log_complete == Some(true);
    let same = complete && stored.metadata().is_ok_and(|file| file.len() == size) && equal(&stored, &copy);
    let _ = std::fs::remove_file(stored);
    same
}

/// Whether two files hold the same bytes.
fn equal(one: &Path, other: &Path) -> bool {
    let (Ok(mut one), Ok(mut other)) = (File::open(one), File::open(other)) else { return false };
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let Ok(count) = one.read(&mut left) else { return false };
        if other.read_exact(&mut right[..count]).is_err() || left[..count] != right[..count] {
            return false;
        }
        if count == 0 {
            return other.read(&mut right).is_ok_and(|more| more == 0);
        }
    }
}
