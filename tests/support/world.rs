//! One server with its runner, their data directory, and what a test can do to them.

use crate::{
    eventually,
    procs::{below, send},
    recorder::Recorder,
    support::{Front, Program, free_address},
};
use nix::sys::signal::Signal;
use slipway::{
    client::{Client, Next, Patience},
    wire::{AttemptNumber, EventKind, TaskId, TaskState, Times},
};
use std::{
    fs,
    net::Ipv4Addr,
    ops::Deref,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use tempfile::TempDir;
use tokio::time::timeout;

/// Times short enough for tests, and long enough for a machine that has other things to do.
pub(crate) fn times() -> Times {
    Times {
        claim_lease_ms: 5_000,
        runner_heartbeat_ms: 200,
        runner_expiry_ms: 3_000,
        heartbeat_hold_ms: 1_000,
        heartbeat_lost_ms: 60_000,
        log_settle_ms: 15_000,
        log_sync_ms: 50,
        log_flush_ms: 50,
        finish_retry_ms: 120_000,
        call_retry_max_ms: 500,
        call_timeout_ms: 5_000,
        drain_output_ms: 500,
        cancel_overdue_ms: 15_000,
        retry_backoff_ms: 50,
        retry_backoff_max_ms: 500,
        tick_ms: 50,
        outage_ms: 1_000,
        restore_quiet_ms: 2_000,
        ..Times::default()
    }
}

/// The parts of a [`World`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Server,
    Runner,
    Up,
}

/// A data directory, an address, and the programs that serve them. Dropping it ends everything it ever started.
pub(crate) struct World {
    _dir: TempDir,
    /// The directory as the kernel names it.
    pub(crate) root: PathBuf,
    front: Front,
    pub(crate) recorder: Recorder,
    pub(crate) slots: u32,
    pub(crate) times: Times,
    /// Whether agents are killed: what such a one had not sent of its log is lost, and the log says so.
    pub(crate) agents_die: bool,
    /// `SLIPWAY_CRASH_POINT` of the programs started from now on.
    pub(crate) crash: Option<String>,
    /// What the programs started from now on have in their environment besides.
    pub(crate) env: Vec<(&'static str, String)>,
    /// Processes of programs that a test started here itself, and that may outlive its tasks.
    pub(crate) known: Vec<i32>,
    /// What servers started from now on are told besides.
    pub(crate) more: Vec<String>,
    /// Where runners started from now on, and so their agents, call the server, if not where everybody does.
    pub(crate) runners_call: Option<String>,
    /// The search path of the programs started from now on, and so of their tasks.
    pub(crate) path: Option<String>,
    /// How many programs ended and were started again.
    pub(crate) revived: usize,
    listen: String,
    programs: Vec<(Part, Program)>,
    started: AtomicU32,
}

impl World {
    /// A world in which nothing runs yet.
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("slipway-process-").tempdir().expect("a directory");
        let root = dir.path().canonicalize().expect("its name");
        let listen = free_address(Ipv4Addr::LOCALHOST.into()).to_string();
        let (front, recorder) = (Front::new(format!("http://{listen}"), root.join("data")), Recorder::new(&root));
        Self {
            _dir: dir,
            root,
            front,
            recorder,
            slots: 4,
            times: times(),
            agents_die: false,
            revived: 0,
            crash: None,
            path: None,
            runners_call: None,
            env: Vec::new(),
            more: Vec::new(),
            known: Vec::new(),
            listen,
            programs: Vec::new(),
            started: AtomicU32::new(0),
        }
    }

    /// A world with a server and a runner.
    pub(crate) fn with_both() -> Self {
        let mut world = Self::new();
        world.start(Part::Server);
        world.start(Part::Runner);
        world
    }

    /// A world with `slipway up`.
    pub(crate) fn up() -> Self {
        let mut world = Self::new();
        world.start(Part::Up);
        world
    }

    /// From now on the server is called over https, and these authorities are trusted.
    pub(crate) fn secure(&mut self, ca: String) {
        self.front.url = format!("https://{}", self.listen);
        self.front.ca = Some(ca);
    }

    /// From now on the server is called at this address, whoever serves there.
    pub(crate) fn at(&mut self, address: std::net::SocketAddr) {
        self.front.url = format!("http://{address}");
    }

    /// From now on the server's data directory is another one.
    pub(crate) fn moved(&mut self, data: PathBuf) {
        self.front.data = data;
    }

    pub(crate) fn attempts_dir(&self) -> PathBuf {
        self.root.join("data/runner/attempts")
    }

    /// Starts a part; it may take a moment until it is of use.
    pub(crate) fn start(&mut self, part: Part) {
        let (data, slots) = (self.data().display().to_string(), self.slots.to_string());
        let token = self.data().join("runner-token").display().to_string();
        let called = self.runners_call.as_ref().unwrap_or(&self.url);
        let args = match part {
            Part::Server => {
                let own = ["server", "--listen", &self.listen, "--data-dir", &data];
                own.into_iter().chain(self.more.iter().map(String::as_str)).collect()
            }
            Part::Up => vec!["up", "--listen", &self.listen, "--data-dir", &data, "--slots", &slots, "--gpus", "0", "--log", "info"],
            Part::Runner => {
                vec!["runner", "--url", called, "--token-file", &token, "--data-dir", &data, "--slots", &slots, "--gpus", "0"]
            }
        };
        let program = self.program(&args);
        self.programs.retain(|(other, _)| *other != part);
        self.programs.push((part, program));
    }

    /// Starts the program with other arguments, within this world.
    pub(crate) fn program(&self, args: &[&str]) -> Program {
        let nth = self.started.fetch_add(1, Ordering::Relaxed);
        let times = serde_json::to_string(&self.times).expect("times are JSON");
        let mut env = vec![("SLIPWAY_TIMES", times)];
        env.extend(self.env.iter().cloned());
        env.extend(self.crash.clone().map(|point| ("SLIPWAY_CRASH_POINT", point)));
        env.extend(self.path.clone().map(|path| ("PATH", path)));
        Program::start(&self.root, &format!("{nth}-{}", args[0]), args, &env)
    }

    /// Starts a user's command, as the admin of this world.
    pub(crate) fn command(&self, args: &[&str]) -> Program {
        let token = self.data().join("admin-token").display().to_string();
        self.program(&[args, &["--url", &self.url, "--token-file", &token]].concat())
    }

    pub(crate) fn part(&mut self, part: Part) -> &mut Program {
        let found = self.programs.iter_mut().find(|(other, _)| *other == part);
        &mut found.expect("a part that was started").1
    }

    /// Whether the server that runs has said something.
    pub(crate) fn said(&self, text: &str) -> bool {
        self.programs.iter().any(|(part, program)| *part == Part::Server && program.err().contains(text))
    }

    /// `kill -9`, and at once another one in its place.
    pub(crate) fn strike(&mut self, part: Part) {
        self.part(part).kill();
        self.start(part);
    }

    /// Starts again what has ended.
    pub(crate) fn revive(&mut self) {
        let ended = |(part, program): &mut (Part, Program)| program.ended().map(|_| *part);
        let dead: Vec<_> = self.programs.iter_mut().filter_map(ended).collect();
        self.revived += dead.len();
        for part in dead {
            self.start(part);
        }
    }

    pub(crate) async fn runner_client(&self) -> Client {
        self.client_of("runner-token").await
    }

    /// Waits until the server answers, and the runner too where one was started.
    pub(crate) async fn ready(&self) {
        let client = self.client().await;
        let runner = self.programs.iter().any(|(part, _)| *part != Part::Server);
        eventually("the server and its runner", async || {
            let runners: slipway::wire::RunnerList = client.call(reqwest::Method::GET, "api/v1/runners").send().await.ok()?;
            (!runner || !runners.items.is_empty()).then_some(())
        })
        .await;
    }

    /// Waits until a task has recorded `word`.
    pub(crate) async fn recorded(&self, id: TaskId, word: &str) {
        eventually(&format!("{word} of task {id}"), async || self.recorder.has(id, word).then_some(())).await;
    }

    /// Waits for the end of `tasks` and checks everything that must hold then: each succeeded, with a whole log, byte
    /// for byte; what is left of a killed attempt's log is a beginning of what it wrote; the record has no overlap; no
    /// directory and no process is left.
    pub(crate) async fn check(&mut self, tasks: &[TaskId]) {
        for id in tasks {
            let task = self.ended(*id).await;
            let ended = task.ended.unwrap_or_default();
            assert_eq!(task.state, TaskState::Succeeded, "task {id}: {ended:?}");
            let whole = ended.log_complete == Some(true);
            assert!(whole || self.agents_die, "the log of task {id} is not complete: {ended:?}");
            for attempt in 1..=task.attempt.0 {
                let Some(copy) = self.recorder.copy(*id, attempt) else { continue };
                let log = self.log(*id, attempt).await;
                let same = if attempt == task.attempt.0 && whole { log == copy } else { copy.starts_with(&log) };
                let at = log.iter().zip(&copy).take_while(|(a, b)| a == b).count();
                let of = task.attempt;
                assert!(
                    same,
                    "the log of task {id} attempt {attempt} of {of} (whole: {whole}) has {} bytes, written were {}; they differ from byte {at} on",
                    log.len(),
                    copy.len()
                );
            }
        }
        self.recorder.check(tasks);
        self.nothing_left().await;
    }

    /// Waits until no attempt's directory and no process of one is left.
    pub(crate) async fn nothing_left(&mut self) {
        let own: Vec<_> = self.programs.iter().map(|(_, program)| program.pid()).chain(self.known.iter().copied()).collect();
        let mut before = (0, 0);
        eventually("every attempt to be cleared away", async || {
            let dirs: Vec<_> = fs::read_dir(self.attempts_dir()).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
            let left: Vec<_> = below(&self.root).into_iter().filter(|seen| !own.contains(&seen.pid)).collect();
            if before != (dirs.len(), left.len()) {
                before = (dirs.len(), left.len());
                eprintln!("left: {dirs:?} {left:?}");
            }
            (dirs.is_empty() && left.is_empty()).then_some(())
        })
        .await;
    }

    /// The states with which events say that a task ended: there should be one.
    pub(crate) async fn ends(&self, id: TaskId) -> Vec<String> {
        let mut events = self.client().await.follow_events(id, Patience::default());
        let mut found = Vec::new();
        // The last event is the end; what comes after it within a moment would be one too many.
        while let Ok(next) = timeout(Duration::from_millis(if found.is_empty() { 10_000 } else { 30 }), events.next()).await {
            if let Next::Item(event) = next.expect("events")
                && event.kind == EventKind::TaskEnded
            {
                found.extend(event.data.get("state").and_then(|state| state.as_str()).map(str::to_owned));
            }
        }
        found
    }

    /// Each of `tasks` ran in its first attempt, and no agent was started twice for it.
    pub(crate) async fn first_attempts(&self, tasks: &[TaskId]) {
        for id in tasks {
            assert_eq!(self.task(*id).await.attempt, AttemptNumber(1), "task {id} was repeated");
        }
    }
}

impl Deref for World {
    type Target = Front;
    fn deref(&self) -> &Front {
        &self.front
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for (part, program) in &self.programs {
                let err = program.err();
                let tail: Vec<_> = err.lines().rev().take(15).collect();
                eprintln!("--- the last words of {part:?}:");
                for line in tail.iter().rev() {
                    eprintln!("{line}");
                }
            }
            for entry in fs::read_dir(self.attempts_dir()).into_iter().flatten().flatten() {
                eprintln!("--- {}:", entry.path().display());
                eprintln!("{}", fs::read_to_string(entry.path().join("agent.log")).unwrap_or_default());
            }
        }
        self.programs.clear();
        // Agents and tasks outlive their runner; everything of theirs names this world's directory.
        for _ in 0..100 {
            let left = below(&self.root);
            if left.is_empty() {
                return;
            }
            for seen in &left {
                send(seen.pid, Signal::SIGKILL);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        eprintln!("still alive: {:?}", below(&self.root));
    }
}
