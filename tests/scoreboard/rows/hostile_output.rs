//! Row 17: output that is meant to harm: endless lines, bytes that are no text, floods beyond the cap, secrets cut into pieces.

use crate::{
    ended::{all_ended, stored},
    judge::judge,
    logs::same,
    procs::{below, status_kib},
    record::Line,
    row::{Absent, Form, Outcome, Row},
    score::Level,
    sound::panics,
    support::Dice,
    world::{Part, World},
};
use serde_json::json;
use slipway::wire::{NewTask, Task, TaskId, TaskState};
use std::{collections::BTreeMap, fs, process::Command, time::Duration};
use tokio::time::sleep;

pub(crate) const ROW: Row = Row { number: 17, level: Level::P, short: 8, full: 200, run: |form| Box::pin(run(form)) };

/// What an agent may have of memory, in KiB.
const MEMORY: u64 = 32 << 10;
/// How long a command may be held up, in seconds.
const HELD_UP: f64 = 5.0;
/// The cap of the queue `capped`, in bytes, and what notices may add.
const CAP: u64 = 4 << 20;
const NOTICES: u64 = 1 << 10;

/// How many secrets one task prints.
const PRINTED: usize = 6;

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// So many bytes without a newline.
    Line(u64),
    /// NULs, bad UTF-8, sequences for terminals, random bytes.
    Bytes(u64),
    /// More than the cap, as fast as it goes.
    Flood,
    /// Tokens, cut at any place, with a pause in between.
    Secrets,
}

async fn run(form: Form) -> Result<Outcome, Absent> {
    let mut dice = Dice::of(form.seed);
    let mut world = World::new();
    world.slots = 2;
    world.start(Part::Server);
    world.start(Part::Runner);
    world.ready().await;
    let put = world.client().await.call(reqwest::Method::PUT, "api/v1/queues/capped");
    put.json(&json!({"limits": {"logBytes": CAP}})).send_empty().await.expect("a queue");
    let mut kinds = BTreeMap::new();
    for nth in 0..form.tasks {
        let kind = match nth % 4 {
            // The first one is about as much as an agent keeps for a server that is slow.
            0 => Kind::Line(if nth == 0 { form.of(60_000_000, 250_000_000) } else { 1_000_000 + dice.below(40_000_000) }),
            1 => Kind::Bytes(1 + dice.below(3_000_000)),
            2 => Kind::Flood,
            _ => Kind::Secrets,
        };
        let queue = (kind == Kind::Flood).then(|| "capped".to_owned());
        let task = NewTask { queue, ..world.recorder.task(&body(kind, &mut dice)) };
        kinds.insert(world.submit(&task).await, kind);
    }
    let (memory, all) = watched(&world).await;
    let lines = world.recorder.lines();
    let acknowledged: Vec<_> = kinds.keys().map(|id| id.0).collect();
    let mut outcome = Outcome { tries: kinds.len(), findings: judge(&acknowledged, &lines, &stored(&all)), ..Outcome::default() };
    for task in &all {
        outcome.must(task.state == TaskState::Succeeded && task.attempt.0 == 1, || format!("task {}: {:?}", task.id, task.ended));
        let right = right(&world, task, kinds[&task.id]).await;
        outcome.must(right, || format!("the log of task {} ({:?}) is not what it should be", task.id, kinds[&task.id]));
    }
    let longest = held_up(&lines, &kinds);
    eprintln!("an agent took {memory} KiB at most; a flood was held up for {longest:.2} s at most");
    outcome.must(memory > 0 && memory <= MEMORY, || format!("an agent took {memory} KiB"));
    outcome.must(longest <= HELD_UP, || format!("a command was held up for {longest} s"));
    world.nothing_left().await;
    outcome.broken.extend(panics(&world.root));
    outcome.broken.extend(told(&world));
    Ok(outcome)
}

/// The script of a task.
fn body(kind: Kind, dice: &mut Dice) -> String {
    match kind {
        Kind::Line(size) => format!("head -c {size} /dev/zero | tr '\\0' x | tee \"$COPIES/$id-$n\""),
        Kind::Bytes(size) => format!(
            "{{ printf 'a\\000b\\377\\376\\300\\257\\r\\n\\033[2J\\033]0;title\\007\\342\\202'; head -c {size} /dev/urandom; }} | tee \"$COPIES/$id-$n\""
        ),
        // Each block is larger than the pipe, so it ends only once most of it was taken.
        Kind::Flood => "i=0; while [ $i -lt 12 ]; do i=$((i+1)); yes | head -c 1000000; note beat; done".to_owned(),
        Kind::Secrets => {
            let mut printed = || {
                // A cut near the edges of what the agent reads at once, and anywhere in the token.
                let (before, at, pause) = (32_768 - 20 + dice.below(40), 1 + dice.below(39), dice.below(1_300));
                format!(
                    "s=ghp_$(head -c 300 /dev/urandom | base64 -w 0 | tr -dc A-Za-z0-9 | head -c 36); echo \"$s\" >>\"$COPIES/secrets\"; \
                     head -c {before} /dev/zero | tr '\\0' .; printf %s \"$s\" | head -c {at}; sleep {}.{:03}; \
                     printf %s \"$s\" | tail -c +{}; echo; ",
                    pause / 1_000,
                    pause % 1_000,
                    at + 1,
                )
            };
            (0..PRINTED).map(|_| printed()).collect()
        }
    }
}

/// Waits for the end of all, and meanwhile looks at what the agents take: the most, in KiB, of what one has of its own. The pages of
/// a debug build's program are counted by nobody who runs a release.
async fn watched(world: &World) -> (u64, Vec<Task>) {
    let mut most = 0;
    let mut ended = std::pin::pin!(all_ended(world));
    loop {
        tokio::select! {
            all = &mut ended => return (most, all),
            () = sleep(Duration::from_millis(100)) => {
                let own = |pid| status_kib(pid, "RssAnon").unwrap_or(0) + status_kib(pid, "RssShmem").unwrap_or(0);
                let workers = below(&world.attempts_dir()).into_iter().filter(|seen| seen.agent() == Some("work"));
                most = workers.map(|worker| own(worker.pid)).fold(most, u64::max);
            }
        }
    }
}

/// Whether the log of a task is what it should be.
async fn right(world: &World, task: &Task, kind: Kind) -> bool {
    match kind {
        Kind::Line(size) => same(world, task, size).await,
        Kind::Bytes(_) => {
            world.recorder.copy(task.id, task.attempt.0).is_some_and(|copy| !copy.is_empty())
                && Some(world.log(task.id, 0).await) == world.recorder.copy(task.id, task.attempt.0)
        }
        Kind::Flood => {
            let log = world.log(task.id, 0).await;
            let (length, notices) = (log.len() as u64, count(&log, b"[slipway: "));
            length > CAP / 2 && length <= CAP + NOTICES && notices >= 1 && log.starts_with(b"y\ny\n") && log.ends_with(b"y\n")
        }
        Kind::Secrets => {
            let log = world.log(task.id, 0).await;
            count(&log, b"[masked]") == PRINTED && count(&log, b"ghp_") == 0
        }
    }
}

fn count(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).filter(|window| *window == what).count()
}

/// The longest time between two blocks of a flood.
fn held_up(lines: &[Line], kinds: &BTreeMap<TaskId, Kind>) -> f64 {
    let mut last = BTreeMap::new();
    let mut longest = 0.0_f64;
    for line in lines.iter().filter(|line| kinds.get(&TaskId(line.task)) == Some(&Kind::Flood)) {
        if let Some(before) = last.insert(line.task, line.at) {
            longest = longest.max(line.at - before);
        }
    }
    longest
}

/// In which files of server and runner a secret stands.
fn told(world: &World) -> Vec<String> {
    let copies = world.recorder.file.with_file_name("copies");
    let text = fs::read_to_string(copies.join("secrets")).unwrap_or_default();
    // What shows of a beginning after a pause is at most three bytes; what follows the first four of a token is its own.
    let secrets: Vec<_> = text.lines().filter_map(|secret| secret.get(4..24)).collect();
    if secrets.is_empty() {
        return vec!["no secret was printed".to_owned()];
    }
    let wanted = copies.join("wanted");
    fs::write(&wanted, secrets.join("\n")).expect("a file");
    let mut found = Command::new("grep");
    found.args(["--recursive", "--text", "--fixed-strings", "--files-with-matches", "--file"]);
    let found = found.arg(&wanted).arg(world.data()).output().expect("grep");
    eprintln!("{} secrets were looked for in all that server and runner keep", secrets.len());
    // 1: nothing was found.
    match found.status.code() {
        Some(1) => Vec::new(),
        _ => vec![format!("secrets: {}{}", String::from_utf8_lossy(&found.stdout), String::from_utf8_lossy(&found.stderr))],
    }
}
