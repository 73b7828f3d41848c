//! Whatever a file of queues holds, it is read, merged, rendered and judged, or refused: no panic, in bounded time, in bounded
//! memory. The program's own command runs in this process on files that mutation makes of the ready templates, the examples
//! and of files that are known to be hard. What brings an answer that was not seen before is mutated further.
//!
//! The short form runs with every `cargo test`. A longer one, and the same again:
//! `SLIPWAY_FUZZ=SECONDS[,SEED] cargo test --release --test fuzz -- --nocapture`.
//! Beside it, for as long: whatever a command prints, no secret of its shows (`masks`).
//! An input that fails is kept in the folder that the failure names; put it into `hard.rs`.

mod hard;
mod masks;
mod mutate;

use clap::Parser;
use mutate::Mutator;
use slipway::{
    app::ambient::{SystemClock, SystemRng},
    cli::{Command, Exit, Surroundings, Terminal},
};
use std::{
    collections::HashSet,
    io::Write,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// The short form: seconds, and the seed.
const SHORT: [u64; 2] = [8, 1];
/// The longest that one file may take, in a debug build on a busy machine.
const MOST_TIME: Duration = Duration::from_secs(5);
/// The most memory that one file may take beyond what the process had, in KiB.
const MOST_MEMORY: u64 = 192 << 10;
/// The most files that are mutated further.
const MOST_KEPT: usize = 600;

#[derive(Parser)]
#[command(disable_help_subcommand = true)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

/// Remembers what was written.
#[derive(Clone, Default)]
struct Capture(Arc<Mutex<Vec<u8>>>);

impl Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panics with it").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What the program says of a file that it reads from standard input.
async fn said(arguments: &[&str], file: &[u8]) -> (Exit, String) {
    let Program { command } = Program::try_parse_from(["slipway"].iter().chain(arguments)).expect("the test types legal arguments");
    let (out, err) = (Capture::default(), Capture::default());
    let exit = slipway::cli::run(
        command,
        Surroundings {
            out: Box::new(out.clone()),
            err: Box::new(err.clone()),
            stdin: Box::new(std::io::Cursor::new(file.to_vec())),
            terminal: Terminal::default(),
            clock: Arc::new(SystemClock),
            rng: Arc::new(SystemRng),
            dir: PathBuf::from("/nonexistent"),
            data_dir: PathBuf::from("/nonexistent"),
            contexts: PathBuf::from("/nonexistent"),
            sources: slipway::cli::Sources::default(),
            editor: None,
            ask: |_, _| Err(std::io::ErrorKind::Unsupported.into()),
            interrupt: tokio_util::sync::CancellationToken::new(),
            root: <Program as clap::CommandFactory>::command,
        },
    )
    .await;
    let text = |capture: Capture| String::from_utf8_lossy(&capture.0.lock().expect("nobody panics with it")).into_owned();
    (exit, text(err) + &text(out))
}

/// The kind of an answer: its words without numbers and without what is quoted from the file.
fn kind(exit: Exit, text: &str) -> String {
    let mut kind = format!("{exit:?} ");
    let mut quoted = false;
    for c in text.chars().take(600) {
        quoted ^= c == '"';
        if !quoted && !c.is_ascii_digit() {
            kind.push(c);
        }
    }
    kind
}

/// The memory of this process in KiB: now (`VmRSS`), or the most since [`forget_peak`] (`VmHWM`).
fn memory(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with(what)).expect("Linux says so");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number of KiB")
}

/// proc(5), `clear_refs`: 5 makes the peak what is used now.
fn forget_peak() {
    std::fs::write("/proc/self/clear_refs", "5").expect("a process may do that to itself");
}

#[expect(clippy::disallowed_methods, reason = "it is real time that is bounded")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "how long a test runs is its caller's choice")]
fn asked() -> [u64; 2] {
    let Ok(text) = std::env::var("SLIPWAY_FUZZ") else { return SHORT };
    let mut numbers = text.split(',').map(|n| n.parse().expect("SLIPWAY_FUZZ=SECONDS[,SEED]"));
    [numbers.next().unwrap_or(SHORT[0]), numbers.next().unwrap_or(SHORT[1])]
}

/// The files to begin with.
fn corpus() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<PathBuf> = ["templates", "examples"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).expect("the folder is there"))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .collect();
    files.sort();
    assert!(files.len() > 12, "the ready templates are there");
    files.iter().map(|path| std::fs::read(path).expect("a readable file")).chain(hard::files()).collect()
}

#[test]
fn whatever_a_file_holds_it_is_read_or_refused() {
    let [seconds, seed] = asked();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut pool = corpus();
    let given = pool.len();
    let mut mutator = Mutator::new(seed);
    let (mut kinds, mut runs, mut jobs) = (HashSet::new(), 0_usize, 0_usize);
    let (mut slowest, mut largest) = (Duration::ZERO, 0);
    let began = now();
    while runs < given || began.elapsed() < Duration::from_secs(seconds) {
        // First every file as it is.
        let file = if runs < given { pool[runs].clone() } else { mutator.next(&pool) };
        let what = || keep(&file, seed, runs);
        forget_peak();
        let (before, start) = (memory("VmRSS:"), now());
        let answer = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async {
                let (linted, words) = said(&["template", "lint", "-f", "-", "--name", "fuzz"], &file).await;
                let (rendered, _) = said(&["template", "render", "-f", "-", "--name", "fuzz"], &file).await;
                (linted, rendered, words)
            })
        }));
        let (took, took_kib) = (start.elapsed(), memory("VmHWM:").saturating_sub(before));
        let Ok((linted, rendered, words)) = answer else { panic!("a panic at {}", what().display()) };
        assert!(took < MOST_TIME, "{took:?} for {}", what().display());
        assert!(took_kib < MOST_MEMORY, "{took_kib} KiB for {}", what().display());
        (slowest, largest) = (slowest.max(took), largest.max(took_kib));
        jobs += usize::from(rendered == Exit::Ok);
        if kinds.insert(kind(linted, &words)) && runs >= given && pool.len() < MOST_KEPT {
            pool.push(file);
        }
        runs += 1;
    }
    let figures = format!(
        "{runs} files in {:.0?} with seed {seed}: {} kinds of answer, {jobs} made a Job; the slowest {slowest:.0?}, the largest {largest} KiB",
        began.elapsed(),
        kinds.len()
    );
    let _ = writeln!(std::io::stderr(), "{figures}");
    assert!(kinds.len() > 60 && jobs > given / 3, "it tries too little: {figures}");
}

/// Keeps an input that fails.
fn keep(file: &[u8], seed: u64, run: usize) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{seed}-{run}.yaml"));
    std::fs::write(&path, file).expect("the folder is writable");
    path
}
