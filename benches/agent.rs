//! What the agent costs beside a command, as it is shipped: memory when nothing happens, CPU beside usual output, memory and the
//! longest time that the command was held up beside output that nobody can keep up with.
//!
//! The agent runs as in a pod, with ten secrets to mask and its output read. The command is this program again: it writes log
//! lines at a rate, each hundredth with a secret, and measures how long each of its writes took. The server is a part of this
//! program too, and says that everything is durable; in `away` it takes nothing of the log. Figures are min / median / max over
//! the rounds; `held up` is the longest single write of 64 KiB.
//!
//! `cargo bench --profile agent --no-default-features --features agent --bench agent [-- ROUNDS SECONDS]`

#![expect(clippy::print_stdout, reason = "its figures are its output")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use serde_json::{Value, json};
use slipway::{
    domain::pod,
    wire::{Assignment, AttemptNumber, StartResponse, TaskId, Times, Work, handoff::files},
};
use std::{
    fs,
    io::{Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const SECRETS: usize = 10;
const PIECE: usize = 64 << 10;
const MIB: f64 = 1_048_576.0;

/// What the command does.
#[derive(Clone, Copy)]
enum Load {
    Idle,
    /// Lines per second, each a write of its own.
    Lines(u64),
    /// Bytes per second, in large writes.
    Bytes(u64),
}

/// What one run has shown.
#[derive(Default)]
struct Seen {
    /// Memory of the two processes in KiB: resident, and what the pages that they share add up to once; of the inner one at most.
    resident: [f64; 2],
    together: f64,
    peak: f64,
    /// Share of a core in per cent.
    cpu: f64,
    /// MiB per second that the command wrote.
    rate: f64,
    /// Seconds of the longest write.
    held: f64,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == "--write") {
        return write(args[1].parse()?, args[2].parse()?, args[3].parse()?, Path::new(&args[4]));
    }
    // `cargo bench` adds a flag of its own.
    let mut numbers = args.iter().filter_map(|arg| arg.parse::<u64>().ok());
    let (rounds, seconds) = (numbers.next().unwrap_or(5), numbers.next().unwrap_or(10));
    let time = Duration::from_secs(seconds);
    let (mut idle, mut lines, mut load, mut away) = (vec![], vec![], vec![], vec![]);
    for _ in 0..rounds {
        idle.push(run(Load::Idle, Duration::from_secs(3), true).await?);
        lines.push(run(Load::Lines(10_000), time, true).await?);
        load.push(run(Load::Bytes(200 << 20), time, true).await?);
        away.push(run(Load::Bytes(200 << 20), time, false).await?);
    }
    println!("min / median / max of {rounds} rounds of {seconds} s, {SECRETS} secrets");
    say("idle: resident, inner process, MiB", &idle, |s| s.resident[1] / 1024.0);
    say("idle: resident, outer process, MiB", &idle, |s| s.resident[0] / 1024.0);
    say("idle: both, shared pages once, MiB", &idle, |s| s.together / 1024.0);
    say("10,000 lines/s: share of a core, %", &lines, |s| s.cpu);
    for (what, seen) in [("200 MiB/s", &load), ("200 MiB/s, server away", &away)] {
        say(&format!("{what}: written, MiB/s"), seen, |s| s.rate);
        say(&format!("{what}: held up, s"), seen, |s| s.held);
        say(&format!("{what}: most resident, MiB"), seen, |s| s.peak / 1024.0);
        say(&format!("{what}: share of a core, %"), seen, |s| s.cpu);
    }
    Ok(())
}

fn say(what: &str, seen: &[Seen], of: impl Fn(&Seen) -> f64) {
    let mut values: Vec<f64> = seen.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    println!("  {what:<46} {:>8.2} / {:>8.2} / {:>8.2}", values[0], values[values.len() / 2], values[values.len() - 1]);
}

/// A value that a mask has to look for.
fn secret(n: usize) -> String {
    (0..2).map(|i| format!("{:016x}", (n * 2 + i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect::<Vec<_>>().concat()
}

fn line(n: u64) -> String {
    let secret = if n.is_multiple_of(100) { secret(usize::try_from(n / 100).unwrap_or(0) % SECRETS) } else { String::new() };
    format!("2026-11-28 12:00:{:02} INFO step {n} loss=0.{:06} lr=1e-4 grad_norm={}.{secret}\n", n % 60, n * 7919 % 1_000_000, n % 13)
}

/// The command: writes for `seconds`, `bytes` or else `lines` in each of them; what it measured goes into a file.
fn write(lines: u64, bytes: u64, seconds: u64, report: &Path) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let (mut longest, mut written, mut n) = (Duration::ZERO, 0_u64, 0_u64);
    let pieces: Vec<u8> = (0..40_000).flat_map(|n| line(n).into_bytes()).collect();
    let began = now();
    let time = Duration::from_secs(seconds);
    while began.elapsed() < time {
        let due = began.elapsed().as_secs_f64();
        let ahead = if lines > 0 { n as f64 > due * lines as f64 } else { written as f64 > due * bytes as f64 };
        if ahead {
            thread::sleep(Duration::from_millis(1));
            continue;
        }
        let at = usize::try_from(written).unwrap_or(0) % (pieces.len() - PIECE);
        let text = if lines > 0 { line(n).into_bytes() } else { pieces[at..at + PIECE].to_vec() };
        let before = now();
        out.write_all(&text)?;
        out.flush()?;
        longest = longest.max(before.elapsed());
        (written, n) = (written + text.len() as u64, n + 1);
    }
    let rate = written as f64 / began.elapsed().as_secs_f64() / MIB;
    Ok(fs::write(report, format!("{rate} {}", longest.as_secs_f64()))?)
}

async fn run(load: Load, time: Duration, present: bool) -> Result<Seen, Failure> {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let report = dir.path().join("report");
    let words = |lines: u64, bytes: u64| -> Result<Vec<String>, Failure> {
        let this = std::env::current_exe()?.display().to_string();
        let report = report.display().to_string();
        Ok(vec![this, "--write".into(), lines.to_string(), bytes.to_string(), time.as_secs().to_string(), report])
    };
    let command = match load {
        Load::Idle => vec!["sleep".into(), "1000".into()],
        Load::Lines(lines) => words(lines, 0)?,
        Load::Bytes(bytes) => words(0, bytes)?,
    };
    let running = Arc::new(AtomicBool::new(false));
    let url = serve(command, present, running.clone()).await?;
    let mut agent = start(dir.path(), &url)?;
    let outer = agent.id();
    while !running.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let inner = inner(outer).ok_or("the agent has no inner process")?;
    let cpu = |pids: [u32; 2]| pids.into_iter().map(ticks).sum::<u64>();
    let (ticks, began) = (cpu([outer, inner]), now());
    let mut seen = Seen::default();
    // Just before the command ends, so that its end is none of it.
    while began.elapsed() < time.saturating_sub(Duration::from_millis(300)) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        seen.peak = kib(inner, "status", "VmHWM:");
    }
    seen.cpu = (cpu([outer, inner]) - ticks) as f64 / began.elapsed().as_secs_f64();
    seen.resident = [kib(outer, "status", "VmRSS:"), kib(inner, "status", "VmRSS:")];
    seen.together = kib(outer, "smaps_rollup", "Pss:") + kib(inner, "smaps_rollup", "Pss:");
    if matches!(load, Load::Idle) {
        agent.kill()?;
        agent.wait()?;
        return Ok(seen);
    }
    let deadline = now() + Duration::from_mins(1);
    let text = loop {
        match fs::read_to_string(&report) {
            Ok(text) if text.contains(' ') => break text,
            _ if now() > deadline => return Err("the command never ended".into()),
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    agent.kill()?;
    agent.wait()?;
    let (rate, held) = text.split_once(' ').ok_or("no report")?;
    (seen.rate, seen.held) = (rate.parse()?, held.parse()?);
    Ok(seen)
}

/// An agent in a directory that stands for a pod, its output read by a thread.
fn start(root: &Path, url: &str) -> Result<Child, Failure> {
    let at = |path: &str| root.join(path.trim_start_matches('/'));
    for inner in [pod::WORK_DIR, pod::START_DIR, pod::AGENT_DIR, "/dev"] {
        fs::create_dir_all(at(inner))?;
    }
    fs::write(at(pod::TERMINATION_LOG), "")?;
    let assignment = Assignment {
        url: url.to_owned(),
        ca: None,
        task: TaskId(1),
        attempt: AttemptNumber(1),
        start_token: String::from("start").into(),
        uid: String::new(),
        env: [].into(),
        cache: None,
        times: Times::default(),
    };
    fs::write(at(pod::START_DIR).join(files::ASSIGNMENT), serde_json::to_vec(&assignment)?)?;
    let mut agent = Command::new(env!("CARGO_BIN_EXE_slipway-agent"));
    agent.args(["run", "--root"]).arg(root).current_dir("/").env_clear().env("PATH", "/usr/bin:/bin").env(pod::POD_UID, "bench");
    let names: Vec<String> = (0..SECRETS).map(|n| format!("SECRET_{n}")).collect();
    agent.env(pod::SECRET_ENV, names.join(","));
    agent.envs(names.iter().enumerate().map(|(n, name)| (name, secret(n))));
    let mut agent = agent.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
    let mut out = agent.stdout.take().ok_or("no output")?;
    thread::spawn(move || {
        let mut piece = vec![0; PIECE];
        while out.read(&mut piece).is_ok_and(|n| n > 0) {}
    });
    Ok(agent)
}

fn inner(of: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{of}/task/{of}/children")).ok()?;
    let mut pids = text.split_whitespace().filter_map(|pid| pid.parse().ok());
    pids.find(|pid| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"slipway-agent\0work")))
}

fn kib(pid: u32, file: &str, field: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0.0)
}

/// Hundredths of a second on a CPU, as Linux counts them.
fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    fields.filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// A server of one attempt: its address. `running` is set with the first heartbeat.
async fn serve(command: Vec<String>, takes: bool, running: Arc<AtomicBool>) -> Result<String, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let times = Times::default();
    let start = StartResponse {
        attempt_token: "attempt".into(),
        task: TaskId(1),
        attempt: AttemptNumber(1),
        queue: slipway::wire::QueueName::default(),
        name: None,
        work: Work::Command(command),
        env: [].into(),
        setup: slipway::wire::Setup::default(),
        resume: None,
        sources: slipway::wire::Sources::default(),
        timeout_seconds: None,
        grace_seconds: 1,
        log_limit_bytes: 1 << 30,
        output_limit_bytes: 1 << 30,
        self_stop: None,
        ending: slipway::wire::Ending::default(),
        times,
    };
    let start = serde_json::to_value(start)?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (start, running) = (start.clone(), running.clone());
            tokio::spawn(async move { converse(stream, &start, takes, &running).await });
        }
    });
    Ok(format!("http://{address}"))
}

/// Answers what comes over one connection.
async fn converse(mut stream: TcpStream, start: &Value, takes: bool, running: &AtomicBool) -> Result<(), Failure> {
    let mut buffer = Vec::with_capacity(512 << 10);
    loop {
        let head = loop {
            if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(Ok(0), str::parse::<usize>)?;
        while buffer.len() < head + length {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        buffer.drain(..head + length);
        let target = text.split_whitespace().nth(1).unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        let answer = match path.rsplit('/').next() {
            Some("start") => Some(start.clone()),
            Some("heartbeat") => {
                if running.swap(true, Ordering::Relaxed) {
                    tokio::time::sleep(Duration::from_secs(10)).await;
                }
                Some(json!({"cancel": false}))
            }
            Some("log") if takes => {
                let offset = target.split(['?', '&']).find_map(|part| part.strip_prefix("offset=")).map_or(Ok(0), str::parse::<u64>)?;
                let next = offset + length as u64;
                Some(json!({"nextOffset": next, "durableOffset": next}))
            }
            _ => None,
        };
        let (status, body) = answer.map_or(("503 Service Unavailable", String::new()), |answer| ("200 OK", answer.to_string()));
        let answer = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await?;
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures the machine's time")]
fn now() -> Instant {
    Instant::now()
}
