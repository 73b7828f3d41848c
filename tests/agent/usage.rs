//! What an attempt uses, as its heartbeats and its end tell it.

mod gpus;

use crate::{
    AGENT,
    pods::{self, Pod},
    run,
    server::{Recipe, Server},
    sh,
};
use slipway::wire::{AttemptRef, Course, Times, Usage};
use std::{
    fs,
    path::{Path, PathBuf},
};

const MIB: u64 = 1 << 20;

/// Takes 100 MiB that its children share, writes 20 MiB to a disk, uses the processor for a second by itself and half of one by a grandchild that nobody
/// waits for; then waits until it may go.
const WORK: &str = r#"
import os, sys, time
block = b"x" * (100 << 20)
with open(sys.argv[1], "wb") as file:
    file.write(block[:20 << 20])
    file.flush()
    os.fsync(file.fileno())
os.unlink(sys.argv[1])
if os.fork() == 0:
    if os.fork() == 0:
        os.setsid()
        while time.process_time() < 0.5: pass
        open("burned", "w").close()
    os._exit(0)
os.wait()
while time.process_time() < 1: pass
while not (os.path.exists("burned") and os.path.exists("go")): time.sleep(0.01)
"#;

fn work(file: &Path) -> Recipe {
    let script = "printf %s \"$WORK\" > work.py; python3 work.py \"$FILE\" || exit 1; times";
    let env = [("WORK".to_owned(), WORK.to_owned()), ("FILE".to_owned(), file.display().to_string())];
    Recipe { env: env.into(), ..sh(script) }
}

/// The last that heartbeats told.
fn told(server: &Server, of: AttemptRef) -> Option<Usage> {
    server.attempt(of).beats.iter().rev().find_map(|beat| beat.usage.clone())
}

/// What the end told.
fn kept(server: &Server, of: AttemptRef) -> (Usage, Course) {
    let notes = pods::stored(server, of).notes.expect("notes");
    (notes.usage.expect("the use"), notes.course.expect("its course"))
}

/// The ms that a shell and all that it waited for used, by its own `times`.
fn by_times(log: &str) -> u64 {
    let lines: Vec<_> = log.lines().rev().take(2).collect();
    let ms = |word: &str| {
        let (minutes, seconds) = word.trim_end_matches('s').split_once('m').expect("minutes and seconds");
        let (seconds, parts) = seconds.split_once('.').expect("a fraction");
        let millis: u64 = format!("{parts:0<3}")[..3].parse().expect("digits");
        minutes.parse::<u64>().expect("minutes") * 60_000 + seconds.parse::<u64>().expect("seconds") * 1_000 + millis
    };
    lines.iter().flat_map(|line| line.split_whitespace()).map(ms).sum()
}

/// A directory on a disk, which that for temporary files need not be.
fn disk() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory")
}

#[tokio::test]
async fn a_machine_is_measured_by_the_processes_of_the_attempt() {
    let (server, disk) = (Server::start().await, disk());
    let (of, mut agent) = run(&server, work(&disk.path().join("file")));
    let enough =
        |usage: &Usage| usage.cpu_ms > Some(1_000) && usage.memory_bytes > Some(100 * MIB) && usage.disk_written_bytes > Some(20 * MIB - 1);
    server.until("the use", |w| w.attempts[&of].beats.iter().filter_map(|beat| beat.usage.as_ref()).any(enough)).await;
    fs::write(agent.dir.path().join("scratch/go"), "").expect("the scratch directory");
    assert_eq!(agent.ended().await, Some(0), "{}", agent.log());

    let log = pods::log(&server, of);
    let (usage, course) = kept(&server, of);
    // The grandchild was nobody's who says so; it used half a second and little more.
    let expected = by_times(&log) + 500;
    let cpu = usage.cpu_ms.expect("processor time");
    assert!((expected - 50..expected + 250).contains(&cpu), "{cpu} ms, and by the shell {expected} ms: {log}");
    let peak = usage.memory_peak_bytes.expect("memory");
    assert!((100 * MIB..160 * MIB).contains(&peak), "{peak}: what is shared counts once");
    let written = usage.disk_written_bytes.expect("disk");
    assert!((20 * MIB..25 * MIB).contains(&written), "{written}");
    assert_eq!((usage.network_received_bytes, usage.gpus.len()), (None, 0), "the network is the machine's: {usage:?}");
    let cores = std::thread::available_parallelism().expect("cores").get() as u64;
    assert_eq!((usage.cpu_limit_milli, usage.memory_limit_bytes), (Some(cores * 1_000), None));

    assert!(course.is_fit() && course.memory_bytes.iter().max() == Some(&peak), "{course:?}");
    let last = course.cpu_milli.len() as u64 - 1;
    let lasted = |n: u64| if n == last { usage.elapsed_ms - n * course.step_ms } else { course.step_ms };
    let drawn: u64 = course.cpu_milli.iter().zip(0..).map(|(milli, n)| milli * lasted(n) / 1_000).sum();
    assert!(drawn <= cpu && cpu - drawn <= 2 * (last + 1), "{drawn} of {cpu}: {course:?}");
}

#[tokio::test]
async fn the_shortest_command_has_figures() {
    let server = Server::start().await;
    let (of, mut agent) = run(&server, sh("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; times"));
    assert_eq!(agent.ended().await, Some(0), "{}", agent.log());
    let (usage, _) = kept(&server, of);
    let expected = by_times(&pods::log(&server, of));
    let cpu = usage.cpu_ms.expect("processor time");
    assert!(expected <= cpu + 20 && cpu <= expected + 50, "{cpu} of {expected}");
    assert!(usage.memory_peak_bytes > Some(0), "{usage:?}");
}

#[tokio::test]
async fn nobody_waits_for_a_heartbeat_to_see_the_first_figures() {
    // Longer than the test waits for anything.
    let times = Times { heartbeat_hold_ms: 70_000, call_timeout_ms: 2_000, ..Times::default().divided_by(100) };
    let server = Server::with_times(times).await;
    let (of, mut agent) = run(&server, sh("sleep 2; while ! test -e go; do sleep 0.05; done"));
    let seen = |usage: &Usage| usage.elapsed_ms >= 1_000 && usage.memory_bytes.is_some() && usage.cpu_milli.is_some();
    server.until("figures", |w| w.attempts[&of].beats.iter().filter_map(|beat| beat.usage.as_ref()).any(seen)).await;
    fs::write(agent.dir.path().join("scratch/go"), "").expect("the scratch directory");
    assert_eq!(agent.ended().await, Some(0), "{}", agent.log());
}

/// Cgroups of this test alone, in each hierarchy; removed in the end.
struct Cgroups(Vec<PathBuf>);

impl Cgroups {
    /// With a core and a half and 512 MiB; none where this machine allows none.
    fn new() -> Option<Self> {
        let name = format!("slipway-test-{}", std::process::id());
        let unified = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
        let tops: &[&str] = if unified { &[""] } else { &["cpuacct", "cpu", "memory", "blkio"] };
        let made = Self(tops.iter().map(|top| Path::new("/sys/fs/cgroup").join(top).join(&name)).collect());
        made.0.iter().all(|dir| fs::create_dir(dir).is_ok()).then_some(())?;
        let bounds: &[_] = if unified {
            &[("cpu.max", "150000 100000"), ("memory.max", "536870912")]
        } else {
            &[("cpu.cfs_quota_us", "150000"), ("memory.limit_in_bytes", "536870912")]
        };
        let bound =
            |(file, text): &(&str, &str)| made.0.iter().any(|dir| dir.join(file).exists() && fs::write(dir.join(file), text).is_ok());
        bounds.iter().all(bound).then_some(made)
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        for dir in &self.0 {
            let _ = fs::remove_dir(dir);
        }
    }
}

#[tokio::test]
async fn a_pod_is_measured_by_its_cgroup() {
    let Some(cgroups) = Cgroups::new() else {
        eprintln!("skipped: this machine allows no cgroups");
        return;
    };
    let (server, disk) = (Server::start().await, disk());
    // 64 MiB that the kernel can take back at once.
    let mut recipe = work(&disk.path().join("file"));
    recipe.env.insert("CACHED".into(), disk.path().join("cached").display().to_string());
    recipe.work = slipway::wire::Work::Script(
        "head -c 67108864 /dev/zero > \"$CACHED\"; sync \"$CACHED\"; printf %s \"$WORK\" > work.py; python3 work.py \"$FILE\" || exit 1; times".into(),
    );
    let of = server.claimed(recipe);
    let joined: Vec<_> = cgroups.0.iter().map(|dir| format!("echo $$ > {}/cgroup.procs", dir.display())).collect();
    let mut pod = Pod::start_with(&server, of, "run", |root, command| {
        let mut inside = tokio::process::Command::new("/bin/sh");
        inside.arg("-c").arg(joined.join("; ") + "; exec \"$0\" \"$@\"").arg(AGENT).args(["run", "--root"]).arg(root.path());
        inside.current_dir("/").env_clear().env("PATH", pods::PATH).env(slipway::domain::pod::POD_UID, root.uid());
        inside.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        *command = inside;
    });
    let enough = |usage: &Usage| usage.cpu_ms > Some(1_500) && usage.memory_bytes > Some(100 * MIB);
    server.until("the use", |w| w.attempts[&of].beats.iter().filter_map(|beat| beat.usage.as_ref()).any(enough)).await;
    let live = told(&server, of).expect("the use");
    fs::write(pod.root.at(slipway::domain::pod::WORK_DIR).join("scratch/go"), "").expect("the scratch directory");
    let (code, out, err) = pod.ended().await;
    assert_eq!(code, Some(0), "{out} {err}");

    let (usage, _) = kept(&server, of);
    let (expected, cpu) = (by_times(&out) + 500, usage.cpu_ms.expect("processor time"));
    // The agent's own is in it, of a debug build some tenths of a second.
    assert!((expected - 50..expected + 600).contains(&cpu), "{cpu} ms, and by the shell {expected} ms: {out}");
    assert_eq!((usage.cpu_limit_milli, usage.memory_limit_bytes), (Some(1_500), Some(512 * MIB)));
    let (now, peak) = (live.memory_bytes.expect("memory"), usage.memory_peak_bytes.expect("memory"));
    assert!((100 * MIB..160 * MIB).contains(&now), "{now}: what is cached is counted too");
    assert!(now <= peak && peak < 250 * MIB, "{now} {peak}");
}
