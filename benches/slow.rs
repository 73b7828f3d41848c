//! What a submit takes alone, beside 500 callers that are slow on purpose (half of them drip the head of a request, half a body), and
//! beside 1,000 calls a second with wrong tokens: half of the server's own kind, half signed ones of an issuer that it trusts, whose
//! signature does not hold.
//!
//! One `slipway server`, as a process; all cases in turn, round by round, so that a machine whose speed drifts slows all of them. Eight
//! connections submit, each one task after the other, each answered only when it is durable. Figures are the p50 and the p99 of the
//! times to the answer, in milliseconds, as min / median / max over the rounds. The slow callers must all be connected when a round
//! begins and still be when it ends, the wrong tokens must come at least nine tenths as often as they should and all be refused, and
//! every submit must be answered with 201, or the figures are void.
//!
//! `cargo bench --bench slow [-- ROUNDS SECONDS]`

#![expect(clippy::print_stdout, reason = "its figures are its output")]

#[path = "common/http.rs"]
mod http;

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet, time::sleep};

const SLOW: usize = 500;
const SUBMITTERS: usize = 8;
const STRANGERS: usize = 20;
const WRONG_PER_SECOND: u32 = 1_000;
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
    let (mut alone, mut beside, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=rounds {
        let one = submits(&server, time).await?;
        let slow = Slow::connect(&server).await?;
        let other = submits(&server, time).await?;
        slow.still_there()?;
        drop(slow);
        let (third, refused) = tokio::try_join!(submits(&server, time), strangers(&server, time))?;
        if refused < u64::from(WRONG_PER_SECOND) * seconds * 9 / 10 {
            return Err(format!("only {refused} wrong tokens came in {seconds} s").into());
        }
        // The first round warms caches and files.
        if round > 0 {
            alone.push(one);
            beside.push(other);
            wrong.push(third);
        }
    }
    println!(
        "submits, milliseconds to the answer, min / median / max of {rounds} rounds of {seconds} s, {SUBMITTERS} connections, fsync on"
    );
    let mut base = [0.0; 2];
    for (name, rounds) in [("alone", alone), ("beside 500 slow callers", beside), ("beside 1,000 wrong a second", wrong)] {
        for (nth, (what, at)) in [("p50", 50), ("p99", 99)].into_iter().enumerate() {
            let (min, median, max) = spread(rounds.iter().map(|times| quantile(times, at)).collect());
            if name == "alone" {
                base[nth] = median;
            }
            println!("  {name:<28} {what}  {min:>8.2} / {median:>8.2} / {max:>8.2}   x{:.2}", median / base[nth]);
        }
        println!("  {name:<28} {} submits", rounds.iter().map(Vec::len).sum::<usize>());
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
        let (data, file, keys) = (dir.join("server"), dir.join("server.yaml"), dir.join("keys.json"));
        std::fs::write(&keys, KEYS)?;
        let config = serde_json::json!({
            "connections": {"headSeconds": 30, "bodyPauseSeconds": 30, "bodyStartSeconds": 30},
            // One credential submits as fast as it can.
            "rates": {"write": {"perSecond": 0, "burst": 1}},
            "issuers": [{"name": "corp", "issuer": ISSUER, "keysFile": keys, "roles": [{"role": "viewer", "users": ["*"]}]}],
        });
        std::fs::write(&file, config.to_string())?;
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

const ISSUER: &str = "https://issuer.example";
/// The example key of RFC 7517, appendix A.1.
const KEYS: &str = r#"{"keys": [{"kty": "EC", "crv": "P-256", "kid": "1", "use": "sig",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#;

/// Sends wrong tokens at their pace; how many were refused, which must be all.
async fn strangers(server: &Server, time: Duration) -> Result<u64, Failure> {
    let encode = |text: String| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, text);
    let (header, claims) = (
        encode(serde_json::json!({"alg": "ES256", "kid": "1"}).to_string()),
        encode(serde_json::json!({"iss": ISSUER, "aud": "slipway", "sub": "eve", "exp": 9_999_999_999_u64}).to_string()),
    );
    let wrong = [format!("slw_{}", "A".repeat(49)), format!("{header}.{claims}.{}", "A".repeat(86))];
    let pace = Duration::from_secs(1) * u32::try_from(STRANGERS)? / WRONG_PER_SECOND;
    let began = now();
    let mut callers = JoinSet::new();
    for n in 0..STRANGERS {
        let request = format!("GET /api/v1/whoami HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\n\r\n", wrong[n % 2]);
        let address = server.address.clone();
        callers.spawn(async move {
            let mut stream = http::connect(&address).await?;
            let (mut refused, mut next) = (0, tokio::time::interval(pace));
            while began.elapsed() < time {
                next.tick().await;
                http::exchange(&mut stream, request.as_bytes(), &["401", "429"]).await?;
                refused += 1;
            }
            Ok::<u64, Failure>(refused)
        });
    }
    let mut refused = 0;
    while let Some(ended) = callers.join_next().await {
        refused += ended??;
    }
    Ok(refused)
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
            let mut stream = http::connect(&address).await?;
            let mut times = Vec::new();
            while began.elapsed() < time {
                let sent = now();
                http::exchange(&mut stream, request.as_bytes(), &["201"]).await?;
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

#[expect(clippy::disallowed_methods, reason = "a benchmark measures the machine's time")]
fn now() -> Instant {
    Instant::now()
}
