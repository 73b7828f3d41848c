//! Row 14: the server killed and started again while twenty agents upload large logs, and many short tasks pass beside them.

use crate::{
    ended::{all_ended, stored},
    judge::judge,
    logs::same,
    procs::uptime,
    proxy::Proxy,
    record::Line,
    row::{Absent, Form, Outcome, Row},
    score::Level,
    sound::panics,
    support::{Dice, eventually, within},
    world::{Part, World},
};
use slipway::wire::TaskState;
use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

pub(crate) const ROW: Row = Row { number: 14, level: Level::P, short: 8, full: 2_000, run: |form| Box::pin(run(form)) };

/// How many tasks write much, in the short form and in the full one; all others pass through half as many slots more.
const LARGE: (usize, usize) = (4, 20);
/// The millions of bytes that each of them writes.
const SIZES: (u64, u64) = (8, 400);
/// The bytes that each of the others writes.
const SMALL: u64 = 50_000;
/// The pause after each million, in seconds: an agent keeps 257 MiB for a server that is slow, and this row is not about what it
/// drops beyond that.
const PAUSES: (f64, f64) = (0.1, 1.2);
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
    let large = form.of(LARGE.0, LARGE.1);
    world.slots = u32::try_from(large + large / 2).expect("a number of slots");
    world.start(Part::Server);
    world.start(Part::Runner);
    world.ready().await;
    let (pieces, pause) = (form.of(SIZES.0, SIZES.1), form.of(PAUSES.0, PAUSES.1));
    let (kills, again) = (form.of(KILLS.0, KILLS.1), form.of(AGAIN.0, AGAIN.1));
    let piece = |size: u64| format!("head -c {size} /dev/urandom | tee -a \"$COPIES/$id-$n\"");
    let much = format!("i=0; while [ $i -lt {pieces} ]; do i=$((i+1)); {}; sleep {pause}; done", piece(1_000_000));
    let little = piece(SMALL);
    let kinds: Vec<_> = (0..form.tasks).map(|nth| if nth < large { (&much, pieces * 1_000_000) } else { (&little, SMALL) }).collect();
    let (mut tasks, mut sizes) = (Vec::new(), BTreeMap::new());
    for (body, size) in kinds {
        let id = world.submit(&world.recorder.task(body)).await;
        tasks.push(id);
        sizes.insert(id, size);
    }
    let whole: u64 = sizes.values().sum();
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
        let same = same(&world, task, sizes[&task.id]).await;
        outcome.must(same, || format!("the log of task {} is not what its command wrote", task.id));
    }
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let more = sent as f64 / whole as f64 - 1.0;
    eprintln!("{kills} kills over {} MB: {:.1} % were sent again, heads and heartbeats included", whole / 1_000_000, more * 100.0);
    outcome.must(more <= again, || format!("{:.1} % of the bytes were sent again", more * 100.0));
    world.nothing_left().await;
    outcome.broken.extend(panics(&world.root));
    Ok(outcome)
}
