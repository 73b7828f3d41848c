//! Every named crash point, one after the other: whoever passes it dies there, is started again, and the task ends
//! right, once.

use crate::{
    eventually,
    kills::agents,
    procs::send,
    support::crash_points,
    world::{Part, World},
};
use nix::sys::signal::Signal;
use slipway::wire::TaskId;
use std::{collections::BTreeSet, fs, path::Path};

/// What else must happen for a point to be passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Also {
    /// A task that runs for a moment.
    Nothing,
    /// Its agent is killed, so that the runner has to act and to report.
    AgentKilled,
    /// It ends with more output than one call can send, so that the result comes before the log.
    MuchOutput,
}
use Also::{AgentKilled, MuchOutput, Nothing};

/// Point and pass, and what it takes.
const POINTS: &[(&str, Also)] = &[
    ("server.submitted", Nothing),
    ("server.claimed", Nothing),
    ("server.started", Nothing),
    ("server.beaten", Nothing),
    ("server.appended", Nothing),
    ("server.appended:3", Nothing),
    ("server.synced", Nothing),
    ("server.whole", Nothing),
    ("server.marked", Nothing),
    ("server.finished", Nothing),
    ("server.finished", MuchOutput),
    ("server.settled", MuchOutput),
    ("server.reported", AgentKilled),
    ("store.commit", Nothing),
    ("store.commit:4", Nothing),
    ("store.commit:5", Nothing),
    ("store.commit:6", Nothing),
    ("store.commit:7", Nothing),
    ("store.commit:9", Nothing),
    ("store.committed", Nothing),
    ("store.committed:2", Nothing),
    ("store.committed:4", Nothing),
    ("store.committed:5", Nothing),
    ("store.committed:6", Nothing),
    ("store.committed:7", Nothing),
    ("store.committed:9", Nothing),
    ("runner.claimed", Nothing),
    ("runner.held", Nothing),
    ("runner.held:2", Nothing),
    ("runner.making", Nothing),
    ("runner.dir", Nothing),
    ("runner.spawned", Nothing),
    ("runner.removing", Nothing),
    ("runner.removed", Nothing),
    ("runner.killed", AgentKilled),
    ("runner.report", AgentKilled),
    ("runner.reported", AgentKilled),
    ("agent.locked", Nothing),
    ("agent.forked", Nothing),
    ("agent.start", Nothing),
    ("agent.started", Nothing),
    ("agent.beaten", Nothing),
    ("agent.spawned", Nothing),
    ("agent.put", Nothing),
    ("agent.ended", Nothing),
    ("agent.testament", Nothing),
    ("agent.result", Nothing),
    ("agent.stored", MuchOutput),
    ("agent.finished", Nothing),
    ("agent.swept", Nothing),
];

const SHORT: &str = "for i in 1 2 3 4 5 6 7 8; do emit \"line $i\"; note alive; sleep 0.05; done";
/// Leaves a process behind, which the runner must kill before it reports.
const LONG: &str = "(setsid sh -c 'exec sleep 1000' >/dev/null 2>&1 &); emit first; while [ $n -lt 2 ]; do note alive; sleep 0.05; done";
const BULKY: &str =
    "note alive; while [ ! -e \"$COPIES/../go\" ]; do sleep 0.05; done; head -c 12000000 /dev/urandom | tee \"$COPIES/$id-$n\"";

async fn crash_at(point: &str, also: Also) {
    let mut world = World::new();
    let proof = world.root.join("crashed");
    world.crash = Some(format!("{point}@{}", proof.display()));
    world.agents_die = also == AgentKilled || point.starts_with("agent.");
    world.start(Part::Server);
    world.start(Part::Runner);
    let body = match also {
        Nothing => SHORT,
        AgentKilled => LONG,
        MuchOutput => BULKY,
    };
    let id = driven(&mut world, body, also, &proof).await;
    assert!(proof.exists(), "{point} was not passed");
    if !point.starts_with("agent.") {
        // The proof is made a moment before the death.
        eventually("the crashed program to run again", async || {
            world.revive();
            (world.revived > 0).then_some(())
        })
        .await;
    }
    world.check(&[id]).await;
    let attempt = world.task(id).await.attempt.0;
    assert!(attempt == 1 || world.agents_die, "attempt {attempt}, although only {point} crashed");
}

/// Runs one task to its end, starting again whatever dies meanwhile.
async fn driven(world: &mut World, body: &str, also: Also, proof: &Path) -> TaskId {
    let (task, key) = (world.recorder.task(body), uuid::Uuid::from_u128(1));
    let (mut submitted, mut helped) = (None, false);
    eventually(&format!("the end of the task ({})", proof.display()), async || {
        world.revive();
        if !world.data().join("admin-token").exists() {
            return None;
        }
        let client = world.client().await;
        let Some(id) = submitted else {
            submitted = client.submit(&task, key).await.ok().map(|task| task.id);
            return None;
        };
        if !helped && world.recorder.has(id, "alive") {
            helped = help(world, also).await;
        }
        // Some die after the end of the task: of clearing up.
        let over = client.task(id).await.is_ok_and(|task| task.state.is_terminal());
        (over && proof.exists()).then_some(id)
    })
    .await
}

/// Makes happen what a point takes; `false` where it could not yet.
async fn help(world: &mut World, also: Also) -> bool {
    match also {
        Nothing => true,
        AgentKilled => {
            let found = agents(world);
            found.iter().flat_map(|(init, worker)| [init, worker]).for_each(|pid| send(*pid, Signal::SIGKILL));
            !found.is_empty()
        }
        MuchOutput => {
            // The server sleeps until the result is there, and has all of the log still to get.
            world.part(Part::Server).signal(Signal::SIGSTOP);
            fs::write(world.root.join("go"), "").expect("a file");
            let result = world.attempts_dir().join("1-1/result.json");
            eventually("the result", async || result.exists().then_some(())).await;
            world.part(Part::Server).signal(Signal::SIGCONT);
            true
        }
    }
}

/// Runs a share of the table; the shares run beside each other.
async fn crash_in_turn(share: usize, of: usize) {
    for (point, also) in POINTS.iter().skip(share).step_by(of) {
        eprintln!("crash point {point} {also:?}");
        crash_at(point, *also).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_point_loses_and_repeats_nothing_1_of_3() {
    crash_in_turn(0, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_point_loses_and_repeats_nothing_2_of_3() {
    crash_in_turn(1, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_point_loses_and_repeats_nothing_3_of_3() {
    crash_in_turn(2, 3).await;
}

#[test]
fn the_table_names_every_crash_point() {
    // A glue dies in the tests on a cluster.
    let named: BTreeSet<_> = crash_points().into_iter().filter(|name| !name.starts_with("glue.")).collect();
    let tested: BTreeSet<_> = POINTS.iter().map(|(point, _)| point.split(':').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(tested, named);
}
