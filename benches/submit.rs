//! How many tasks a second one server takes over REST, each acknowledged only when it is durable.
//!
//! Three probes run in turn, round by round, so that a machine whose speed drifts slows all of them:
//! `raw` inserts rows of the same size into SQLite, one commit (with fsync) each, through the same library; `http` is a
//! bare axum route that reads the same body and answers the same status; `rest` is the real `slipway server`, called
//! over the same 64 connections. Figures are tasks per second as min / median / max over the rounds, and the ratios of
//! the medians. At the end every acknowledged id must exist exactly once, or the figures are void.
//!
//! The time that the server's threads spend on a task says more than the rates where other programs share the machine.
//!
//! `cargo bench --bench submit [-- ROUNDS SECONDS]`

#![expect(clippy::print_stdout, reason = "its figures are its output")]

#[path = "common/http.rs"]
mod http;

use sqlx::{Connection, SqliteConnection};
use std::{
    collections::HashSet,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, task::JoinSet};

const CONNECTIONS: usize = 64;
const BODY: &str = r#"{"command":["python","train.py","--lr","3e-4","--epochs","90"],"name":"resnet","labels":{"team":"vision"},"env":{"A":"0123456789012345678901234567890123456789"}}"#;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // `cargo bench` adds a flag of its own.
    let mut numbers = std::env::args().skip(1).filter_map(|arg| arg.parse::<u64>().ok());
    let (rounds, seconds) = (numbers.next().unwrap_or(5), numbers.next().unwrap_or(3));
    let time = Duration::from_secs(seconds);
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut raw = Raw::open(&dir.path().join("raw.db")).await?;
    let bare = bare().await?;
    let server = Server::start(dir.path())?;
    let (mut raws, mut bares, mut rests, mut ids) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut costs = Vec::new();
    for round in 0..=rounds {
        let r = raw.run(time).await?;
        let (b, _) = hammer(&bare, "/tasks", "none", time).await?;
        let before = server.busy()?;
        let (s, acknowledged) = hammer(&server.address, "/api/v1/tasks", &server.token, time).await?;
        let cost = per_task(server.busy()?.saturating_sub(before), acknowledged.len());
        ids.extend(acknowledged);
        // The first round warms caches and files.
        if round > 0 {
            raws.push(r);
            bares.push(b);
            rests.push(s);
            costs.push(cost);
        }
    }
    verify(&server, &ids).await?;
    let (raw, http, rest) = (spread(raws), spread(bares), spread(rests));
    println!("tasks per second, min / median / max of {rounds} rounds of {seconds} s, {CONNECTIONS} connections, fsync on");
    for (name, (min, median, max)) in [("raw  one commit per insert", raw), ("http bare axum route", http), ("rest slipway server", rest)] {
        println!("  {name:<28} {min:>9.0} / {median:>9.0} / {max:>9.0}");
    }
    let (min, median, max) = spread(costs);
    println!("  {:<28} {min:>9.0} / {median:>9.0} / {max:>9.0}  µs", "rest CPU of the server a task");
    println!("  rest / raw {:.2}   rest / http {:.2}   ({} tasks, each found exactly once)", rest.1 / raw.1, rest.1 / http.1, ids.len());
    Ok(())
}

fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[0], values[values.len() / 2], values[values.len() - 1])
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(count: usize, since: Instant) -> f64 {
    count as f64 / since.elapsed().as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "microseconds for people")]
fn per_task(busy: Duration, tasks: usize) -> f64 {
    busy.as_secs_f64() * 1e6 / tasks.max(1) as f64
}

struct Raw(SqliteConnection);

impl Raw {
    async fn open(path: &std::path::Path) -> Result<Self, Failure> {
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
            .synchronous(sqlx::sqlite::SqliteSynchronous::Full);
        let mut conn = SqliteConnection::connect_with(&options).await?;
        sqlx::query("create table task (id integer primary key autoincrement, body text not null) strict").execute(&mut conn).await?;
        Ok(Self(conn))
    }

    async fn run(&mut self, time: Duration) -> Result<f64, Failure> {
        let (began, mut count) = (now(), 0);
        while began.elapsed() < time {
            sqlx::query("insert into task (body) values ($1)").bind(BODY).execute(&mut self.0).await?;
            count += 1;
        }
        Ok(rate(count, began))
    }
}

/// The least that a web server could do with such a request.
async fn bare() -> Result<String, Failure> {
    let answer = |axum::Json(body): axum::Json<serde_json::Value>| async { (axum::http::StatusCode::CREATED, axum::Json(body)) };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().route("/tasks", axum::routing::post(answer))).await });
    Ok(address)
}

struct Server {
    child: Child,
    address: String,
    token: String,
}

impl Server {
    fn start(dir: &std::path::Path) -> Result<Self, Failure> {
        let (data, file) = (dir.join("server"), dir.join("server.yaml"));
        // One credential submits as fast as it can.
        std::fs::write(&file, "rates: {write: {perSecond: 0, burst: 1}}\n")?;
        let mut child = Command::new(env!("CARGO_BIN_EXE_slipway"))
            .args(["server", "--listen", "127.0.0.1:0", "--log", "error", "--config"])
            .arg(&file)
            .arg("--data-dir")
            .arg(&data)
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().ok_or("no standard error")?;
        let line =
            BufReader::new(stderr).lines().map_while(Result::ok).find(|line| line.contains("http://")).ok_or("the server did not start")?;
        let address = line.rsplit("http://").next().unwrap_or_default().to_owned();
        let token = std::fs::read_to_string(data.join("admin-token"))?.trim().to_owned();
        Ok(Self { child, address, token })
    }

    /// The time that its threads have run so far, their own and the kernel's for them.
    fn busy(&self) -> Result<Duration, Failure> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name of the program, in brackets, may hold anything; what follows it are numbers.
        let fields = stat.rsplit_once(')').ok_or("no stat")?.1.split_whitespace().skip(11).take(2);
        let ticks = fields.map(str::parse::<u64>).sum::<Result<u64, _>>()?;
        // Linux shows it in hundredths of a second, whatever its own clock does.
        Ok(Duration::from_millis(ticks * 10))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends requests one after the other on each of the connections; the rate of `201` answers, and the ids in them.
async fn hammer(address: &str, path: &str, token: &str, time: Duration) -> Result<(f64, Vec<i64>), Failure> {
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let began = now();
    let mut connections = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (request, address) = (request.clone(), address.to_owned());
        connections.spawn(async move {
            let mut stream = http::connect(&address).await?;
            let mut ids = Vec::new();
            while began.elapsed() < time {
                let answer: serde_json::Value = serde_json::from_slice(&http::exchange(&mut stream, request.as_bytes(), &["201"]).await?)?;
                ids.push(answer.get("id").and_then(serde_json::Value::as_i64).unwrap_or(-1));
            }
            Ok::<_, Failure>(ids)
        });
    }
    let mut ids = Vec::new();
    while let Some(ended) = connections.join_next().await {
        ids.extend(ended??);
    }
    Ok((rate(ids.len(), began), ids))
}

/// Every acknowledged id is a task, no id was given twice, and there are no others.
async fn verify(server: &Server, ids: &[i64]) -> Result<(), Failure> {
    let unique: HashSet<i64> = ids.iter().copied().collect();
    if unique.len() != ids.len() {
        return Err("an id was acknowledged twice".into());
    }
    let client = slipway::client::Client::new(&format!("http://{}", server.address), Some(server.token.clone().into()), "bench/0")?;
    let mut found = HashSet::new();
    let mut cursor: Option<String> = None;
    loop {
        let query = slipway::wire::TaskQuery { limit: Some(1000), cursor: cursor.take(), ..Default::default() };
        let page: slipway::wire::TaskList = client.call(reqwest::Method::GET, "api/v1/tasks").query(&query).send().await?;
        found.extend(page.items.iter().map(|task| task.id.0));
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    if found != unique {
        return Err(format!("{} tasks acknowledged, {} found", unique.len(), found.len()).into());
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures the machine's time")]
fn now() -> Instant {
    Instant::now()
}
