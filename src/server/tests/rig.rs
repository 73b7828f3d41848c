//! A server in a folder of its own, with a clock and randomness that the test drives, and the people who call it.

use super::{
    own::Own,
    wires::{Call, Reply},
};
use crate::{
    blob::{Logs, Uploads},
    domain::{Clock, Issuer, Rates, Rng, Role, SecretKind, Times, UnixMs, fingerprint, mint_secret, order::Cost},
    server::{App, Keys, Settings, clockwork, identity::Identity, router},
    store::{Ambient, ApplyQueue, CreateToken, Keeper, testing::opened},
};
use axum::Router;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Who {
    Viewer,
    /// Two submitters, each with tasks of their own.
    Sam,
    Sue,
    Operator,
    Admin,
    Runner,
}

impl Who {
    pub(super) const ALL: [Self; 6] = [Self::Viewer, Self::Sam, Self::Sue, Self::Operator, Self::Admin, Self::Runner];

    pub(super) fn user(self) -> &'static str {
        match self {
            Self::Viewer => "vera",
            Self::Sam => "sam",
            Self::Sue => "sue",
            Self::Operator => "olga",
            Self::Admin => "ada",
            Self::Runner => "rune",
        }
    }

    pub(super) fn role(self) -> Role {
        match self {
            Self::Viewer => Role::Viewer,
            Self::Sam | Self::Sue => Role::Submitter,
            Self::Operator => Role::Operator,
            Self::Admin => Role::Admin,
            Self::Runner => Role::Runner,
        }
    }
}

/// The time of a test: it stands until the test moves it.
pub(super) struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> UnixMs {
        UnixMs(self.0.load(Ordering::Relaxed))
    }
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed).unsigned_abs())
    }
}

/// Every call differs, every run is the same; one call can be made to panic.
pub(super) struct TestRng {
    count: AtomicU64,
    pub(super) panics_once: AtomicBool,
}

impl Rng for TestRng {
    fn fill(&self, bytes: &mut [u8]) {
        assert!(!self.panics_once.swap(false, Ordering::Relaxed), "internal text that nobody may read");
        let n = self.count.fetch_add(1, Ordering::Relaxed);
        for (i, byte) in bytes.iter_mut().enumerate() {
            let mixed = (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(i as u64).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            *byte = (mixed >> 32).to_le_bytes()[0];
        }
    }
}

/// A runner's instance: what the rig's own runner registers with.
pub(super) const INSTANCE: Uuid = Uuid::from_u128(0xA1);

pub(super) struct Rig {
    pub(super) app: App,
    router: Router,
    pub(super) dir: TempDir,
    pub(super) rng: Arc<TestRng>,
    clock: Arc<TestClock>,
    tokens: HashMap<Who, String>,
}

impl Rig {
    /// A server with a token for everyone and the queue `default`.
    pub(super) async fn new() -> Self {
        Self::with(Times::default()).await
    }

    pub(super) async fn with(times: Times) -> Self {
        Self::begun(tempfile::tempdir().unwrap(), 1, times).await
    }

    /// The same over a copy of a database that is there already.
    pub(super) async fn over(database: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::copy(database, dir.path().join("slipway.db")).unwrap();
        // Its own tokens were made of the first numbers.
        Self::begun(dir, 1_000_000, Times::default()).await
    }

    async fn begun(dir: TempDir, count: u64, times: Times) -> Self {
        let clock = Arc::new(TestClock(AtomicI64::new(1_800_000_000_000)));
        let rng = Arc::new(TestRng { count: AtomicU64::new(count), panics_once: AtomicBool::new(false) });
        let mut rig = Self::open(dir, clock, rng, times).await;
        let apply = ApplyQueue {
            name: "default".parse().unwrap(),
            doc: "{}".into(),
            cost: Cost::default(),
            by: "ada".into(),
            if_revision: None,
            kept_by: Keeper::Any,
        };
        rig.app.store.run(apply).await.unwrap().expect("apply the queue");
        rig.app.queues.refresh(&rig.app.store).await.unwrap();
        for who in Who::ALL {
            let secret = mint_secret(SecretKind::Api, &*rig.rng);
            let text = secret.expose_secret();
            let tail = text[text.len() - 4..].to_owned();
            let user = who.user().to_owned();
            let create = CreateToken {
                hash: fingerprint(text),
                user,
                role: who.role(),
                tail,
                by: "setup".into(),
                expires_at: None,
                queues: None,
                replaces: None,
            };
            rig.app.store.run(create).await.unwrap();
            rig.tokens.insert(who, text.to_owned());
        }
        rig.app.tokens.refresh(&rig.app.store).await.unwrap();
        rig
    }

    async fn open(dir: TempDir, clock: Arc<TestClock>, rng: Arc<TestRng>, times: Times) -> Self {
        let ambient = Ambient { clock: clock.clone(), rng: rng.clone(), times: times.clone(), faults: None };
        let store = opened(&dir, ambient).await;
        let logs = Logs::new(&dir.path().join("logs"), None);
        let uploads = Uploads::new(dir.path(), None);
        let settings = Settings {
            times,
            clock: clock.clone(),
            rng: rng.clone(),
            stop: CancellationToken::new(),
            issuers: Vec::new(),
            rates: Rates::none(),
            proxies: Vec::new(),
        };
        let app = App::new(store, logs, uploads, settings).await.expect("make the server");
        Self { router: router(app.clone()), app, dir, rng, clock, tokens: HashMap::new() }
    }

    /// The same server, which takes the word of others on who a caller is.
    pub(super) fn trusting(mut self, issuers: Vec<(Issuer, Arc<dyn Keys>)>) -> Self {
        self.app.identity = Arc::new(Identity::new(issuers));
        self.router = router(self.app.clone());
        self
    }

    /// The same server with limits on how often one may call.
    pub(super) fn limited(mut self, rates: &Rates) -> Self {
        self.app.rates = Arc::new(crate::server::rates::Rates::new(rates, &self.app.settings.clock));
        self.router = router(self.app.clone());
        self
    }

    /// A token of a role that counts in some queues alone.
    pub(super) async fn token_in(&self, user: &str, role: &str, queues: &[&str]) -> String {
        let body = json!({"user": user, "role": role, "queues": queues});
        self.post(Who::Admin, "/api/v1/tokens", &body).await.expect(201)["secret"].as_str().unwrap().to_owned()
    }

    /// Ends the server without a word and starts it again over the same folder.
    pub(super) async fn restarted(self) -> Self {
        let Self { app, router, dir, rng, clock, tokens } = self;
        let times = app.settings.times.clone();
        drop((app, router));
        Self { tokens, ..Self::open(dir, clock, rng, times).await }
    }

    pub(super) fn call(&self, method: &str, path: impl Into<String>) -> Call {
        Call::new(self.router.clone(), method, path.into())
    }

    pub(super) fn get(&self, who: Who, path: impl Into<String>) -> Call {
        self.call("GET", path).bearer(self.token(who))
    }

    pub(super) fn post(&self, who: Who, path: impl Into<String>, body: &Value) -> Call {
        self.call("POST", path).bearer(self.token(who)).json(body)
    }

    pub(super) fn token(&self, who: Who) -> &str {
        &self.tokens[&who]
    }

    /// Uptime goes on by `ms`, as the clockwork lets it, and so does the time of day.
    pub(super) fn pass(&self, ms: u64) {
        let all = Duration::from_millis(ms);
        self.clock.0.fetch_add(i64::try_from(ms).unwrap(), Ordering::Relaxed);
        self.app.store.uptime().advance(all, all);
    }

    /// One round of the clockwork.
    pub(super) async fn tick(&self) {
        let due = self.app.store.due(self.clock.now()).await.unwrap();
        clockwork::act(&self.app, &due).await.unwrap();
    }

    pub(super) async fn submit(&self, who: Who, task: Value) -> i64 {
        let reply = self.post(who, "/api/v1/tasks", &task).await;
        reply.expect(201)["id"].as_i64().unwrap()
    }

    /// A task of Sam's that does nothing.
    pub(super) async fn task(&self) -> i64 {
        self.submit(Who::Sam, json!({"command": ["true"]})).await
    }

    pub(super) async fn state(&self, task: i64) -> String {
        self.get(Who::Viewer, format!("/api/v1/tasks/{task}")).await.expect(200)["state"].as_str().unwrap().to_owned()
    }

    pub(super) async fn register(&self, name: &str, instance: Uuid) -> Reply {
        let body = json!({"kind": "process", "instance": instance, "version": "0.1.0", "slots": 4, "gpus": 8, "queues": ["*"]});
        self.call("PUT", format!("/api/v1/runners/{name}")).bearer(self.token(Who::Runner)).json(&body).await
    }

    pub(super) async fn claim(&self, claim: Uuid, max: u32) -> Vec<Value> {
        self.register("r1", INSTANCE).await.expect(200);
        let reply = self.post(Who::Runner, "/api/v1/runner/claims", &ask(claim, max)).await;
        reply.expect(200)["items"].as_array().unwrap().clone()
    }

    /// The attempt that the rig's runner claims next.
    pub(super) async fn claimed(&self) -> Own {
        let claim = self.app.settings.rng.uuid();
        let mut items = self.claim(claim, 1).await;
        assert_eq!(items.len(), 1, "there is a task to claim");
        Own::of(&items.remove(0))
    }

    /// The same, started by its agent, with the first heartbeat answered.
    pub(super) async fn running(&self) -> Own {
        let mut own = self.claimed().await;
        own.start(self).await;
        own.beat(self, &json!({"phase": "running"})).await.expect(200);
        own
    }
}

/// What the rig's runner asks for.
pub(super) fn ask(claim: Uuid, max: u32) -> Value {
    json!({"runner": "r1", "instance": INSTANCE, "claimId": claim, "max": max, "gpus": 8, "queues": [{"name": "*"}]})
}
