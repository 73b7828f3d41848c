//! A store in a folder of its own, with a clock and randomness that the test drives.

use crate::{
    domain::{
        AttemptNumber, AttemptRef, AttemptResult, Clock, FailureClass, Labels, Overrides, Phase, Priority, QueueName, Reason, Resources,
        Retries, Rng, TaskId, TaskSpec, TaskState, Times, UnixMs, Work, fingerprint, order::Cost,
    },
    store::{
        Age, Ambient, ApplyQueue, Beat, Chore, Claim, ClaimedAttempt, DatabaseCopy, Due, EmptyDatabase, Fault, Faults, Finish, Finished,
        Keeper, NewTask, QueueShare, Refusal, Reporting, Site, Start, Store, Submit, Submitted, sql, sqlite,
        testing::{Cluster, opened},
    },
};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{Connection as _, PgConnection};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use uuid::Uuid;

/// Goes on by a millisecond with each look, and by what a test adds.
pub(super) struct Fixed(AtomicI64);
impl Clock for Fixed {
    fn now(&self) -> UnixMs {
        UnixMs(self.0.fetch_add(1, Ordering::Relaxed))
    }
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// Every call differs, every run is the same.
pub(super) struct Counting(AtomicU64);
impl Rng for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        let n = self.0.fetch_add(1, Ordering::Relaxed);
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = n.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(u32::try_from(i * 8 % 64).unwrap()).to_le_bytes()[i % 8];
        }
    }
}

pub(super) struct Rig {
    pub(super) store: Store,
    pub(super) dir: TempDir,
    pub(super) times: Times,
    pub(super) clock: Arc<Fixed>,
    faults: Option<Faults>,
}

impl Rig {
    pub(super) async fn new() -> Self {
        let rig = Self::open(tempfile::tempdir().unwrap()).await;
        rig.queue("default").await;
        rig
    }

    pub(super) async fn open(dir: TempDir) -> Self {
        Self::with_faults(dir, None).await
    }

    pub(super) async fn with_faults(dir: TempDir, faults: Option<Faults>) -> Self {
        Self::at(dir, faults, UnixMs(1_800_000_000_000)).await
    }

    async fn at(dir: TempDir, faults: Option<Faults>, now: UnixMs) -> Self {
        let clock = Arc::new(Fixed(AtomicI64::new(now.0)));
        let ambient = Ambient { faults: faults.clone(), clock: clock.clone(), ..ambient() };
        let times = ambient.times.clone();
        let store = opened(&dir, ambient).await;
        Self { store, dir, times, clock, faults }
    }

    /// With a board that after every batch must be the same as one made anew.
    pub(super) async fn audited() -> Self {
        let rig = Self::with_faults(tempfile::tempdir().unwrap(), Some(Arc::new(|_| Fault::Audit))).await;
        rig.queue("default").await;
        rig
    }

    /// Closes and opens it again, as a restart of the server does.
    pub(super) async fn reopened(self) -> Self {
        let Self { store, dir, clock, faults, .. } = self;
        store.closed().await;
        Self::at(dir, faults, clock.now()).await
    }

    /// Closes it, takes all that it holds to a database of the other kind, and opens that.
    pub(super) async fn moved(self) -> Self {
        let Self { store, dir, clock, faults, times } = self;
        let (kind, to) = (store.kind(), tempfile::tempdir().unwrap());
        store.closed().await;
        let cluster = Cluster::of_this_process();
        let ambient = Ambient { faults: faults.clone(), clock: clock.clone(), ..ambient() };
        let store = if kind == "sqlite" {
            let url = cluster.database(to.path()).await;
            EmptyDatabase::take(&url).await.unwrap().fill(&dir.path().join("slipway.db"), &mut |_| {}).await.unwrap();
            Store::connect(&url, ambient).await.unwrap().0
        } else {
            let (url, file) = (cluster.database(dir.path()).await, to.path().join("slipway.db"));
            DatabaseCopy::make(Site::Postgres(&url), &file, &mut |_| {}).await.unwrap().close().await.unwrap();
            Store::open(&file, ambient).await.unwrap().0
        };
        Self { store, dir: to, times, clock, faults }
    }

    /// Closes it; what is left is its folder.
    pub(super) async fn closed(self) -> TempDir {
        let Self { store, dir, .. } = self;
        store.closed().await;
        dir
    }

    pub(super) async fn queue(&self, name: &str) {
        let apply = ApplyQueue {
            name: name.parse().unwrap(),
            doc: "{}".into(),
            cost: Cost::default(),
            by: "ada".into(),
            if_revision: None,
            kept_by: Keeper::Any,
        };
        self.store.run(apply).await.unwrap().expect("apply the queue");
    }

    /// Around a store that was opened elsewhere, with a clock of its own.
    pub(super) fn over(store: Store, dir: TempDir) -> Self {
        Self { store, dir, times: ambient().times, clock: Arc::new(Fixed(AtomicI64::new(1_800_000_000_000))), faults: None }
    }

    /// Rows of the database itself.
    pub(super) async fn rows(&self, text: &'static str) -> Vec<sql::Row> {
        sql::query(text).fetch_all(&self.store.readers).await.unwrap()
    }

    /// A connection of the test's own, on Postgres.
    pub(super) async fn postgres(&self) -> PgConnection {
        let cluster = Cluster::of_tests().expect("the suite runs on Postgres");
        PgConnection::connect(&cluster.database(self.dir.path()).await).await.unwrap()
    }

    /// Does something to the database past the writer, which sees it when the store is opened again.
    pub(super) async fn past_the_writer(&self, statements: &[&'static str], arg: i64) {
        let mut conn = match Cluster::of_tests() {
            None => sqlite::open_existing(&self.dir.path().join("slipway.db")).await.unwrap(),
            Some(_) => sql::Conn::Postgres(self.postgres().await),
        };
        for text in statements {
            sql::query(text).bind(arg).execute(&mut conn).await.unwrap_or_else(|error| panic!("{error}: {text}"));
        }
        conn.close().await.unwrap();
    }

    /// What the clockwork finds now.
    pub(super) async fn due(&self) -> Due {
        self.store.due(self.clock.now()).await.unwrap()
    }

    /// Lets every task rise whose time has come, as the clockwork does.
    pub(super) async fn age(&self) {
        while self.due().await.chores.contains(&Chore::Age) {
            self.store.run(Age).await.unwrap();
        }
    }

    /// The time of day steps by `ms`, forward or back; uptime does not.
    pub(super) fn step(&self, ms: i64) {
        self.clock.0.fetch_add(ms, Ordering::Relaxed);
    }

    /// Uptime goes on by `ms`.
    pub(super) fn pass(&self, ms: u64) {
        let all = Duration::from_millis(ms);
        self.store.uptime().advance(all, all);
    }

    pub(super) async fn submit(&self, spec: TaskSpec) -> TaskId {
        let submit = Submit { user: "ada".into(), tasks: vec![NewTask::new(spec)], idempotency: None };
        match self.store.run(submit).await.unwrap() {
            Submitted::New(ids, _) => ids[0],
            other => panic!("not stored: {other:?}"),
        }
    }

    pub(super) async fn claim(&self, max: u32) -> Vec<ClaimedAttempt> {
        self.store.run(claim(max)).await.unwrap()
    }

    pub(super) async fn start(&self, claimed: &ClaimedAttempt, uid: &str) -> Result<SecretString, Refusal> {
        self.store.run(start(claimed, uid, Uuid::nil())).await.unwrap()
    }

    /// Claims and starts one task and sends its first heartbeat.
    pub(super) async fn running(&self) -> (AttemptRef, [u8; 32], Uuid) {
        let op = claim(1);
        let id = op.claim;
        let claimed = self.store.run(op).await.unwrap().remove(0);
        let token = self.start(&claimed, "pod-1").await.expect("start");
        let token_hash = fingerprint(token.expose_secret());
        let attempt = AttemptRef { task: claimed.task, attempt: claimed.attempt };
        self.beat(attempt, token_hash, Phase::Running).await.expect("beat");
        (attempt, token_hash, id)
    }

    pub(super) async fn beat(&self, a: AttemptRef, token_hash: [u8; 32], phase: Phase) -> Result<bool, Refusal> {
        self.store.run(Beat { task: a.task, attempt: a.attempt, token_hash, phase }).await.unwrap()
    }

    pub(super) async fn finish(&self, a: AttemptRef, token_hash: [u8; 32], code: i32, settled: Option<bool>) -> Result<Finished, Refusal> {
        let result = exit(code);
        self.store.run(Finish { task: a.task, attempt: a.attempt, token_hash, result, log: (3, 7), notes: None, settled }).await.unwrap()
    }

    pub(super) async fn state(&self, task: TaskId) -> TaskState {
        self.store.task(task).await.unwrap().expect("the task exists").state
    }
}

pub(super) fn ambient() -> Ambient {
    Ambient {
        clock: Arc::new(Fixed(AtomicI64::new(1_800_000_000_000))),
        rng: Arc::new(Counting(AtomicU64::new(1))),
        times: Times { retry_backoff_ms: 1000, ..Times::default() },
        faults: None,
    }
}

pub(super) fn exit(code: i32) -> AttemptResult {
    AttemptResult { exit_code: Some(code), ..AttemptResult::default() }
}

/// What a runner says of an attempt that is over and left no result.
pub(super) fn lost(proven: bool) -> Reporting {
    Reporting::Ended { class: FailureClass::Lost, reason: Reason::AttemptLost, message: "gone".into(), proven }
}

pub(super) fn claim(max: u32) -> Claim {
    Claim {
        runner: "r1".parse().unwrap(),
        claim: fresh_uuid(),
        max,
        gpus: 8,
        all_gpus: 8,
        queues: vec![QueueShare { queue: None, max }],
        except: [].into(),
        wait: false,
    }
}

pub(super) fn fresh_uuid() -> Uuid {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Uuid::from_u64_pair(7, NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(super) fn start(claimed: &ClaimedAttempt, uid: &str, nonce: Uuid) -> Start {
    let token = claimed.start_token.clone().into();
    Start { task: claimed.task, attempt: claimed.attempt, token, uid: uid.into(), nonce, agentless: false, self_stop: false }
}

pub(super) fn spec() -> TaskSpec {
    TaskSpec {
        name: None,
        queue: QueueName::default(),
        labels: Labels::new(),
        priority: Priority::Normal,
        work: Work::Command(vec!["true".into()]),
        env: BTreeMap::new(),
        resources: Resources::default(),
        timeout_seconds: None,
        max_wait_seconds: None,
        total_timeout_seconds: None,
        grace_seconds: 30,
        retries: Retries::default(),
        overrides: Overrides::default(),
        setup: crate::domain::Setup::default(),
        ending: crate::domain::Ending::default(),
    }
}

pub(super) const FIRST: AttemptNumber = AttemptNumber(1);
