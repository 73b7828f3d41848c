//! A server and its glues, on one side of the API; on the other side, the scene's part of the cluster.

use super::{cluster::HOST, identity::identity, scene::Scene};
use crate::support::{Front, Program, eventually, free_address};
use serde_json::{Value, json};
use slipway::wire::{RunnerList, Times};
use std::{
    collections::BTreeMap,
    fs,
    net::Ipv4Addr,
    ops::Deref,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};
use tempfile::TempDir;

/// Times short enough for tests, and long enough for pods on a machine with two cores.
pub(crate) fn times() -> Times {
    Times {
        claim_lease_ms: 10_000,
        runner_heartbeat_ms: 500,
        runner_expiry_ms: 4_000,
        heartbeat_hold_ms: 1_000,
        heartbeat_lost_ms: 60_000,
        log_settle_ms: 15_000,
        log_sync_ms: 50,
        log_flush_ms: 50,
        finish_retry_ms: 120_000,
        call_retry_max_ms: 500,
        call_timeout_ms: 5_000,
        drain_output_ms: 500,
        cancel_overdue_ms: 5_000,
        aging_ms: 3_600_000,
        reserve_ms: 60_000,
        half_life_ms: 3_600_000,
        charge_least_ms: 1_000,
        keep_least_ms: 90_000_000,
        restore_quiet_ms: 2_000,
        prune_pause_ms: 50,
        retry_backoff_ms: 200,
        retry_backoff_max_ms: 1_000,
        gone_silence_ms: 4_000,
        refine_ms: 3_000,
        pending_hold_ms: 1_000,
        pending_hold_max_ms: 4_000,
        image_grace_ms: 4_000,
        slot_release_ms: 2_000,
        setup_limit_ms: 60_000,
        stop_after_ms: 45_000,
        stop_margin_ms: 3_000,
        stuck_ms: 30_000,
        watch_silent_ms: 120_000,
        sweep_ms: 4_000,
        check_poll_ms: 250,
        check_again_ms: 1_000,
        check_pause_ms: 10,
        tick_ms: 50,
        outage_ms: 2_000,
    }
}

struct Glue {
    args: Vec<String>,
    program: Program,
}

/// A server that pods reach, its data directory, and the glues that serve it. Dropping it ends them all.
pub(crate) struct World {
    pub(crate) scene: Arc<Scene>,
    _dir: TempDir,
    root: PathBuf,
    front: Front,
    times: Times,
    listen: String,
    server: Option<Program>,
    /// The server's file, where it has one.
    config: Option<PathBuf>,
    glues: BTreeMap<String, Glue>,
    /// `SLIPWAY_CRASH_POINT` of the programs started from now on.
    pub(crate) crash: Option<String>,
    /// What the programs started from now on have in their environment besides.
    pub(crate) env: Vec<(&'static str, String)>,
    /// Where glues made from now on find the API server, if not where it is.
    pub(crate) api: Option<String>,
    started: AtomicU32,
}

impl World {
    /// A world with a server.
    pub(crate) async fn new(scene: &Arc<Scene>) -> Self {
        Self::with_times(scene, times()).await
    }

    /// The same with times of its own.
    pub(crate) async fn with_times(scene: &Arc<Scene>, times: Times) -> Self {
        let dir = tempfile::Builder::new().prefix("slipway-cluster-").tempdir().expect("a directory");
        let root = dir.path().canonicalize().expect("its name");
        let listen = free_address(Ipv4Addr::from(HOST).into()).to_string();
        let front = Front::new(format!("http://{listen}"), root.join("data"));
        let (server, config, glues, crash, api, started) = (None, None, BTreeMap::new(), None, None, AtomicU32::default());
        let env = Vec::new();
        let mut world =
            Self { scene: scene.clone(), _dir: dir, root, front, times, listen, server, config, glues, crash, env, api, started };
        world.start_server();
        world.client().await;
        world
    }

    /// A world with a server and a glue named `k8s` that serves every queue in the scene's namespace.
    pub(crate) async fn with_glue(scene: &Arc<Scene>) -> Self {
        let mut world = Self::new(scene).await;
        world.glue("k8s", json!({})).await;
        world
    }

    /// Starts the server, or another in its place.
    pub(crate) fn start_server(&mut self) {
        self.server = None;
        let data = self.data().display().to_string();
        let mut args = ["server", "--listen", &self.listen, "--data-dir", &data, "--log", "info"].map(str::to_owned).to_vec();
        args.extend(self.config.iter().flat_map(|file| ["--config".to_owned(), file.display().to_string()]));
        self.server = Some(self.program("server", &args));
    }

    /// `kill -9` for the server.
    pub(crate) fn stop_server(&mut self) {
        self.server = None;
    }

    /// Starts the server anew with a file.
    pub(crate) async fn configure(&mut self, config: &Value) {
        let file = self.root.join("server.yaml");
        fs::write(&file, config.to_string()).expect("a file");
        self.config = Some(file);
        self.start_server();
        self.client().await;
    }

    /// A directory of this world.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Starts a glue under this name and waits until the server knows it. `config` is laid over what it needs anyway; a `name` in
    /// it is the runner's, which replicas share.
    pub(crate) async fn glue(&mut self, name: &str, config: Value) {
        self.glue_in(&self.scene.clone(), name, config).await;
    }

    /// The same in another cluster's scene.
    pub(crate) async fn glue_in(&mut self, scene: &Scene, name: &str, config: Value) {
        let namespaces = config.get("namespaces").and_then(|list| serde_json::from_value(list.clone()).ok());
        let namespaces: Vec<String> = namespaces.unwrap_or_else(|| vec![scene.namespace.clone()]);
        let asked = [("readNodes", "--nodes"), ("checkQueues", "--check")].into_iter().filter(|(field, _)| config[*field] == true);
        let more: Vec<_> = asked.map(|(_, flag)| flag).collect();
        let kubeconfig = identity(scene, &format!("glue-{name}"), &namespaces, &more, &self.root).await;
        if let Some(api) = &self.api {
            redirect(&kubeconfig, api);
        }
        // It is packed where it is needed.
        let given = config.get("agentImage").and_then(Value::as_str).map(str::to_owned);
        let mut whole = json!({
            "name": name,
            "url": self.url,
            "agentUrl": self.url,
            "allowPlainHttp": true,
            "tokenFile": self.data().join("runner-token"),
            "namespaces": namespaces,
            "agentImage": given.unwrap_or_else(|| scene.cluster.agent_image()),
            "listen": free_address(Ipv4Addr::LOCALHOST.into()),
        });
        for (key, value) in config.as_object().into_iter().flatten() {
            whole[key] = value.clone();
        }
        let file = self.root.join(format!("{name}.yaml"));
        fs::write(&file, whole.to_string()).expect("a file");
        let path = |path: &Path| path.display().to_string();
        let args = ["glue", "--config", &path(&file), "--kubeconfig", &path(&kubeconfig), "--log", "info"].map(str::to_owned);
        let program = self.program(name, &args);
        self.glues.insert(name.to_owned(), Glue { args: args.to_vec(), program });
        self.registered(whole["name"].as_str().expect("a runner's name")).await;
    }

    async fn registered(&self, name: &str) {
        let client = self.client().await;
        eventually(&format!("glue {name}"), async || {
            let runners: RunnerList = client.runners().await.ok()?;
            runners.items.iter().any(|runner| runner.name.as_str() == name).then_some(())
        })
        .await;
    }

    /// `kill -9` for a glue, and at once another one in its place.
    pub(crate) fn strike(&mut self, name: &str) {
        self.kill(name);
        self.revive(name);
    }

    /// `kill -9` for a glue.
    pub(crate) fn kill(&mut self, name: &str) {
        self.glues.get_mut(name).expect("a glue of this name").program.kill();
    }

    /// Starts a killed glue again.
    pub(crate) fn revive(&mut self, name: &str) {
        let args = self.glues.get(name).expect("a glue of this name").args.clone();
        let program = self.program(name, &args);
        self.glues.insert(name.to_owned(), Glue { args, program });
    }

    /// Starts a glue again if it has died.
    pub(crate) fn attend(&mut self, name: &str) {
        if self.dead(name) {
            self.revive(name);
        }
    }

    /// The process of the server.
    pub(crate) fn server_pid(&self) -> i32 {
        self.server.as_ref().expect("a server").pid()
    }

    /// The process of a glue.
    pub(crate) fn pid(&self, name: &str) -> i32 {
        self.glues.get(name).expect("a glue of this name").program.pid()
    }

    /// Whether a glue has died.
    pub(crate) fn dead(&mut self, name: &str) -> bool {
        self.glues.get_mut(name).is_some_and(|glue| glue.program.ended().is_some())
    }

    /// Everything that our programs have said.
    pub(crate) fn said(&self) -> String {
        let glues = self.glues.values().map(|glue| glue.program.err());
        self.server.iter().map(Program::err).chain(glues).collect()
    }

    fn program(&self, name: &str, args: &[String]) -> Program {
        let nth = self.started.fetch_add(1, Ordering::Relaxed);
        let times = serde_json::to_string(&self.times).expect("times are JSON");
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let mut env = vec![("SLIPWAY_TIMES", times)];
        env.extend(self.env.iter().cloned());
        env.extend(self.crash.clone().map(|point| ("SLIPWAY_CRASH_POINT", point)));
        Program::start(&self.root, &format!("{nth}-{name}"), &args, &env)
    }
}

/// Lets a kubeconfig lead elsewhere. It keeps its authority, by which a glue knows its cluster.
fn redirect(kubeconfig: &Path, api: &str) {
    let mut file: Value = serde_json::from_slice(&fs::read(kubeconfig).expect("a kubeconfig")).expect("JSON");
    for named in file["clusters"].as_array_mut().into_iter().flatten() {
        named["cluster"]["server"] = json!(api);
    }
    fs::write(kubeconfig, file.to_string()).expect("a file");
}

impl Deref for World {
    type Target = Front;
    fn deref(&self) -> &Front {
        &self.front
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let glues = self.glues.iter().map(|(name, glue)| (name.as_str(), &glue.program));
        for (name, program) in self.server.iter().map(|program| ("server", program)).chain(glues) {
            let err = program.err();
            let tail: Vec<_> = err.lines().rev().take(25).collect();
            eprintln!("--- {}: the last words of {name}:", self.scene.namespace);
            for line in tail.iter().rev() {
                eprintln!("{line}");
            }
        }
    }
}
