//! A server in the place of one that is lost, over a backup, while pods run.

use crate::{
    kit::{Recorder, Scene, World, admin, tests},
    support::eventually,
};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Pod, Secret},
};
use kube::ResourceExt;
use slipway::wire::{AttemptNumber, TaskState, UnknownJobs};
use std::{fs, sync::Arc};

tests!(Shared: what_began_after_the_backup_is_left_alone_and_named_until_somebody_removes_it);

impl World {
    /// Kills the server and lets another take its place over a backup, with the tokens that people and runners have.
    async fn restored(&mut self, backup: &str) {
        self.stop_server();
        let (data, before) = (self.data(), self.root().join("before"));
        fs::rename(&data, &before).expect("the old directory goes aside");
        admin(&["restore", "--from", backup, "--data-dir", &data.display().to_string()]);
        for token in ["admin-token", "runner-token"] {
            fs::copy(before.join(token), data.join(token)).expect("a token");
        }
        self.start_server();
        self.client().await;
    }

    /// What the glue says that it finds under its name and the server does not know.
    async fn unknown(&self) -> Option<UnknownJobs> {
        let runners = self.client().await.runners().await.ok()?;
        runners.items.into_iter().find(|runner| runner.name.as_str() == "k8s")?.state?.cluster?.unknown
    }
}

async fn what_began_after_the_backup_is_left_alone_and_named_until_somebody_removes_it(scene: Arc<Scene>) {
    let (mut world, recorder) = (World::with_glue(&scene).await, Recorder::start().await);
    let (kept, _) = world.waiting(&recorder, "note wait").await;
    let backup = world.root().join("backup.tar").display().to_string();
    admin(&["backup", "--data-dir", &world.data().display().to_string(), "--to", &backup]);
    let (_, pod) = world.waiting(&recorder, "note wait").await;
    let job = pod.metadata.owner_references.as_ref().expect("an owner")[0].name.clone();
    let installation = job.split('-').nth(1).expect("a name with the installation").to_owned();

    world.restored(&backup).await;
    let told = eventually("the glue to tell of it", async || world.unknown().await).await;
    assert_eq!((told.count, told.named), (1, vec![format!("{}/{job}", scene.namespace)]), "what the backup knows is no stranger");
    let doctor = world.slipway(&["doctor"]).1;
    assert!(doctor.contains("1 Jobs in its cluster are of no task that the server knows") && doctor.contains(&job), "{doctor}");

    let path = |name: &str| world.root().join(name).display().to_string();
    let (config, kubeconfig) = (path("k8s.yaml"), path("glue-k8s.kubeconfig"));
    let reap = |more: &[&str]| admin(&[&["reap", "--config", &config, "--kubeconfig", &kubeconfig], more].concat());
    let (listed, said) = reap(&["--yes"]);
    assert!(listed.contains(&job) && listed.contains("left"), "{listed}");
    assert!(said.contains(&format!("--installation {installation}")), "{said}");
    let (listed, said) = reap(&["--installation", &installation]);
    assert!(listed.contains("to remove") && said.contains("add --yes"), "{listed}{said}");
    let there = scene.api::<Pod>().get(&pod.name_any()).await.expect("the pod is left alone");
    assert_eq!((there.uid(), there.metadata.deletion_timestamp), (pod.uid(), None));

    let (listed, _) = reap(&["--installation", &installation, "--yes", "-o", "json"]);
    assert!(listed.contains(r#""outcome":"removed""#), "{listed}");
    let gone = async || {
        let job_gone = scene.api::<Job>().get_opt(&job).await.ok()?.is_none();
        let secret_gone = scene.api::<Secret>().get_opt(&job).await.ok()?.is_none();
        (job_gone && secret_gone && scene.api::<Pod>().get_opt(&pod.name_any()).await.ok()?.is_none()).then_some(())
    };
    eventually("the Job to go with its Secret and its pod", gone).await;
    eventually("the glue to tell of nothing", async || world.unknown().await.is_none().then_some(())).await;
    recorder.go();
    let ended = world.ended(kept).await;
    assert_eq!((ended.state, ended.attempt), (TaskState::Succeeded, AttemptNumber(1)), "what the backup knows went on");
}
