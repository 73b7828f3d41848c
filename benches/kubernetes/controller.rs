//! A queue controller that the caller names: its program, and the manifests that it needs.
//!
//! `SLIPWAY_BENCH_CONTROLLER` is its command line, which finds the cluster by `KUBECONFIG`; `SLIPWAY_BENCH_CONTROLLER_MANIFESTS` names
//! files, with `:` between them, in which `${NAMESPACE}` is where the Jobs are and `${SLOTS}` how many may run;
//! `SLIPWAY_BENCH_CONTROLLER_LABEL` is the label of the Jobs, `KEY=VALUE`. They are created suspended.

use crate::{
    Failure,
    case::Case,
    ground::Ground,
    jobs::{job, numbers, told},
    kit::testbed::STATE,
    manifests::apply,
    ours::SUBMITTERS,
    side::Told,
    sight::{Signal, uptime},
};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::batch::v1::Job;
use kube::{Api, api::PostParams};
use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// The number of a Job that is no task of the run: by it one sees that the controller is at work.
const FIRST: i64 = 0;

#[derive(Clone)]
pub(crate) struct Controller {
    pub(crate) name: String,
    command: Vec<String>,
    manifests: Vec<PathBuf>,
    label: (String, String),
}

/// Ends when it is let go.
pub(crate) struct Running {
    of: Controller,
    child: Child,
}

#[expect(clippy::disallowed_methods, reason = "a bench's own switches")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Controller {
    /// What the variables name; none where they name nothing.
    pub(crate) fn named() -> Result<Option<Self>, Failure> {
        let Some(command) = variable("SLIPWAY_BENCH_CONTROLLER") else { return Ok(None) };
        let command: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        let program = command.first().ok_or("SLIPWAY_BENCH_CONTROLLER names no program")?;
        let name = Path::new(program).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let label = variable("SLIPWAY_BENCH_CONTROLLER_LABEL").unwrap_or_else(|| "kueue.x-k8s.io/queue-name=team-a".to_owned());
        let label = label.split_once('=').ok_or("SLIPWAY_BENCH_CONTROLLER_LABEL is KEY=VALUE")?;
        let manifests = variable("SLIPWAY_BENCH_CONTROLLER_MANIFESTS").unwrap_or_default();
        let manifests = manifests.split(':').filter(|file| !file.is_empty()).map(PathBuf::from).collect();
        Ok(Some(Self { name, label: (label.0.to_owned(), label.1.to_owned()), command, manifests }))
    }

    /// Applies the manifests, starts the program, and waits until it lets a Job run.
    pub(crate) async fn start(&self, ground: &mut Ground, case: Case) -> Result<Running, Failure> {
        let values = [("NAMESPACE", ground.namespace().to_owned()), ("SLOTS", case.slots.to_string())];
        for file in &self.manifests {
            apply(ground, file, &values).await?;
        }
        let said = File::create(ground.dir().join("controller.log"))?;
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).env("KUBECONFIG", Path::new(STATE).join("admin.kubeconfig"));
        let child = command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said).spawn()?;
        let running = Running { of: self.clone(), child };
        running.create(ground, case, FIRST).await?;
        ground.sight.more(Signal::Job, 0).await.map_err(|error| {
            let path = ground.dir().join("controller.log");
            format!("{error}; {} says:\n{}", self.name, std::fs::read_to_string(path).unwrap_or_default())
        })?;
        ground.forget().await?;
        Ok(running)
    }
}

impl Running {
    pub(crate) fn programs(&self) -> BTreeMap<&'static str, u32> {
        [("controller", self.child.id())].into()
    }

    async fn create(&self, ground: &Ground, case: Case, task: i64) -> Result<(i64, f64), Failure> {
        let api: Api<Job> = Api::namespaced(ground.client(), ground.namespace());
        let (job, at) = (serde_json::from_value(job(task, case, Some(&self.of.label)))?, uptime());
        api.create(&PostParams::default(), &job).await?;
        Ok((task, at))
    }

    pub(crate) async fn play(&self, ground: &Ground, case: Case) -> Result<Told, Failure> {
        let creates = stream::iter(numbers(case)).map(|task| self.create(ground, case, task)).buffer_unordered(SUBMITTERS);
        let submitted = creates.try_collect().await?;
        ground.all_over(Signal::Job, case).await?;
        Ok(told(submitted, &ground.sight.over()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
