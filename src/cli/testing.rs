//! What the tests of this room share: captured output, a fixed clock, objects to show.

use super::{Common, Context, Surroundings, Terminal};
use crate::{
    domain::{Clock, Rng, UnixMs},
    wire::{
        Allow, Amount, Attempt, AttemptNumber, Budget, BudgetQueue, ElementCounts, Ended, Estimates, Phase, Priority, Queue, QueueCounts,
        QueueDefaults, QueueLimits, QueueRunner, QueueStats, Resource, Resources, Retention, Retries, Task, TaskArray, TaskId, TaskState,
        Timestamp, Waits,
    },
};
use std::{
    collections::BTreeMap,
    io::Write,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// The time at which everything is looked at.
pub(super) const NOW: &str = "2026-11-20T09:22:41Z";

/// Remembers what was written.
#[derive(Clone, Debug, Default)]
pub(super) struct Capture(Arc<Mutex<Vec<u8>>>);

impl Capture {
    pub(super) fn sink(&self) -> super::Sink {
        Box::new(self.clone())
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(self.bytes()).unwrap()
    }
}

impl Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> UnixMs {
        UnixMs(NOW.parse::<Timestamp>().unwrap().as_millisecond())
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

struct FixedRng;

impl Rng for FixedRng {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

/// A terminal, a clock and captured outputs.
#[derive(Clone, Debug, Default)]
pub(super) struct Bench {
    pub(super) out: Capture,
    pub(super) err: Capture,
    pub(super) terminal: Terminal,
    pub(super) stdin: Vec<u8>,
    /// Where the command is typed; nowhere unless a test says so.
    pub(super) dir: PathBuf,
    /// The file of contexts; nowhere unless a test says so.
    pub(super) contexts: PathBuf,
    /// Where the configuration is; nowhere unless a test says so.
    pub(super) sources: super::Sources,
    pub(super) editor: Option<String>,
    pub(super) interrupt: CancellationToken,
}

impl Bench {
    /// With a person at a terminal.
    #[cfg(feature = "server")]
    pub(super) fn person() -> Self {
        let terminal = Terminal { stdin: true, stdout: true, stderr: true, width: Some(100), unicode: true, ..Terminal::default() };
        Self { terminal, ..Self::default() }
    }

    pub(super) fn surroundings(&self) -> Surroundings {
        Surroundings {
            out: self.out.sink(),
            err: self.err.sink(),
            stdin: Box::new(std::io::Cursor::new(self.stdin.clone())),
            terminal: self.terminal,
            clock: Arc::new(FixedClock),
            rng: Arc::new(FixedRng),
            dir: self.dir.clone(),
            data_dir: "/nowhere".into(),
            contexts: self.contexts.clone(),
            sources: self.sources.clone(),
            editor: self.editor.clone(),
            ask: |_, _| Ok("slw_typed\n".to_owned()),
            interrupt: self.interrupt.clone(),
            root: super::help::root,
        }
    }

    pub(super) fn context(&self, common: Common) -> Context {
        Context::new(common, self.surroundings(), super::config::Config::default())
    }
}

/// A task in a state, submitted 8 minutes before [`NOW`].
pub(super) fn task(id: i64, state: TaskState) -> Task {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let ran = state == TaskState::Active || state.is_terminal();
    Task {
        id: TaskId(id),
        name: Some("resnet-lr3".into()),
        queue: "gpu-a100".parse().unwrap(),
        user: "lena".into(),
        state,
        phase: None,
        attempt: AttemptNumber(u32::from(ran)),
        runner: ran.then(|| "box-k3f9a".parse().unwrap()),
        labels: [("team".to_owned(), "vision".to_owned())].into(),
        priority: Priority::Normal,
        boosted: false,
        command: Some(["python", "train.py", "--lr", "3e-4", "--note", "two words"].map(str::to_owned).into()),
        script: None,
        env: [].into(),
        resources: Resources::of_gpus(1),
        image: None,
        node_selector: BTreeMap::new(),
        secrets: Vec::new(),
        variables: BTreeMap::new(),
        code: None,
        working_dir: None,
        checkpoint: Vec::new(),
        outputs: Vec::new(),
        notes: None,
        environment: None,
        timeout_seconds: None,
        max_wait_seconds: None,
        total_timeout_seconds: None,
        grace_seconds: 30,
        retries: Retries::default(),
        not_before: None,
        depends_on: None,
        created_at: at("2026-11-20T09:14:30Z"),
        started_at: ran.then(|| at("2026-11-20T09:20:42Z")),
        finished_at: state.is_terminal().then(|| at("2026-11-20T09:22:04Z")),
        cancel_requested_at: None,
        rerun_of: None,
        parent: None,
        array: None,
        ended: state.is_terminal().then(Ended::default),
        heartbeat_lost: false,
    }
}

/// An array of 32 that runs eight at once.
pub(super) fn array(id: i64, state: TaskState) -> Task {
    let counts = match state {
        TaskState::Failed => ElementCounts { succeeded: 29, failed: 3, ..ElementCounts::default() },
        TaskState::Succeeded => ElementCounts { succeeded: 32, ..ElementCounts::default() },
        TaskState::Cancelled => ElementCounts { succeeded: 19, cancelled: 13, ..ElementCounts::default() },
        _ => ElementCounts { succeeded: 19, active: 8, waiting: 5, ..ElementCounts::default() },
    };
    let array = TaskArray { size: 32, max_parallel: Some(8), counts: Some(counts), ..TaskArray::default() };
    let plain = task(id, state);
    Task { name: Some("sweep".into()), array: Some(array), attempt: AttemptNumber::NONE, runner: None, ..plain }
}

/// An attempt, ended or running.
pub(super) fn attempt(number: u32, end: Option<(TaskState, Ended)>) -> Attempt {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    Attempt {
        attempt: AttemptNumber(number),
        phase: if end.is_some() { Phase::Ended } else { Phase::Running },
        runner: "box-k3f9a".parse().unwrap(),
        claimed_at: at("2026-11-20T09:20:41Z"),
        started_at: Some(at("2026-11-20T09:20:42Z")),
        ended_at: end.as_ref().map(|_| at("2026-11-20T09:22:04Z")),
        state: end.as_ref().map(|(state, _)| *state),
        ended: end.map(|(_, ended)| ended),
        evidence: None,
        log_bytes: 3_481,
        notes: None,
    }
}

/// A queue.
pub(super) fn queue(name: &str, revision: i64) -> Queue {
    Queue {
        name: name.parse().unwrap(),
        description: Some("for everything".into()),
        defaults: QueueDefaults::default(),
        limits: QueueLimits::default(),
        weight: None,
        user_weights: [].into(),
        budgets: [].into(),
        pod_template: None,
        use_image_entrypoint: false,
        pending_timeout_seconds: None,
        fail_pending_after_seconds: None,
        idempotent: false,
        stop_after_seconds: None,
        keep_jobs_seconds: None,
        retention: Retention::default(),
        gpu: None,
        owner: None,
        variables: BTreeMap::default(),
        allow: Allow::default(),
        object: None,
        git: None,
        indexes: None,
        proxy: None,
        ca_bundle: None,
        cache: None,
        managed_by: None,
        imported_from: None,
        paused: None,
        draining: None,
        revision,
        counts: QueueCounts { waiting: 1, queued: 4, active: 9 },
        stats: Some(QueueStats {
            gpus: Amount::whole(12),
            places: Some(24),
            waits: Some(Waits { p50_seconds: 480, p90_seconds: 1_860, of: 50 }),
            starts: vec![0, 0, 1, 3, 4, 4, 8, 12, 12, 9, 8, 7, 7, 6, 6, 5, 5, 4, 3, 2, 2, 1, 1, 0],
            estimates: Some(Estimates { told: 40, by_p50: 21, by_p90: 37 }),
            runners: vec![QueueRunner {
                name: "prod-eu".parse().unwrap(),
                heard: true,
                seen_at: Some("2026-11-20T09:22:38Z".parse().unwrap()),
            }],
        }),
        created_at: "2026-11-19T09:22:41Z".parse().unwrap(),
        updated_at: "2026-11-20T08:22:41Z".parse().unwrap(),
    }
}

/// A budget of GPUs with queues: their names, what they are guaranteed, what they use.
pub(super) fn budget(name: &str, max: u32, queues: &[(&str, u32, u32)]) -> Budget {
    let share = |(queue, guaranteed, used): &(&str, u32, u32)| BudgetQueue {
        queue: queue.parse().unwrap(),
        guaranteed: Amount::whole(*guaranteed),
        used: Amount::whole(*used),
        users: if *used > 1 {
            [("ada".to_owned(), Amount::whole(*used - 1)), ("sam".to_owned(), Amount::whole(1))].into()
        } else {
            [].into()
        },
    };
    Budget {
        name: name.parse().unwrap(),
        description: Some("the rack in the cellar".into()),
        resource: Resource::Gpus,
        max: Amount::whole(max),
        used: queues.iter().map(|(_, _, used)| Amount::whole(*used)).sum(),
        queues: queues.iter().map(share).collect(),
        revision: 3,
        created_at: "2026-11-19T09:22:41Z".parse().unwrap(),
        updated_at: "2026-11-20T08:22:41Z".parse().unwrap(),
    }
}
