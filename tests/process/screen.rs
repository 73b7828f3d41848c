//! What is on the screen is what runs: `slipway submit` in a repository with changes, a lock file and a file that git does
//! not know, and the task's log.

use crate::{
    code::mirrored,
    support::{Index, Screen, line, run, uv},
    world::{Part, World},
};
use slipway::wire::{Indexes, NewQueue, TaskState};
use std::{io::Write, net::Ipv4Addr, time::Duration};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_the_screen_is_what_runs() {
    let uv = uv();
    let mut world = World::new();
    // The runner's search path is that of its tasks.
    world.path = Some(run(&world.root, &["sh", "-c", "echo \"$0:$PATH\"", &uv.display().to_string()]));
    world.start(Part::Server);
    world.start(Part::Runner);
    world.ready().await;
    let index = Index::serve(&world.root, Ipv4Addr::LOCALHOST).await;
    let indexes = Indexes { url: Some(index.url.clone()), extra: vec![] };
    mirrored(&world, NewQueue { indexes: Some(indexes), ..NewQueue::default() }).await;
    let screen = Screen::new(&world.root, &uv, &index);
    for again in [false, true] {
        let (id, told) = screen.submit("default", &world.url, &world.data());
        assert!(told.contains("team/vision @ ") && told.contains("1 changed, 1 untracked file"), "{told}");
        let task = world.ended(id).await;
        let log = String::from_utf8(world.log(id, 1).await).unwrap();
        assert_eq!(task.state, TaskState::Succeeded, "{log}");
        assert_eq!(line(&log, "said "), "hello 42");
        let attempt = world.client().await.attempts(id).await.unwrap().items.remove(0);
        let started = Duration::from_millis(attempt.started_at.unwrap().as_millisecond().unsigned_abs());
        let began = Duration::from_secs_f64(line(&log, "began ").parse().unwrap());
        let took = began.saturating_sub(started);
        writeln!(std::io::stderr(), "from the agent's start to the command's: {took:?} (again: {again})").unwrap();
        assert_eq!(log.contains("taken from the cache"), again, "{log}");
        // Ten times the goal of a second.
        assert!(!again || took < Duration::from_secs(10), "{took:?}");
    }
    drop(index);
    world.nothing_left().await;
}
