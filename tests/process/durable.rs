//! Submits under `kill -9` of what stores them, with each commit synced to the disk.

use crate::{
    eventually,
    postgres::Postgres,
    standby::Pair,
    support::{Dice, Front},
    world::{Part, World},
};
use slipway::{
    app::ambient::SystemRng,
    domain::Rng,
    wire::{NewTask, TaskId, TaskQuery},
};
use sqlx::{Connection, PgConnection};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{task::JoinSet, time::sleep};

/// How many submit at once.
const CALLERS: usize = 8;

/// Callers that submit one task after the other, each until it is acknowledged.
struct Submitting {
    callers: JoinSet<Vec<(String, TaskId)>>,
    acknowledged: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
}

impl Submitting {
    async fn begin(front: &Front) -> Self {
        let (mut callers, acknowledged, over) = (JoinSet::new(), Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        for caller in 0..CALLERS {
            let (client, acknowledged, over) = (front.client().await, acknowledged.clone(), over.clone());
            callers.spawn(async move {
                let mut all = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    let name = format!("{caller}-{}", all.len());
                    let task = NewTask { name: Some(name.clone()), command: Some(vec!["true".into()]), ..NewTask::default() };
                    let key = SystemRng.uuid();
                    let id = loop {
                        match client.submit(&task, key).await {
                            Ok(task) => break task.id,
                            Err(_) => sleep(Duration::from_millis(20)).await,
                        }
                    };
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                    all.push((name, id));
                }
                all
            });
        }
        Self { callers, acknowledged, over }
    }

    /// Waits until so many more are acknowledged.
    async fn more(&self, count: usize) {
        let before = self.acknowledged.load(Ordering::Relaxed);
        eventually("more submits", async || (self.acknowledged.load(Ordering::Relaxed) >= before + count).then_some(())).await;
    }

    /// Ends them: each task that was acknowledged is there, under the id that was said, and there is no other.
    async fn check(self, front: &Front) {
        self.over.store(true, Ordering::Relaxed);
        let said: BTreeMap<_, _> = self.callers.join_all().await.into_iter().flatten().map(|(name, id)| (id, name)).collect();
        let client = front.client().await;
        let (mut stored, mut query) = (BTreeMap::new(), TaskQuery { limit: Some(500), ..TaskQuery::default() });
        loop {
            let page = eventually("a list", async || client.tasks(&query).await.ok()).await;
            stored.extend(page.items.into_iter().map(|task| (task.id, task.name.unwrap_or_default())));
            query.cursor = page.next_cursor;
            if query.cursor.is_none() {
                break;
            }
        }
        eprintln!("{} submits were acknowledged", said.len());
        assert!(said == stored, "{} were acknowledged, {} are there", said.len(), stored.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_postgres_acknowledged_is_there_once_after_its_kills_and_the_servers() {
    let mut dice = Dice::roll("what_postgres_acknowledged");
    let mut postgres = Postgres::with(["fsync=on".to_owned()]).await;
    let mut conn = PgConnection::connect(&postgres.url()).await.expect("a connection");
    for setting in ["fsync", "synchronous_commit"] {
        let text = sqlx::AssertSqlSafe(format!("show {setting}"));
        assert_eq!(sqlx::query_scalar::<_, String>(text).fetch_one(&mut conn).await.expect("a setting"), "on", "{setting}");
    }
    drop(conn);
    let mut pair = Pair::over(&postgres).await;
    let submitting = Submitting::begin(&pair.world).await;
    for round in 0..4 {
        submitting.more(20).await;
        dice.pause(0, 200).await;
        if round % 2 == 0 {
            postgres.strike();
        } else {
            pair.strike(round / 2).await;
        }
    }
    submitting.more(20).await;
    submitting.check(&pair.world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sqlite_acknowledged_is_there_once_after_kills_of_its_server() {
    let mut dice = Dice::roll("what_sqlite_acknowledged");
    let mut world = World::new();
    world.start(Part::Server);
    world.ready().await;
    let submitting = Submitting::begin(&world).await;
    for _ in 0..8 {
        submitting.more(20).await;
        dice.pause(0, 200).await;
        world.strike(Part::Server);
    }
    submitting.more(20).await;
    submitting.check(&world).await;
}
