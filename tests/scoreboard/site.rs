//! What rows on a real node stand on: the test cluster, a row's part of it, server and glues as processes, real agents in real pods,
//! and the record that their commands tell over connections of their own.

use crate::{
    batch,
    ended::{all_seen_to_end, stored},
    ground::{played, said},
    judge::judge,
    kit::{Recorder, Scene, World},
    left,
    row::{Absent, Form, Outcome},
    sound::{Held, panics},
    stage::{Nodes, on_stage},
    support::{eventually, within},
};
use serde_json::{Value, json};
use slipway::wire::{Attempt, NewTask, Retries, Task, TaskId, TaskState, Times};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// How long what is over may stand in the cluster.
const CLEARED: Duration = Duration::from_mins(5);

/// One row's part of the cluster, and what serves it.
pub(crate) struct Site {
    pub(crate) scene: Arc<Scene>,
    pub(crate) world: World,
    pub(crate) recorder: Recorder,
    /// Where its pods stand.
    pub(crate) namespaces: Vec<String>,
    held: Vec<Held>,
}

/// What was found of all tasks, once they are over.
pub(crate) struct Judged {
    pub(crate) outcome: Outcome,
    pub(crate) tasks: Vec<Task>,
    /// When each was first seen to have ended, in seconds of the machine's uptime.
    pub(crate) seen: BTreeMap<TaskId, f64>,
}

/// The times of a row on a real node: the usual ones in its full form.
pub(crate) fn times(form: Form) -> Times {
    form.of(crate::kit::times(), Times::default())
}

/// How long a client keeps a connection that it has no use for, and some more: what is held beyond is not given back.
const IDLE: Duration = Duration::from_secs(100);

/// Plays a row on a site of its own.
pub(crate) async fn on_site(row: &str, times: Times, body: impl AsyncFnOnce(&mut Site) -> Outcome) -> Result<Outcome, Absent> {
    on_stage(Nodes::Real, row, async |scene| {
        let (world, recorder) = (World::with_times(scene, times).await, Recorder::start().await);
        let namespaces = vec![scene.namespace.clone()];
        let mut site = Site { scene: scene.clone(), world, recorder, namespaces, held: Vec::new() };
        let mut outcome = played(row, &mut site, body, |site| &site.world).await;
        outcome.broken.extend(panics(site.world.root()));
        let (ended, grown) = (Instant::now(), || site.held.iter().filter_map(|before| before.grown(&site.holds(&before.part))));
        while grown().next().is_some() && ended.elapsed() < IDLE {
            sleep(Duration::from_secs(1)).await;
        }
        outcome.broken.extend(grown());
        said(row, &site.world, &outcome);
        outcome
    })
    .await
}

impl Site {
    /// Makes another namespace for pods; glues that are started from now on look after it too.
    pub(crate) async fn namespace(&mut self, word: &str) -> String {
        let name = format!("{}-{word}", self.scene.namespace);
        self.scene.make_namespace(&name, json!({"pod-security.kubernetes.io/enforce": "restricted"})).await;
        self.namespaces.push(name.clone());
        name
    }

    /// A queue of pods with a shell, `more` laid over it. What is over goes at once, unless `more` says otherwise.
    pub(crate) async fn queue(&self, name: &str, more: Value) {
        let mut queue = json!({
            "defaults": {"image": "slipway.test/busybox:1"},
            "podTemplate": {},
            "keepJobsSeconds": {"success": 0, "failure": 0},
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            queue[key] = value.clone();
        }
        self.world.queue(name, queue).await;
    }

    /// Starts a glue that serves every queue; `more` is laid over what it needs.
    pub(crate) async fn glue(&mut self, name: &str, more: Value) {
        let mut config = json!({"namespaces": self.namespaces});
        for (key, value) in more.as_object().into_iter().flatten() {
            config[key] = value.clone();
        }
        self.world.glue(name, config).await;
    }

    /// Waits until the server answers.
    pub(crate) async fn server_ready(&self) {
        let client = self.world.client().await;
        eventually("the server", async || client.ready().await.ok()).await;
    }

    /// From now on the server and these glues live throughout, and what they hold must not grow.
    pub(crate) fn throughout(&mut self, glues: &[&str]) {
        self.held = ["server"].iter().chain(glues).map(|part| self.holds(part)).collect();
    }

    fn holds(&self, part: &str) -> Held {
        Held::of(part, if part == "server" { self.world.server_pid() } else { self.world.pid(part) })
    }

    /// A task that tells its start, does `body` and tells its end. Only faults of machines are forgiven it.
    pub(crate) fn task(&self, queue: &str, body: &str) -> NewTask {
        self.open_task(queue, &format!("{body}\nnote end"))
    }

    /// A task that tells its start; what else it tells is up to `body`.
    pub(crate) fn open_task(&self, queue: &str, body: &str) -> NewTask {
        NewTask {
            queue: Some(queue.to_owned()),
            script: Some(self.recorder.open_script(body)),
            retries: Some(Retries { infra: 100, ..Retries::default() }),
            grace_seconds: Some(2),
            ..NewTask::default()
        }
    }

    pub(crate) async fn submit(&self, tasks: &[NewTask]) -> Vec<TaskId> {
        batch::submit(&self.world, tasks).await
    }

    /// When a task first told `word`, in seconds of the machine's uptime.
    pub(crate) fn told(&self, id: TaskId, word: &str) -> Option<f64> {
        self.recorder.lines().iter().find(|line| line.task == id.0 && line.word == word).map(|line| line.at)
    }

    /// When an attempt of a task began.
    pub(crate) fn began(&self, id: TaskId, attempt: u32) -> Option<f64> {
        let lines = self.recorder.lines();
        lines.iter().find(|line| line.task == id.0 && line.attempt == attempt && line.word == "start").map(|line| line.at)
    }

    /// How many of `tasks` have told `word`.
    pub(crate) fn count(&self, tasks: &[TaskId], word: &str) -> usize {
        tasks.iter().filter(|id| self.recorder.has(**id, word)).count()
    }

    /// Waits until all of `tasks` have told `word`.
    pub(crate) async fn all_told(&self, tasks: &[TaskId], word: &str) {
        let what = format!("{word} of {} tasks", tasks.len());
        within(Duration::from_mins(10), &what, async || (self.count(tasks, word) == tasks.len()).then_some(())).await;
    }

    /// The attempts of a task, oldest first.
    pub(crate) async fn attempts(&self, id: TaskId) -> Vec<Attempt> {
        let client = self.world.client().await;
        eventually("the attempts", async || client.attempts(id).await.ok()).await.items
    }

    /// Waits for the end of all tasks and judges them.
    pub(crate) async fn judged(&self, acknowledged: &[TaskId]) -> Judged {
        let (tasks, seen) = all_seen_to_end(&self.world).await;
        let acknowledged: Vec<_> = acknowledged.iter().map(|id| id.0).collect();
        let findings = judge(&acknowledged, &self.recorder.lines(), &stored(&tasks));
        let repeated = tasks.iter().filter(|task| task.attempt.0 > 1).count();
        eprintln!("{} tasks, {repeated} of them with more than one attempt", tasks.len());
        Judged { outcome: Outcome { tries: acknowledged.len(), findings, ..Outcome::default() }, tasks, seen }
    }

    /// What of ours must not be left in the cluster, and is.
    pub(crate) async fn nothing_left(&self, outcome: &mut Outcome) {
        let left = left::cleared(&self.scene.client(), &self.namespaces, CLEARED).await;
        outcome.must(left.is_empty(), || format!("left in the cluster after {CLEARED:?}: {}", left.join(", ")));
    }
}

impl Judged {
    /// Every task must have succeeded; in its first attempt, where that is `first`.
    pub(crate) fn all_succeed(&mut self, first: bool) {
        for task in &self.tasks {
            let right = task.state == TaskState::Succeeded && (!first || task.attempt.0 == 1);
            self.outcome.must(right, || format!("task {} is {} in attempt {}: {:?}", task.id, task.state, task.attempt, task.ended));
        }
    }
}
