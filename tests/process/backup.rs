//! A backup of a server at work, and another server in its place.

use crate::{
    code::sent,
    eventually,
    world::{Part, World},
};
use sha2::{Digest, Sha256};
use slipway::wire::{AttemptNumber, Code, NewTask, TaskId, TaskState};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

pub(crate) const LINES: &str = "i=0; while [ $i -lt 200 ]; do i=$((i+1)); emit \"line $i of $id\"; done";

impl World {
    /// A body that writes and gives signs of life until [`Self::let_go`].
    pub(crate) fn until_let_go(&self) -> String {
        let go = self.root.join("go");
        format!("i=0; while [ ! -e {} ]; do i=$((i+1)); emit \"line $i of $id\"; note alive; sleep 0.05; done", go.display())
    }

    pub(crate) fn let_go(&self) {
        fs::write(self.root.join("go"), "").expect("a file");
    }

    /// Runs `slipway admin …` to its end; what it said.
    pub(crate) async fn admin(&self, args: &[&str]) -> String {
        let mut program = self.program(&[&["admin"], args].concat());
        let ended = eventually("the end of the command", async || program.ended()).await;
        assert!(ended.success(), "{args:?}: {}", program.err());
        program.err()
    }

    async fn backup(&self) -> PathBuf {
        let to = self.root.join("backup.tar");
        self.admin(&["backup", "--data-dir", &self.data().display().to_string(), "--to", &to.display().to_string()]).await;
        to
    }

    /// Kills the server and lets another one take its place, over a backup; what the restore said.
    pub(crate) async fn restored(&mut self, from: &Path) -> String {
        self.part(Part::Server).kill();
        self.restored_into("restored", from, &[]).await
    }

    /// Lets a server take the place of one that has ended, over a backup, in this folder; what the restore said.
    pub(crate) async fn restored_into(&mut self, folder: &str, from: &Path, more: &[&str]) -> String {
        let dir = self.root.join(folder);
        let (from, to) = (from.display().to_string(), dir.display().to_string());
        let said = self.admin(&[&["restore", "--from", &from, "--data-dir", &to], more].concat()).await;
        self.moved(dir);
        self.start(Part::Server);
        said
    }

    pub(crate) async fn sums(&self, tasks: &[TaskId]) -> BTreeMap<TaskId, Vec<u8>> {
        let mut sums = BTreeMap::new();
        for task in tasks {
            sums.insert(*task, Sha256::digest(self.log(*task, 0).await).to_vec());
        }
        sums
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_server_goes_on_where_the_backup_was_made() {
    let mut world = World::with_both();
    let mut ended = Vec::new();
    for _ in 0..6 {
        ended.push(world.submit(&world.recorder.task(LINES)).await);
    }
    for task in &ended {
        world.ended(*task).await;
    }
    let sums = world.sums(&ended).await;
    let (mut live, mut queued) = (Vec::new(), Vec::new());
    for _ in 0..world.slots {
        live.push(world.submit(&world.recorder.task(&world.until_let_go())).await);
    }
    for task in &live {
        world.recorded(*task, "alive").await;
    }
    for _ in 0..5 {
        queued.push(world.submit(&world.recorder.task(LINES)).await);
    }
    let mut meanwhile = Vec::new();
    let load = async {
        loop {
            meanwhile.push(world.submit(&world.recorder.task(LINES)).await);
        }
    };
    let backup = tokio::select! {
        backup = world.backup() => backup,
        () = load => unreachable!("it has no end"),
    };
    assert!(!meanwhile.is_empty());

    let said = world.restored(&backup).await;
    for what in ["live then    4", "instance", "have not ended"] {
        assert!(said.contains(what), "{said}");
    }
    world.let_go();
    for task in &live {
        let task = world.ended(*task).await;
        assert_eq!((task.state, task.attempt), (TaskState::Succeeded, AttemptNumber(1)), "what ran went on");
        // What the old server had confirmed after the backup is nowhere any more: that shows as a gap, and the rest is whole.
        let (log, copy) = (world.log(task.id, 0).await, world.recorder.copy(task.id, 1).expect("it wrote"));
        let (log, copy) = (String::from_utf8(log).unwrap(), String::from_utf8(copy).unwrap());
        match log.split_once("\n[slipway: ") {
            None => assert_eq!(log, copy),
            Some((before, after)) => {
                let after = after.split_once("lost here]\n").expect("the notice").1;
                assert!(copy.starts_with(before) && copy.ends_with(after), "{log}");
            }
        }
    }
    assert_eq!(world.sums(&ended).await, sums);
    // Of what was submitted meanwhile the backup has the first ones.
    let client = world.client().await;
    for task in meanwhile {
        if client.task(task).await.is_ok() {
            queued.push(task);
        }
    }
    for task in &queued {
        let task = world.ended(*task).await;
        assert_eq!(task.state, TaskState::Succeeded);
        assert_eq!(Some(world.log(task.id, 0).await), world.recorder.copy(task.id, task.attempt.0));
    }
    world.recorder.check(&[ended, live, queued].concat());
    world.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_began_after_the_backup_is_stopped_before_it_begins_again() {
    let mut world = World::new();
    world.start(Part::Server);
    let task = world.submit(&world.recorder.task(&world.until_let_go().replace("emit", ": "))).await;
    let backup = world.backup().await;
    world.start(Part::Runner);
    world.recorded(task, "alive").await;
    world.restored(&backup).await;
    eventually("another attempt", async || {
        world.recorder.lines().iter().any(|line| line.attempt > 1 && line.word == "alive").then_some(())
    })
    .await;
    world.let_go();
    world.check(&[task]).await;
    assert!(world.task(task).await.attempt > AttemptNumber(1_000), "numbers that others may have are passed over");
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_was_sent_is_in_the_backup() {
    let mut world = World::new();
    world.start(Part::Server);
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(8);
    header.set_mode(0o644);
    archive.append_data(&mut header, "word", &b"was kept"[..]).expect("an archive");
    let code = Code { upload: Some(sent(&world, &archive.into_inner().expect("an archive")).await), ..Code::default() };
    let command = Some(["cat", "word"].map(str::to_owned).to_vec());
    let task = world.submit(&NewTask { command, code: Some(code), ..NewTask::default() }).await;
    let (backup, token) = (world.backup().await, fs::read(world.data().join("runner-token")).expect("a token"));
    world.restored(&backup).await;
    fs::write(world.data().join("runner-token"), token).expect("the runner's own file");
    world.start(Part::Runner);
    let state = world.ended(task).await.state;
    let log = String::from_utf8_lossy(&world.log(task, 0).await).into_owned();
    assert!(state == TaskState::Succeeded && log.ends_with("was kept"), "{log}");
    world.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_whole_backup_is_refused_and_leaves_nothing() {
    let mut world = World::new();
    world.start(Part::Server);
    world.submit(&world.recorder.task("true")).await;
    let backup = world.backup().await;
    let whole = fs::read(&backup).expect("the backup");
    let refused = async |from: &str, into: &str| {
        let mut program = world.program(&["admin", "restore", "--from", from, "--data-dir", into]);
        let ended = eventually("the end of the command", async || program.ended()).await;
        assert_eq!(ended.code(), Some(1), "{}", program.err());
        program.err()
    };
    let path = |name: &str| world.root.join(name).display().to_string();
    let (mut damaged, cut) = (whole.clone(), &whole[..whole.len() / 2]);
    damaged[whole.len() / 2] ^= 1;
    let newer = String::from_utf8_lossy(&whole[..1024]).replace("{\"format\":2", "{\"format\":9");
    for (name, bytes, why) in [
        ("damaged", &damaged[..], "damaged"),
        ("cut", cut, "cut off"),
        ("newer", newer.as_bytes(), "a newer version"),
        ("other", b"no archive at all", "no archive"),
    ] {
        fs::write(path(name), bytes).expect("a file");
        let said = refused(&path(name), &path("empty")).await;
        assert!(said.contains(why) && said.contains("nothing of it was left"), "{name}: {said}");
        assert_eq!(fs::read_dir(path("empty")).expect("the directory").count(), 0, "{name}");
    }
    let said = refused(&backup.display().to_string(), &world.data().display().to_string()).await;
    assert!(said.contains("is not empty: restore into a new directory"), "{said}");

    // Through a pipe it is the same file.
    let mut piped = world.program(&["admin", "backup", "--data-dir", &world.data().display().to_string(), "--to", "-"]);
    assert!(eventually("the end of the command", async || piped.ended()).await.success(), "{}", piped.err());
    fs::write(path("piped"), piped.out()).expect("a file");
    assert!(world.restored(Path::new(&path("piped"))).await.contains("tasks        1"));
}
