//! Tasks that wait for others, with real programs, while the server dies between an end and what follows from it.

use crate::{
    eventually,
    support::Dice,
    world::{Part, World},
};
use slipway::{
    app::ambient::SystemRng,
    domain::Rng,
    wire::{BatchRequest, Dependee, DependsOn, NewTask, Reason, TaskId, TaskState},
};

fn after(success: &[&str], any: &[&str]) -> DependsOn {
    let refs = |names: &[&str]| names.iter().map(|name| Dependee::Ref((*name).to_owned())).collect();
    DependsOn { after_success: refs(success), after_any: refs(any), on_failure: None }
}

fn named(name: &str, depends_on: Option<DependsOn>, task: NewTask) -> NewTask {
    NewTask { reference: Some(name.to_owned()), depends_on, ..task }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_with_a_failing_middle_ends_as_it_says_although_the_server_dies() {
    let mut dice = Dice::roll("a_chain_with_a_failing_middle");
    let mut world = World::with_both();
    world.ready().await;
    for _ in 0..3 {
        let record = &world.recorder;
        // Not in the order in which they run.
        let batch = BatchRequest {
            tasks: vec![
                named("report", Some(after(&[], &["publish", "check"])), record.task("emit report")),
                named("publish", Some(after(&["train"], &[])), record.task("emit never")),
                named("train", Some(after(&["prep"], &[])), record.open_task("emit train; sleep 0.1; note end; exit 3")),
                named("check", Some(after(&["prep"], &[])), record.task("emit check")),
                named("prep", None, record.task("emit prep; sleep 0.1")),
            ],
        };
        let (client, key) = (world.client().await, SystemRng.uuid());
        let ids = eventually("the batch", async || client.submit_batch(&batch, key).await.ok()).await.ids;
        let [report, publish, train, check, prep]: [TaskId; 5] = ids.try_into().expect("five ids");
        for _ in 0..4 {
            dice.pause(10, 250).await;
            world.strike(Part::Server);
        }
        let ended = world.ended(report).await;
        assert_eq!(ended.state, TaskState::Succeeded);
        let mut found = Vec::new();
        for id in [prep, train, check, publish] {
            found.push(world.task(id).await.state);
        }
        assert_eq!(found, [TaskState::Succeeded, TaskState::Failed, TaskState::Succeeded, TaskState::Cancelled]);
        assert!(!world.recorder.has(publish, "start"), "a task ran whose dependency had failed");
        let why = world.client().await.why(publish).await.expect("why");
        assert_eq!(why.reasons[0].code, Reason::DependencyFailed);

        let lines = world.recorder.lines();
        let at = |task: TaskId, word: &str| lines.iter().rfind(|l| l.task == task.0 && l.word == word).expect(word).at;
        for (first, second) in [(prep, train), (prep, check), (train, report), (check, report)] {
            assert!(at(first, "end") <= at(second, "start"), "task {second} started before task {first} ended");
        }
        world.first_attempts(&[prep, train, check, report]).await;
    }
    world.nothing_left().await;
}
