//! A server whose database goes from SQLite to Postgres and back.

use crate::{
    backup::LINES,
    eventually,
    postgres::Postgres,
    world::{Part, World},
};
use slipway::wire::{AttemptNumber, TaskId, TaskState};
use std::path::{Path, PathBuf};

impl World {
    /// Ends the server and backs up what it had.
    async fn put_away(&mut self, name: &str, more: &[&str]) -> PathBuf {
        self.part(Part::Server).kill();
        let to = self.root.join(name);
        let (data, file) = (self.data().display().to_string(), to.display().to_string());
        self.admin(&[&["backup", "--data-dir", &data, "--to", &file], more].concat()).await;
        to
    }

    async fn refused(&self, from: &Path, database: &str) -> String {
        let (from, dir) = (from.display().to_string(), self.root.join("nowhere").display().to_string());
        let mut program = self.program(&["admin", "restore", "--from", &from, "--data-dir", &dir, "--database", database]);
        let ended = eventually("the end of the command", async || program.ended()).await;
        assert_eq!(ended.code(), Some(1), "{}", program.err());
        program.err()
    }

    async fn submitted(&self, many: usize, body: &str) -> Vec<TaskId> {
        let mut tasks = Vec::new();
        for _ in 0..many {
            tasks.push(self.submit(&self.recorder.task(body)).await);
        }
        tasks
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_moves_to_postgres_and_back_and_loses_nothing() {
    let postgres = Postgres::start().await;
    let url = postgres.url();
    let mut world = World::new();
    world.slots = 1;
    world.start(Part::Server);
    world.start(Part::Runner);
    let mut ended = world.submitted(3, LINES).await;
    for task in &ended {
        world.ended(*task).await;
    }
    let sums = world.sums(&ended).await;
    let live = world.submit(&world.recorder.task(&world.until_let_go())).await;
    world.recorded(live, "alive").await;
    let queued = world.submitted(4, LINES).await;
    let token = world.data().join("admin-token").display().to_string();

    let backup = world.put_away("sqlite.tar", &[]).await;
    world.more = vec!["--database".to_owned(), url.clone()];
    let said = world.restored_into("postgres", &backup, &["--database", &url]).await;
    for what in ["and the Postgres database", "tasks        8, of which 5", "live then    1", "--database URL"] {
        assert!(said.contains(what), "{said}");
    }
    assert!(!world.data().join("slipway.db").exists() && !world.data().join("restoring.db").exists());
    world.ready().await;
    let said = world.refused(&backup, &url).await;
    assert!(said.contains("another server writes to this database"), "{said}");
    let mut ls = world.program(&["ls", "--url", &world.url, "--token-file", &token]);
    assert!(eventually("its end", async || ls.ended()).await.success(), "a token of before holds: {}", ls.err());
    assert_eq!(world.sums(&ended).await, sums, "the logs of before are there");
    let new = world.submitted(2, LINES).await;
    assert!(new[0].0 > queued[3].0 + 10_000 && new[1] > new[0], "{new:?}");
    world.let_go();
    assert_eq!(world.ended(live).await.attempt, AttemptNumber(1), "what ran went on");
    world.check(&[&ended[..], &[live], &queued, &new].concat()).await;
    let first = world.recorder.lines().iter().map(|line| TaskId(line.task)).fold(Vec::new(), |mut order, task| {
        if !order.contains(&task) {
            order.push(task);
        }
        order
    });
    assert_eq!(first, [&ended[..], &[live], &queued, &new].concat(), "each in its turn");
    ended.extend([&queued[..], &[live], &new].concat());

    let sums = world.sums(&ended).await;
    let backup = world.put_away("postgres.tar", &["--database", &url]).await;
    let said = world.refused(&backup, &url).await;
    assert!(said.contains("the database is not empty"), "{said}");
    world.more.clear();
    // As a server's environment names its own file.
    let own = format!("sqlite:{}", world.root.join("back/slipway.db").display());
    world.restored_into("back", &backup, &["--database", &own]).await;
    assert!(world.data().join("slipway.db").exists());
    world.ready().await;
    assert_eq!(world.sums(&ended).await, sums);
    for task in &ended {
        assert_eq!(world.task(*task).await.state, TaskState::Succeeded);
    }
    let last = world.submitted(2, LINES).await;
    assert!(last[0].0 > new[1].0 + 10_000, "{last:?}");
    world.check(&[ended, last].concat()).await;
}
