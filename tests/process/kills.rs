//! `kill -9` of the runner, of `slipway up`, and of agents.

use crate::{
    eventually,
    procs::{below, send},
    support::Dice,
    world::{Part, World},
};
use nix::sys::signal::Signal;
use slipway::wire::TaskId;

const LINES: &str = "i=0; while [ $i -lt 20 ]; do i=$((i+1)); emit \"line $i of $id\"; sleep 0.0$((id % 9 + 1)); done";

/// Leaves two processes behind in sessions of their own, one of them without any environment, which say that they live.
const LEFTOVERS: &str = r#"
alive() { while :; do note "$1"; sleep 0.03; done; }
setsid sh -c "$(cat <<EOF
while :; do read -r up _ </proc/uptime; echo "$id $n left $uid \$up" >>"$RECORD"; sleep 0.03; done
EOF
)" >/dev/null 2>&1 &
env -i "$(command -v setsid)" /bin/sh -c "while :; do read -r up _ </proc/uptime; echo \"$id $n bare $uid \$up\" >>'$RECORD'; /bin/sleep 0.03; done" >/dev/null 2>&1 &
i=0; while [ $i -lt 25 ]; do i=$((i+1)); emit "line $i of $id"; note alive; sleep 0.05; done
"#;

/// Submits `count` tasks and meanwhile strikes `part` so often.
async fn struck(world: &mut World, dice: &mut Dice, part: Part, times: usize, count: usize) -> Vec<TaskId> {
    let mut tasks = Vec::new();
    for _ in 0..times {
        while tasks.len() < count && dice.below(4) > 0 {
            tasks.push(world.submit(&world.recorder.task(LINES)).await);
        }
        dice.pause(20, 500).await;
        world.strike(part);
    }
    tasks
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_killed_again_and_again_adopts_its_agents() {
    let mut dice = Dice::roll("a_runner_killed_again_and_again");
    let mut world = World::with_both();
    let tasks = struck(&mut world, &mut dice, Part::Runner, 12, 20).await;
    world.check(&tasks).await;
    world.first_attempts(&tasks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn up_killed_again_and_again_finds_everything_again() {
    let mut dice = Dice::roll("up_killed_again_and_again");
    let mut world = World::up();
    let tasks = struck(&mut world, &mut dice, Part::Up, 10, 15).await;
    world.check(&tasks).await;
    world.first_attempts(&tasks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_agent_is_retried_once_nothing_of_it_lives() {
    let mut dice = Dice::roll("a_killed_agent_is_retried");
    let mut world = World::with_both();
    world.agents_die = true;
    let mut tasks = Vec::new();
    for _ in 0..8 {
        tasks.push(world.submit(&world.recorder.task(LEFTOVERS)).await);
    }
    for _ in 0..12 {
        dice.pause(50, 400).await;
        let agents = eventually("an agent", async || Some(agents(&world)).filter(|found| !found.is_empty())).await;
        let Some((init, worker)) = dice.pick(&agents) else { continue };
        match dice.below(3) {
            0 => send(*worker, Signal::SIGKILL),
            1 => send(*init, Signal::SIGKILL),
            _ => [worker, init].into_iter().for_each(|pid| send(*pid, Signal::SIGKILL)),
        }
    }
    world.check(&tasks).await;
    let attempts: usize =
        tasks.iter().map(|id| world.recorder.lines().iter().filter(|l| l.task == id.0 && l.word == "start").count()).sum();
    assert!(attempts > tasks.len(), "nothing was killed");
}

/// The agents that have both of their processes: outer, inner.
pub(crate) fn agents(world: &World) -> Vec<(i32, i32)> {
    let seen = below(&world.attempts_dir());
    let inner = seen.iter().filter(|one| one.agent() == Some("work"));
    // A command on its way from fork to exec still looks like its agent; it has another parent.
    inner.filter_map(|one| Some((one.args.last()?.parse().ok()?, one.pid)).filter(|(init, _)| *init == one.parent)).collect()
}
