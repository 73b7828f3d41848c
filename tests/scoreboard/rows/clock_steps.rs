//! Row 19: the wall clocks of server, runner and agents step by up to an hour, each by itself.

use crate::{
    ended::{all_ended, stored},
    judge::judge,
    record::Line,
    row::{Absent, Form, Outcome, Row},
    score::Level,
    sound::panics,
    support::{Dice, Front},
    world::{Part, World},
};
use slipway::{
    app::ambient::SystemClock,
    domain::Clock,
    wire::{FailureClass, NewTask, Retries, Task, TaskId, TaskQuery, TaskState},
};
use std::{collections::BTreeMap, fs, path::Path};

pub(crate) const ROW: Row = Row { number: 19, level: Level::P, short: 15, full: 200, run: |form| Box::pin(run(form)) };

/// By how many milliseconds a clock may be ahead: an hour, the ten minutes by which nodes differ, nothing.
pub(super) const STEPS: [i64; 5] = [-3_600_000, -600_000, 0, 600_000, 3_600_000];
const SLOTS: u32 = 8;
/// The limit of the tasks that would run for ever, in seconds, and how exact it is to be kept.
pub(super) const LIMIT: u64 = 2;
pub(super) const EXACT: f64 = 1.0;

/// What a task is there to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It runs for a while and succeeds in its first attempt.
    Plain,
    /// It is ended by its time limit, neither early nor late.
    Limited,
    /// Its first attempt fails; the pause before the second is no hour.
    Repeated,
}

async fn run(form: Form) -> Result<Outcome, Absent> {
    let mut dice = Dice::of(form.seed);
    let mut world = World::new();
    world.slots = SLOTS;
    // A clock that is an hour ahead would pass all of these.
    (world.times.heartbeat_lost_ms, world.times.claim_lease_ms, world.times.runner_expiry_ms) = (10_000, 10_000, 10_000);
    let clocks = ["server", "runner"].map(|name| world.root.join(format!("clock-{name}")));
    for (clock, part) in clocks.iter().zip([Part::Server, Part::Runner]) {
        set(clock, *dice.pick(&STEPS).expect("a step"));
        world.env = vec![("SLIPWAY_CLOCK_STEP", clock.display().to_string())];
        world.start(part);
    }
    world.ready().await;
    let mut kinds = BTreeMap::new();
    for nth in 0..form.tasks {
        let kind = Kind::of(nth);
        let recorded = match kind {
            Kind::Limited => world.recorder.open_task(LIMITED),
            _ => world.recorder.task(&kind.body(&mut dice)),
        };
        kinds.insert(world.submit(&kind.task(recorded)).await, kind);
    }
    let (steps, all) = stepped(&world, &clocks, &mut dice).await;
    let lines = world.recorder.lines();
    let acknowledged: Vec<_> = kinds.keys().map(|id| id.0).collect();
    let mut outcome = Outcome { tries: kinds.len(), findings: judge(&acknowledged, &lines, &stored(&all)), ..Outcome::default() };
    for task in &all {
        outcome.broken.extend(wrong(task, kinds[&task.id], &lines));
    }
    let limits: Vec<_> = kinds.iter().filter(|(_, kind)| **kind == Kind::Limited).filter_map(|(id, _)| ran(*id, &lines)).collect();
    let extreme = |pick: fn(f64, f64) -> f64| limits.iter().copied().reduce(pick).unwrap_or_default();
    let (shortest, longest) = (extreme(f64::min), extreme(f64::max));
    eprintln!("{steps} steps; limits of {LIMIT} s came after {shortest:.2} to {longest:.2} s");
    set(&clocks[0], STEPS[4]);
    let told = world.client().await.health().await.expect("an answer").at.as_millisecond() - SystemClock.now().0;
    outcome.must(steps > 0 && told > STEPS[3], || format!("after {steps} steps the server's clock is {told} ms ahead"));
    world.nothing_left().await;
    outcome.broken.extend(panics(&world.root));
    Ok(outcome)
}

/// What the tasks do that would run for ever.
pub(super) const LIMITED: &str = "trap 'note term; exit 143' TERM; sleep 60 & wait $!";

impl Kind {
    pub(super) fn of(nth: usize) -> Self {
        [Self::Plain, Self::Plain, Self::Limited, Self::Repeated][nth % 4]
    }

    /// What it does before its end.
    pub(super) fn body(self, dice: &mut Dice) -> String {
        match self {
            Self::Plain => format!("echo one; sleep {}.{}; echo two", dice.below(3), dice.below(10)),
            Self::Limited => LIMITED.to_owned(),
            Self::Repeated => "if [ $n = 1 ]; then note exit:3; exit 3; fi; echo two".to_owned(),
        }
    }

    /// The task with its limit and its retries.
    pub(super) fn task(self, task: NewTask) -> NewTask {
        let retries = Some(Retries { user: u32::from(self == Self::Repeated), infra: 100, ..Retries::default() });
        NewTask { retries, timeout_seconds: Some(if self == Self::Limited { LIMIT } else { 600 }), ..task }
    }
}

/// Lets the clocks step until all tasks have ended. How often they did, and the tasks.
pub(super) async fn stepped(front: &Front, clocks: &[impl AsRef<Path>], dice: &mut Dice) -> (usize, Vec<Task>) {
    let client = front.client().await;
    let mut ended = std::pin::pin!(all_ended(front));
    let mut steps = 0;
    loop {
        let step = async {
            dice.pause(200, 1_500).await;
            let clock = dice.pick(clocks).expect("a clock");
            set(clock.as_ref(), *dice.pick(&STEPS).expect("a step"));
        };
        tokio::select! {
            all = &mut ended => return (steps, all),
            () = step => steps += 1,
        }
        let query = TaskQuery { state: Some("active".to_owned()), limit: Some(1_000), ..TaskQuery::default() };
        if let Ok(page) = client.tasks(&query).await {
            let blamed: Vec<_> = page.items.iter().filter(|task| task.heartbeat_lost).map(|task| task.id).collect();
            assert!(blamed.is_empty(), "{blamed:?} are said to be silent after a step of a clock");
        }
    }
}

/// Sets a clock, at once for whoever looks.
pub(super) fn set(clock: &Path, ahead: i64) {
    let fresh = clock.with_extension("fresh");
    fs::write(&fresh, ahead.to_string()).expect("a file");
    fs::rename(fresh, clock).expect("a file");
}

/// What is wrong with the end of a task; none where it is as it should be.
pub(super) fn wrong(task: &Task, kind: Kind, lines: &[Line]) -> Option<String> {
    let class = task.ended.clone().unwrap_or_default().class;
    let right = match kind {
        Kind::Plain => (task.state, task.attempt.0) == (TaskState::Succeeded, 1),
        Kind::Repeated => (task.state, task.attempt.0) == (TaskState::Succeeded, 2),
        #[expect(clippy::cast_precision_loss, reason = "a few seconds")]
        Kind::Limited => {
            let kept = ran(task.id, lines).is_some_and(|ran| (ran - LIMIT as f64).abs() <= EXACT);
            kept && (task.state, task.attempt.0, class) == (TaskState::Failed, 1, Some(FailureClass::Timeout))
        }
    };
    let story = || format!("task {} ({kind:?}) is {} in attempt {}: {:?}", task.id, task.state, task.attempt, task.ended);
    let told = || lines.iter().filter(|line| line.task == task.id.0).map(|line| format!("{} {} {}", line.attempt, line.word, line.at));
    (!right).then(|| format!("{}, after {:?} s; on record: {:?}", story(), ran(task.id, lines), told().collect::<Vec<_>>()))
}

/// How long a task ran until it was told to stop, from the record.
pub(super) fn ran(id: TaskId, lines: &[Line]) -> Option<f64> {
    let at = |word: &str| lines.iter().find(|line| line.task == id.0 && line.word == word).map(|line| line.at);
    Some(at("term")? - at("start")?)
}
