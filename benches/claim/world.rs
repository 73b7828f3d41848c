//! A database with pending tasks, made by the store's own submits.

use crate::Failure;
use futures::future::try_join_all;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use slipway::{
    app::ambient::{SystemClock, SystemRng},
    domain::{
        Labels, Overrides, Priority, QueueName, Resources, Retries, Role, SecretKind, TaskId, TaskSpec, Times, fingerprint, mint_secret,
    },
    store::{Ambient, ApplyBudget, ApplyQueue, CreateToken, Keeper, NewTask, Store, Submit, Submitted},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One user, one queue, tasks that are all the same.
    Plain,
    /// Users, queues, sizes, priorities; limits and budgets on all of them.
    Mixed,
}

pub(crate) struct World {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) depth: usize,
    /// A server's data directory.
    pub(crate) data: PathBuf,
    /// A token for a runner.
    pub(crate) token: SecretString,
}

const USERS: usize = 1_000;
const QUEUES: usize = 50;
const BUDGETS: usize = 5;

impl World {
    pub(crate) async fn make(dir: &Path, name: &'static str, shape: Shape, depth: usize) -> Result<Self, Failure> {
        let data = dir.join(format!("{name}-{depth}"));
        std::fs::create_dir_all(&data)?;
        let token = mint_secret(SecretKind::Api, &SystemRng);
        let world = Self { name, shape, depth, data, token };
        let (store, writer) = world.open().await?;
        let token = CreateToken {
            hash: fingerprint(world.token.expose_secret()),
            user: "runner".into(),
            role: Role::Runner,
            tail: "0000".into(),
            by: "bench".into(),
            expires_at: None,
            queues: None,
            replaces: None,
        };
        store.run(token).await?;
        world.rules(&store).await?;
        // Each submit holds the tasks of one user.
        let mut next = 0;
        while next < depth {
            let users = if shape == Shape::Plain { 1 } else { 64 };
            let submits = (0..users).map_while(|_| {
                let some = (depth - next).min(if shape == Shape::Plain { 5_000 } else { 50 }).min(depth.div_ceil(USERS).max(1));
                let user = next / depth.div_ceil(USERS).max(1);
                let tasks: Vec<NewTask> = (next..next + some).map(|i| NewTask::new(world.spec(user, i))).collect();
                next += some;
                (!tasks.is_empty()).then(|| store.run(Submit { user: world.user(user), tasks, idempotency: None }))
            });
            for submitted in try_join_all(submits.collect::<Vec<_>>()).await? {
                expect_new(submitted)?;
            }
        }
        drop(store);
        writer.await?;
        Ok(world)
    }

    /// The store over it, in this process.
    pub(crate) async fn open(&self) -> Result<(Store, tokio::task::JoinHandle<()>), Failure> {
        let ambient = Ambient { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng), times: Times::default(), faults: None };
        Ok(Store::open(&self.data.join("slipway.db"), ambient).await?)
    }

    async fn rules(&self, store: &Store) -> Result<(), Failure> {
        let mut queues: Vec<(String, Value)> = vec![("default".into(), json!({}))];
        if self.shape == Shape::Mixed {
            for nth in 0..BUDGETS {
                let apply = ApplyBudget {
                    name: budget(nth).parse()?,
                    doc: json!({ "max": 1_000 }).to_string(),
                    by: "bench".into(),
                    if_revision: None,
                };
                store.run(apply).await?.map_err(|refused| format!("{}: {refused:?}", budget(nth)))?;
            }
            queues = (0..QUEUES)
                .map(|q| {
                    let rules = json!({
                        "limits": { "maxRunning": 500, "maxRunningPerUser": 50, "maxPending": 2_000_000 },
                        "weight": 1 + q % 5,
                        "userWeights": { "u1": 2, "u500": 3 },
                        "budgets": { (budget(q % BUDGETS)): { "guaranteed": 2 } },
                    });
                    (queue(q), rules)
                })
                .collect();
        }
        for (name, doc) in queues {
            let apply = ApplyQueue {
                name: name.parse()?,
                doc: doc.to_string(),
                cost: slipway::domain::order::Cost::default(),
                by: "bench".into(),
                if_revision: None,
                kept_by: Keeper::Any,
            };
            store.run(apply).await?.map_err(|refused| format!("{name}: {refused:?}"))?;
        }
        Ok(())
    }

    pub(crate) fn user(&self, nth: usize) -> String {
        if self.shape == Shape::Plain { "ann".into() } else { format!("u{}", nth % USERS) }
    }

    /// The `i`th task, of the `user`th user. Users of a mixed world use five queues, two sizes and mostly one priority.
    pub(crate) fn spec(&self, user: usize, i: usize) -> TaskSpec {
        let plain = self.shape == Shape::Plain;
        let gpus = if plain { 0 } else { [0, 1, 1, 2, 4, 8][(user % 5) + (i / 5) % 2] };
        let priority = match i % 10 {
            _ if plain => Priority::Normal,
            0 => Priority::High,
            1 => Priority::Low,
            _ => Priority::Normal,
        };
        TaskSpec {
            name: None,
            queue: if plain { QueueName::default() } else { queue((user + 10 * (i % 5)) % QUEUES).parse().unwrap_or_default() },
            labels: Labels::new(),
            priority,
            work: slipway::domain::Work::Command(vec!["python".into(), "train.py".into(), "--lr".into(), "3e-4".into()]),
            env: BTreeMap::new(),
            resources: Resources::of_gpus(gpus),
            timeout_seconds: None,
            max_wait_seconds: None,
            total_timeout_seconds: None,
            grace_seconds: 30,
            retries: Retries::default(),
            overrides: Overrides::default(),
            setup: slipway::domain::Setup::default(),
            ending: slipway::domain::Ending::default(),
        }
    }
}

fn queue(nth: usize) -> String {
    format!("queue-{nth}")
}

fn budget(nth: usize) -> String {
    format!("pool{nth}")
}

pub(crate) fn expect_new(submitted: Submitted) -> Result<TaskId, Failure> {
    match submitted {
        Submitted::New(ids, _) => Ok(ids[0]),
        other => Err(format!("not stored: {other:?}").into()),
    }
}
