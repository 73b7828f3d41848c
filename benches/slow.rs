//! What a submit takes alone, and beside 500 callers that are slow on purpose: half of them drip the head of a request, half a body.
//!
//! One `slipway server`, as a process; both cases in turn, round by round, so that a machine whose speed drifts slows both. Eight
//! connections submit, each one task after the other, each answered only when it is durable. Figures are the p50 and the p99 of the
//! times to the answer, in milliseconds, as min / median / max over the rounds. The slow callers must all be connected when a round
//! begins and still be when it ends, and every submit must be answered with 201, or the figures are void.
//!
//! `cargo bench --bench slow [-- ROUNDS SECONDS]`

#![expect(clippy::print_stdout, reason = "its figures are its output")]

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::sleep,
};

const SLOW: usize = 500;
const SUBMITTERS: usize = 8;
const BODY: &str = r#"{"command":["python","train.py","--lr","3e-4","--epochs","90"],"name":"resnet"}"#;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // `cargo bench` adds a flag of its own.
    let mut numbers = std::env::args().skip(1).filter_map(|arg| arg.parse::<u64>().ok());
    let (rounds, seconds) = (numbers.next().unwrap_or(7), numbers.next().unwrap_or(3).min(8));
    let time = Duration::from_secs(seconds);
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let server = Server::start(dir.path())?;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let one = submits(&server, time).await?;
        let slow = Slow::connect(&server).await?;
        let other = submits(&server, time).await?;
        slow.still_there()?;
        // The first round warms caches and files.
        if round > 0 {
            alone.push(one);
            beside.push(other);
        }
    }
    println!(
        "submits, milliseconds to the answer, min / median / max of {rounds} rounds of {seconds} s, {SUBMITTERS} connections, fsync on"
    );
    for (name, rounds) in [("alone", alone), ("beside 500 slow callers", beside)] {
        for (what, at) in [("p50", 50), ("p99", 99)] {
            let (min, median, max) = spread(rounds.iter().map(|times| quantile(times, at)).collect());
            println!("  {name:<24} {what}  {min:>8.2} / {median:>8.2} / {max:>8.2}");
        }
        println!("  {name:<24} {} submits", rounds.iter().map(Vec::len).sum::<usize>());
    }
    Ok(())
}

fn quantile(sorted: &[Duration], hundredth: usize) -> f64 {
    sorted[(sorted.len() - 1) * hundredth / 100].as_secs_f64() * 1e3
}

fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[0], values[values.len() / 2], values[values.len() - 1])
}

struct Server {
    child: Child,
    address: String,
    token: String,
}

impl Server {
    /// One that bears slow callers for longer than a round lasts.
    fn start(dir: &std::path::Path) -> Result<Self, Failure> {
        let (data, file) = (dir.join("server"), dir.join("server.yaml"));
        std::fs::write(&file, "connections: {headSeconds: 30, bodyPauseSeconds: 30, bodyStartSeconds: 30}\n")?;
        let mut child = Command::new(env!("CARGO_BIN_EXE_slipway"))
            .args(["server", "--listen", "127.0.0.1:0", "--log", "error", "--config"])
            .arg(&file)
            .arg("--data-dir")
            .arg(&data)
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().ok_or("no standard error")?;
        let line = BufReader::new(stderr).lines().map_while(Result::ok).find(|line| line.contains("http://"));
        let address = line.ok_or("the server did not start")?.rsplit("http://").next().unwrap_or_default().to_owned();
        let token = std::fs::read_to_string(data.join("admin-token"))?.trim().to_owned();
        Ok(Self { child, address, token })
    }

    fn head(&self) -> String {
        format!("POST /api/v1/tasks HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n", self.token)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The slow callers of a round; they hang up when this is let go.
struct Slow {
    callers: JoinSet<()>,
    ended: Arc<AtomicUsize>,
}

impl Slow {
    async fn connect(server: &Server) -> Result<Self, Failure> {
        let (mut callers, ended) = (JoinSet::new(), Arc::new(AtomicUsize::new(0)));
        for n in 0..SLOW {
            let beginning = server.head() + if n % 2 == 0 { "x-drip: " } else { "content-length: 500000\r\n\r\n{" };
            let mut stream = TcpStream::connect(&server.address).await?;
            stream.write_all(beginning.as_bytes()).await?;
            let ended = ended.clone();
            callers.spawn(async move {
                while stream.write_all(b"x").await.is_ok() {
                    sleep(Duration::from_millis(250)).await;
                }
                ended.fetch_add(1, Ordering::Relaxed);
            });
        }
        Ok(Self { callers, ended })
    }

    fn still_there(&self) -> Result<(), Failure> {
        let left = self.callers.len() - self.ended.load(Ordering::Relaxed);
        if left == SLOW { Ok(()) } else { Err(format!("only {left} slow callers were there to the end").into()) }
    }
}

/// The times of all submits in `time`, sorted.
async fn submits(server: &Server, time: Duration) -> Result<Vec<Duration>, Failure> {
    let request = format!("{}content-length: {}\r\n\r\n{BODY}", server.head(), BODY.len());
    let began = now();
    let mut submitters = JoinSet::new();
    for _ in 0..SUBMITTERS {
        let (request, address) = (request.clone(), server.address.clone());
        submitters.spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let mut times = Vec::new();
            while began.elapsed() < time {
                let sent = now();
                stream.write_all(request.as_bytes()).await?;
                answer(&mut stream).await?;
                times.push(sent.elapsed());
            }
            Ok::<_, Failure>(times)
        });
    }
    let mut times = Vec::new();
    while let Some(ended) = submitters.join_next().await {
        times.extend(ended??);
    }
    times.sort_unstable();
    Ok(times)
}

/// Reads one answer, whose status must be 201.
async fn answer(stream: &mut TcpStream) -> Result<(), Failure> {
    let mut buffer = Vec::with_capacity(4096);
    let head = loop {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err("the connection was closed".into());
        }
        if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let text = std::str::from_utf8(&buffer[..head])?.to_ascii_lowercase();
    if !text.starts_with("http/1.1 201") {
        return Err(format!("not 201: {text}").into());
    }
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).ok_or("no length")?.parse::<usize>()?;
    while buffer.len() < head + length {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err("the answer was cut off".into());
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures the machine's time")]
fn now() -> Instant {
    Instant::now()
}
