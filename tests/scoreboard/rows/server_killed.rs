//! Row 2: `kill -9` of the server at random points and at named ones, over SQLite and over Postgres.

use crate::{
    ended::{all_ended, stored},
    judge::judge,
    logs::differing,
    postgres::Postgres,
    procs::uptime,
    recovery::{Fault, worst},
    row::{Absent, Form, Outcome, Row},
    score::Level,
    sound::panics,
    support::{Dice, crash_points},
    tail::Tail,
    within,
    world::{Part, World},
};
use slipway::{
    app::ambient::SystemRng,
    client::Client,
    domain::Rng,
    wire::{NewTask, TaskId, TaskState},
};
use sqlx::{Connection, SqliteConnection};
use std::time::Duration;
use tokio::{sync::mpsc, task::JoinHandle, time::sleep};

pub(crate) const ROW: Row = Row { number: 2, level: Level::P, short: 60, full: 4_000, run: |form| Box::pin(run(form)) };

const BODY: &str = "i=0; while [ $i -lt 5 ]; do i=$((i+1)); emit \"line $i of $id\"; sleep 0.0$((id % 9 + 1)); done";
const SLOTS: u32 = 8;
/// How many passes of a named point a server may live.
const PASSES: u64 = 25;

async fn run(form: Form) -> Result<Outcome, Absent> {
    let mut dice = Dice::of(form.seed);
    let half = form.tasks / 2;
    eprintln!("over SQLite");
    let mut world = World::new();
    let mut outcome = struck(&mut world, &mut dice, half, form).await;
    world.part(Part::Server).kill();
    let broken = unsound(&world.data().join("slipway.db").display().to_string()).await;
    outcome.must(broken.is_none(), || format!("the database is not sound: {broken:?}"));
    drop(world);
    eprintln!("over Postgres");
    let postgres = Postgres::with(["fsync=on".to_owned()]).await;
    let mut world = World::new();
    world.more = vec!["--database".to_owned(), postgres.url()];
    Ok(outcome.and(struck(&mut world, &mut dice, half, form).await))
}

/// Takes tasks through a server that is killed again and again.
async fn struck(world: &mut World, dice: &mut Dice, tasks: usize, form: Form) -> Outcome {
    world.slots = SLOTS;
    world.start(Part::Server);
    world.start(Part::Runner);
    world.ready().await;
    let kills = form.of(4, 100).min(tasks);
    let points: Vec<_> = crash_points().into_iter().filter(|name| name.starts_with("server.") || name.starts_with("store.")).collect();
    let submitter = Submitter::begin(world.client().await, world.recorder.task(BODY));
    let (mut tail, mut started, mut faults) = (Tail::of(world.recorder.file.clone()), 0, Vec::new());
    let mut armed = None;
    for nth in 0..kills {
        submitter.more((nth + 1) * tasks / kills - nth * tasks / kills);
        // Most kills hit a server at work; some hit one that has hardly begun.
        if dice.below(4) > 0 {
            let enough = (nth * tasks / kills).saturating_sub(SLOTS as usize);
            within(Duration::from_mins(2), "work to go on", async || {
                started += tail.fresh().iter().filter(|line| line.word == "start").count();
                (started >= enough || world.part(Part::Server).ended().is_some()).then_some(())
            })
            .await;
        }
        match armed.take() {
            Some(_) => died(world, Duration::from_millis(1_500)).await,
            None => dice.pause(0, 700).await,
        }
        let began = uptime();
        world.part(Part::Server).kill();
        if dice.below(3) == 0 {
            armed = dice.pick(&points).map(|point| format!("{point}:{}", 1 + dice.below(PASSES)));
            world.crash = armed.as_ref().map(|point| format!("{point}@{}", world.root.join(format!("crashed-{nth}")).display()));
        }
        world.start(Part::Server);
        world.crash = None;
        faults.push(Fault { began, ended: uptime() });
    }
    // The last one may still be armed.
    if armed.is_some() {
        died(world, Duration::from_secs(3)).await;
        let began = uptime();
        world.strike(Part::Server);
        faults.push(Fault { began, ended: uptime() });
    }
    let acknowledged = submitter.end().await;
    judged(world, &acknowledged, &faults).await
}

/// Waits for the death of the server at its armed point, which it may not pass.
async fn died(world: &mut World, limit: Duration) {
    let _ = tokio::time::timeout(limit, async {
        while world.part(Part::Server).ended().is_none() {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

async fn judged(world: &mut World, acknowledged: &[TaskId], faults: &[Fault]) -> Outcome {
    let all = all_ended(world).await;
    let lines = world.recorder.lines();
    let acknowledged: Vec<_> = acknowledged.iter().map(|id| id.0).collect();
    let starts: Vec<_> = lines.iter().filter(|line| line.word == "start").map(|line| line.at).collect();
    let mut outcome = Outcome {
        tries: acknowledged.len(),
        findings: judge(&acknowledged, &lines, &stored(&all)),
        worst_recovery: worst(faults, &starts, SLOTS as usize),
        broken: differing(world, &all).await,
        ..Outcome::default()
    };
    for task in all.iter().filter(|task| task.state != TaskState::Succeeded) {
        outcome.must(false, || format!("task {} is {}: {:?}", task.id, task.state, task.ended));
    }
    outcome.must(all.len() == acknowledged.len(), || format!("{} tasks were acknowledged, {} are there", acknowledged.len(), all.len()));
    let repeated = all.iter().filter(|task| task.attempt.0 > 1).count();
    eprintln!("{} kills, {repeated} tasks needed another attempt, worst recovery {:?} s", faults.len(), outcome.worst_recovery);
    world.nothing_left().await;
    outcome.broken.extend(panics(&world.root));
    outcome
}

/// What SQLite finds wrong with a database; none where it is sound.
async fn unsound(path: &str) -> Option<String> {
    let mut conn = SqliteConnection::connect(path).await.expect("the database");
    let said: Vec<String> = sqlx::query_scalar("pragma integrity_check").fetch_all(&mut conn).await.expect("an answer");
    let keys = sqlx::query("pragma foreign_key_check").fetch_all(&mut conn).await.expect("an answer");
    (said != ["ok"] || !keys.is_empty()).then(|| format!("{said:?}, {} keys lead nowhere", keys.len()))
}

/// Submits one task after the other beside everything else, each until it is acknowledged.
struct Submitter {
    orders: mpsc::UnboundedSender<usize>,
    work: JoinHandle<Vec<TaskId>>,
}

impl Submitter {
    fn begin(client: Client, task: NewTask) -> Self {
        let (orders, mut open) = mpsc::unbounded_channel::<usize>();
        let work = tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            while let Some(count) = open.recv().await {
                for _ in 0..count {
                    let key = SystemRng.uuid();
                    let id = loop {
                        match client.submit(&task, key).await {
                            Ok(task) => break task.id,
                            Err(_) => sleep(Duration::from_millis(20)).await,
                        }
                    };
                    acknowledged.push(id);
                }
            }
            acknowledged
        });
        Self { orders, work }
    }

    fn more(&self, count: usize) {
        self.orders.send(count).expect("it works");
    }

    /// All that were acknowledged, once all are.
    async fn end(self) -> Vec<TaskId> {
        drop(self.orders);
        self.work.await.expect("the submits")
    }
}
