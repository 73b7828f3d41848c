//! Runs rows one after the other, says their lines, and keeps those of full runs.

use crate::{
    options::Options,
    row::{Form, Outcome, Row},
    score::{self, Score, Size, Verdict, title},
};
use futures::FutureExt;
use slipway::{app::ambient::SystemRng, domain::Rng};
use std::{
    fs,
    io::{self, Write},
    panic::AssertUnwindSafe,
    path::Path,
    process::{Command, ExitCode},
};
use tokio::{runtime::Runtime, time::Instant};

/// How many stories of a failed row are told.
const TOLD: usize = 10;

/// Runs what is asked for. It fails where a row does, or where CI lacks what a row needs.
pub(crate) fn play(options: &Options, rows: &[Row], kept: &Path) -> ExitCode {
    let runtime = Runtime::new().expect("a runtime");
    // Before the first row: by the end of a long one the sources may be others.
    let version = version();
    let mut failed = false;
    for row in rows.iter().filter(|row| options.want(row)) {
        if options.list {
            eprintln!("{:2} {:?}  {}", row.number, row.level, title(row.number));
            continue;
        }
        match one(&runtime, row, options) {
            Ok(score) => {
                failed |= score.verdict == Verdict::Fail;
                say(&score);
                if options.size == Size::Full {
                    keep(&score, &version, kept).expect("the file of results");
                }
            }
            Err(fails) => failed |= fails,
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// One row; where it cannot run, whether that is a failure.
fn one(runtime: &Runtime, row: &Row, options: &Options) -> Result<Score, bool> {
    let seed = options.seed.unwrap_or_else(|| SystemRng.below(1 << 32));
    let full = options.size == Size::Full;
    let tasks = options.tasks.unwrap_or(if full { row.full } else { row.short });
    let (number, level) = (row.number, row.level);
    eprintln!("row {number} at {level:?}, seed {seed}, {tasks} tasks: {}", title(number));
    let (began, form) = (runtime.block_on(async { Instant::now() }), Form { size: options.size, tasks, seed });
    let run = runtime.block_on(AssertUnwindSafe((row.run)(form)).catch_unwind());
    let outcome = match run {
        Ok(Ok(outcome)) => Some(outcome),
        Ok(Err(absent)) => {
            eprintln!("row {number} at {level:?} is passed over: {}", absent.why);
            return Err(!absent.may_skip);
        }
        // What was wrong has been said where it panicked.
        Err(_) => None,
    };
    let score = scored(row, seed, options.size, outcome.as_ref());
    for story in outcome.iter().flat_map(|outcome| outcome.findings.stories().chain(&outcome.broken)).take(TOLD) {
        eprintln!("{story}");
    }
    eprintln!("row {number} at {level:?}: {:?} after {:.0?}", score.verdict, began.elapsed());
    if score.verdict == Verdict::Fail {
        let (make, size) = if full { ("scoreboard-full", row.full) } else { ("scoreboard", row.short) };
        let more = if tasks == size { String::new() } else { format!(" TASKS={tasks}") };
        eprintln!("to run it again: make {make} ROW={number} LEVEL={level:?} SEED={seed}{more}");
    }
    Ok(score)
}

fn scored(row: &Row, seed: u64, form: Size, outcome: Option<&Outcome>) -> Score {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time since a fault, far below the limit")]
    let milliseconds = |seconds: f64| (seconds * 1e3).round() as u64;
    Score {
        scenario: row.number,
        level: row.level,
        tries: outcome.map(|outcome| outcome.tries),
        seed,
        lost: outcome.map(|outcome| outcome.findings.lost.len()),
        duplicated: outcome.map(|outcome| outcome.findings.duplicated.len()),
        false_successes: outcome.map(|outcome| outcome.findings.false_successes.len()),
        worst_recovery_ms: outcome.and_then(|outcome| outcome.worst_recovery).map(milliseconds),
        api_writes_per_task: outcome.and_then(|outcome| outcome.api_writes_per_task),
        verdict: if outcome.is_some_and(Outcome::passes) { Verdict::Pass } else { Verdict::Fail },
        form,
        at: None,
        version: None,
    }
}

/// The line on stdout.
fn say(score: &Score) {
    let line = serde_json::to_string(score).expect("JSON");
    // Not `println!`, which would panic where nobody reads any more.
    let _ = writeln!(io::stdout(), "{line}");
}

/// Adds the line of a full run to its row's file.
#[expect(clippy::disallowed_methods, reason = "a result says when it was measured")]
fn keep(score: &Score, version: &str, kept: &Path) -> io::Result<()> {
    let at = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%MZ").to_string();
    let path = kept.join(score::file(score.scenario, score.level));
    let line = serde_json::to_string(&Score { at: Some(at), version: Some(version.to_owned()), ..score.clone() })?;
    fs::create_dir_all(kept)?;
    let mut file = fs::OpenOptions::new().create(true).append(true).open(&path)?;
    writeln!(file, "{line}")?;
    eprintln!("kept in {}", path.display());
    Ok(())
}

/// The version that was run, with its commit where git tells.
fn version() -> String {
    let git = |args: &[&str]| {
        let out = Command::new("git").args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short", "HEAD"]);
    commit.map_or_else(|| env!("CARGO_PKG_VERSION").to_owned(), |commit| format!("{} ({commit})", env!("CARGO_PKG_VERSION")))
}

/// Writes the table of the kept lines into `docs/RELIABILITY.md`.
pub(crate) fn write_table(docs: &Path) -> io::Result<()> {
    let page = docs.join("RELIABILITY.md");
    let fresh = score::replaced(&fs::read_to_string(&page)?, &score::read(&docs.join("reliability"))?)?;
    fs::write(page, fresh)
}
