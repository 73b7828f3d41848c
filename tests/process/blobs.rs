//! Servers whose bytes are in an object store: a real S3-compatible one, and a shared directory.

use crate::{
    bucket::{ACCESS, Bucket, NAME, SECRET},
    eventually,
    support::{Dice, free_address},
    world::{Part, World},
};
use sha2::{Digest, Sha256};
use slipway::wire::{Phase, TaskId};
use std::{fs, net::Ipv4Addr};

const LINES: &str = "i=0; while [ $i -lt 40 ]; do i=$((i+1)); emit \"line $i of $id, and some more of it\"; sleep 0.0$((id % 9 + 1)); done";

impl World {
    /// From now on servers keep their bytes at `url`.
    fn keeping_bytes_at(&mut self, url: &str, more: &str) {
        let file = self.root.join("server.yaml");
        fs::write(&file, format!("blobs: {{url: '{url}', flushSeconds: 1, flushBytes: 1024{more}}}\n")).expect("a file");
        self.more = vec!["--config".to_owned(), file.display().to_string()];
        let env = [("AWS_ACCESS_KEY_ID", ACCESS), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_REGION", "us-east-1")];
        self.env.extend(env.map(|(name, value)| (name, value.to_owned())));
    }

    /// `kill -9`, and another server that has the database and nothing else of the first one's disk.
    fn strike_with_its_disk(&mut self) {
        self.part(Part::Server).kill();
        for dir in ["logs", "uploads"] {
            let _ = fs::remove_dir_all(self.data().join(dir));
        }
        self.start(Part::Server);
    }

    async fn sum(&self, task: TaskId) -> Vec<u8> {
        Sha256::digest(self.log(task, 0).await).to_vec()
    }
}

/// A world whose bytes are in a bucket; none without a server to hold it.
fn with_bucket() -> Option<(World, Bucket)> {
    let mut world = World::new();
    let bucket = Bucket::start(free_address(Ipv4Addr::LOCALHOST.into()))?;
    world.keeping_bytes_at(&format!("s3://{NAME}/of/slipway"), &format!(", endpoint: '{}', allowHttp: true", bucket.endpoint()));
    world.start(Part::Server);
    world.start(Part::Runner);
    Some((world, bucket))
}

async fn killed_with_its_disk(world: &mut World, dice: &mut Dice) {
    let mut tasks = Vec::new();
    for _ in 0..6 {
        for _ in 0..2 {
            tasks.push(world.submit(&world.recorder.task(LINES)).await);
        }
        dice.pause(300, 1_500).await;
        world.strike_with_its_disk();
    }
    world.check(&tasks).await;
    world.first_attempts(&tasks).await;
    let mut before = Vec::new();
    for task in &tasks {
        before.push(world.sum(*task).await);
    }
    world.strike_with_its_disk();
    for (task, sum) in tasks.iter().zip(before) {
        assert_eq!(world.sum(*task).await, sum, "the log of task {task}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_with_its_disk_goes_on_from_the_bucket() {
    let mut dice = Dice::roll("a_server_killed_with_its_disk");
    let Some((mut world, _bucket)) = with_bucket() else { return };
    killed_with_its_disk(&mut world, &mut dice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_with_its_disk_goes_on_from_a_shared_directory() {
    let mut dice = Dice::roll("a_server_killed_with_its_disk_shared");
    let mut world = World::new();
    let shared = world.root.join("shared");
    world.keeping_bytes_at(&format!("file://{}", shared.display()), "");
    world.start(Part::Server);
    world.start(Part::Runner);
    killed_with_its_disk(&mut world, &mut dice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_bucket_is_away_tasks_run_on_and_nothing_is_lost() {
    let Some((mut world, mut bucket)) = with_bucket() else { return };
    let go = world.root.join("go");
    let body = format!("i=0; while [ ! -e {} ]; do i=$((i+1)); emit \"line $i of $id\"; note alive; sleep 0.02; done", go.display());
    let mut tasks = Vec::new();
    for _ in 0..world.slots {
        tasks.push(world.submit(&world.recorder.task(&body)).await);
    }
    for task in &tasks {
        world.recorded(*task, "alive").await;
    }
    bucket.down();
    let seen = world.log(tasks[0], 0).await.len();
    eventually("the log to grow without the bucket", async || (world.log(tasks[0], 0).await.len() > seen + 500).then_some(())).await;
    eventually("the server to say so", async || world.said("the object store takes nothing").then_some(())).await;
    // Their results are stored, and wait for their logs.
    fs::write(go, "").expect("a file");
    for task in &tasks {
        world.recorded(*task, "end").await;
    }
    for task in &tasks {
        eventually("its result to be there", async || (world.task(*task).await.phase == Some(Phase::Finishing)).then_some(())).await;
    }
    bucket.up();
    world.check(&tasks).await;
    // All of it is there, whatever becomes of the disk.
    let sum = world.sum(tasks[0]).await;
    world.strike_with_its_disk();
    assert_eq!(world.sum(tasks[0]).await, sum);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_its_bucket_does_not_start_and_says_why() {
    let Some((world, bucket)) = with_bucket() else { return };
    let file = world.root.join("wrong.yaml");
    fs::write(&file, format!("blobs: {{url: 's3://other', endpoint: '{}', allowHttp: true}}\n", bucket.endpoint())).expect("a file");
    let (data, file) = (world.root.join("other").display().to_string(), file.display().to_string());
    let mut server = world.program(&["server", "--listen", "127.0.0.1:0", "--data-dir", &data, "--config", &file]);
    let ended = eventually("the end of the server", async || server.ended()).await;
    let said = server.err();
    assert!(!ended.success() && said.contains("the object store s3://other does not write an object"), "{said}");
    assert!(!said.contains(SECRET), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_leaves_the_bytes_where_they_are() {
    let Some((mut world, _bucket)) = with_bucket() else { return };
    let task = world.submit(&world.recorder.task(LINES)).await;
    world.check(&[task]).await;
    let (sum, to) = (world.sum(task).await, world.root.join("backup.tar"));
    let said = world.admin(&["backup", "--data-dir", &world.data().display().to_string(), "--to", &to.display().to_string()]).await;
    assert!(said.contains("not copied: 1 logs, 0 uploads, which stay in s3://bytes/of/slipway"), "{said}");
    let said = world.restored(&to).await;
    assert!(said.contains("others are in s3://bytes/of/slipway"), "{said}");
    assert_eq!(world.sum(task).await, sum);
}
