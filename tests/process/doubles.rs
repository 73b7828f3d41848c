//! What must be there once: servers and runners of a data directory, runners of a name, tasks of a key.

use crate::{
    endings::exit,
    eventually,
    support::Dice,
    world::{Part, World},
};
use slipway::{
    app::ambient::SystemRng,
    domain::Rng,
    wire::{NewTask, TaskQuery},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_a_data_directory_names_the_first_and_ends() {
    let mut world = World::with_both();
    world.ready().await;
    let first = world.part(Part::Server).pid();
    let data = world.data().display().to_string();
    let mut second = world.program(&["server", "--listen", "127.0.0.1:0", "--data-dir", &data]);
    assert_eq!(exit(&mut second).await, Some(1));
    assert!(second.err().contains(&format!("another server uses {}/data (process {first})", world.root.display())), "{}", second.err());
    // After a kill the directory is free at once.
    world.part(Part::Server).kill();
    world.start(Part::Server);
    let id = world.submit(&world.recorder.task("emit fine")).await;
    world.check(&[id]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_runner_on_a_data_directory_or_of_a_name_ends() {
    let mut world = World::with_both();
    world.ready().await;
    let (data, token) = (world.data().display().to_string(), world.data().join("runner-token").display().to_string());
    let common = ["runner", "--url", &world.url, "--token-file", &token, "--gpus", "0"];
    let mut second = world.program(&[&common[..], &["--data-dir", &data]].concat());
    assert_eq!(exit(&mut second).await, Some(1));
    assert!(second.err().contains(&format!("another runner uses {data}/runner: give each its own --data-dir")), "{}", second.err());

    let elsewhere = world.root.join("elsewhere").display().to_string();
    let list = world.command(&["runner", "ls", "-o", "json"]);
    let names = eventually("the runner's name", async || serde_json::from_slice::<serde_json::Value>(&list.out()).ok()).await;
    let name = names.pointer("/items/0/name").or(names.pointer("/0/name")).and_then(|name| name.as_str()).expect("a name").to_owned();
    let mut third = world.program(&[&common[..], &["--data-dir", &elsewhere, "--name", &name]].concat());
    assert_eq!(exit(&mut third).await, Some(1));
    assert!(third.err().contains(&format!("the runner name \"{name}\" is taken by another live runner")), "{}", third.err());
    let id = world.submit(&world.recorder.task("emit fine")).await;
    world.check(&[id]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submit_repeated_across_a_kill_submits_once() {
    let mut dice = Dice::roll("a_submit_repeated_across_a_kill");
    let mut world = World::new();
    world.start(Part::Server);
    world.ready().await;
    let client = world.client().await;
    for round in 0..10_u32 {
        let task = NewTask { name: Some(format!("round-{round}")), command: Some(vec!["true".into()]), ..NewTask::default() };
        let key = SystemRng.uuid();
        // The server dies around the commit: before, after, or between it and the answer.
        let submit = tokio::spawn({
            let (client, task) = (client.clone(), task.clone());
            async move { client.submit(&task, key).await.ok().map(|task| task.id) }
        });
        tokio::time::sleep(std::time::Duration::from_micros(dice.below(12_000))).await;
        world.strike(Part::Server);
        let first = submit.await.unwrap();
        let again = eventually("an answer", async || client.submit(&task, key).await.ok()).await.id;
        assert_eq!(first.unwrap_or(again), again, "another task for the same key");
        world.strike(Part::Server);
        assert_eq!(eventually("an answer", async || client.submit(&task, key).await.ok()).await.id, again);
        let query = TaskQuery { name: task.name.clone(), ..TaskQuery::default() };
        let list = eventually("a list", async || client.tasks(&query).await.ok()).await;
        assert_eq!(list.items.iter().map(|task| task.id).collect::<Vec<_>>(), [again]);
    }
}
