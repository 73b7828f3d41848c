//! What many scenarios do.

use super::{
    objects::{phase, task},
    recorder::Recorder,
    world::World,
};
use crate::support::eventually;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use reqwest::Method;
use serde_json::{Value, json};
use slipway::wire::{Attempt, Finding, QueueName, Reason, TaskId, Why};
use std::process::Command;

/// A queue whose pods have a shell and nothing else of their own.
pub(crate) fn plain_queue() -> Value {
    json!({"defaults": {"image": "slipway.test/busybox:1"}, "podTemplate": {}})
}

/// A command beside the server; answers what it said, data and conversation.
pub(crate) fn admin(words: &[&str]) -> (String, String) {
    let ran = Command::new(env!("CARGO_BIN_EXE_slipway")).arg("admin").args(words).output().expect("the program runs");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(ran.status.success(), "{words:?}: {}", said(&ran.stderr));
    (said(&ran.stdout), said(&ran.stderr))
}

impl World {
    /// Creates or replaces a queue.
    pub(crate) async fn queue(&self, name: &str, queue: Value) {
        let name: QueueName = name.parse().expect("a queue's name");
        let queue = serde_json::from_value(queue).expect("a queue");
        self.client().await.put_queue(&name, &queue, None, false).await.expect("the queue is taken");
    }

    /// A command of an administrator; answers its exit code and what it said.
    pub(crate) fn slipway(&self, words: &[&str]) -> (Option<i32>, String) {
        let ran = Command::new(env!("CARGO_BIN_EXE_slipway"))
            .args(words)
            .args(["--url", &self.url, "--token-file"])
            .arg(self.data().join("admin-token"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env_remove("SLIPWAY_TOKEN")
            .env("SLIPWAY_ALLOW_PLAIN_HTTP", "true")
            .output()
            .expect("the program runs");
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (ran.status.code(), said(&ran.stdout) + &said(&ran.stderr))
    }

    /// Applies a file of the checkout; answers what was said.
    pub(crate) fn apply(&self, file: &str) -> String {
        let (code, said) = self.slipway(&["queue", "apply", "-f", file]);
        assert_eq!(code, Some(0), "{file}: {said}");
        said
    }

    /// Submits a task to queue `q`, with [`plain_queue`], that does `body` and by `note wait` waits for the recorder's
    /// sign; answers when it waits, in its first attempt.
    pub(crate) async fn waiting(&self, recorder: &Recorder, body: &str) -> (TaskId, Pod) {
        self.queue("q", plain_queue()).await;
        let id = self.submit(&task(json!({"queue": "q", "script": recorder.script(body), "graceSeconds": 2}))).await;
        eventually("the task to run", async || recorder.has(id, "wait").then_some(())).await;
        (id, self.scene.pod(id, "runs", |pod| phase(pod) == "Running").await)
    }

    /// An attempt of a task.
    pub(crate) async fn attempt(&self, id: TaskId, number: u32) -> Attempt {
        let client = self.client().await;
        let find = async || client.attempts(id).await.ok()?.items.into_iter().find(|attempt| attempt.attempt.0 == number);
        eventually(&format!("attempt {number} of task {id}"), find).await
    }

    /// Waits until a task is where it is for this reason.
    pub(crate) async fn why(&self, id: TaskId, code: Reason) -> Finding {
        let (client, path) = (self.client().await, format!("api/v1/tasks/{id}/why"));
        let find = async || {
            let why: Why = client.call(Method::GET, &path).send().await.ok()?;
            why.reasons.into_iter().find(|finding| finding.code == code)
        };
        eventually(&format!("task {id} to be where it is because of {code}"), find).await
    }

    /// Waits until nothing that a glue made is left in the scene's namespace.
    pub(crate) async fn nothing_left(&self) {
        use k8s_openapi::api::{batch::v1::Job, core::v1::Secret};
        let ours = ListParams::default().labels("slipway.dev/instance");
        eventually("every object to be cleared away", async || {
            let jobs = self.scene.api::<Job>().list(&ours).await.ok()?.items.len();
            let pods = self.scene.api::<Pod>().list(&ours).await.ok()?.items.len();
            let secrets = self.scene.api::<Secret>().list(&ours).await.ok()?.items.len();
            (jobs + pods + secrets == 0).then_some(())
        })
        .await;
    }
}
