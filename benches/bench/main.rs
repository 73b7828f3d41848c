//! `slipway-bench`: our paths, the probes that bound them and the queues that people would pick instead, in one interleaved run.
//!
//! `cargo bench --bench slipway-bench`; flags: `options.rs`; what is measured and why: `benches/README.md`.

#![expect(clippy::print_stdout, reason = "its figures are its output")]

mod driver;
mod figures;
mod fill;
mod goals;
mod hello;
#[path = "../common/http.rs"]
mod http;
mod machine;
mod options;
mod peer;
mod pgbench;
mod postgres;
mod raw;
mod rest;
mod rounds;
mod runner;
mod scenes;
mod server;
mod stream;
mod table;

use driver::Driver;
use figures::Figures;
use options::Options;
use slipway::{app::ambient::SystemRng, domain::Rng};
use std::{path::Path, process::ExitCode, sync::Arc};
use uuid::Uuid;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<ExitCode, Failure> {
    let options = Options::read()?;
    let benches = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches");
    if options.table {
        return write_table(&benches.join("results")).map(|()| ExitCode::SUCCESS);
    }
    let dir = tempfile::tempdir_in(postgres::reachable(Path::new(env!("CARGO_TARGET_TMPDIR"))))?;
    let mut figures = Figures::default();
    let noisy = compare(dir.path(), &options, &mut figures).await?;
    let run = table::Line::Run {
        at: machine::stamp(),
        commit: commit(),
        hardware: machine::hardware(),
        rounds: options.rounds,
        seconds: options.seconds,
        noisy,
    };
    let goals = goals::judge(&figures, noisy);
    let missed = goals.iter().filter(|goal| matches!(goal, table::Line::Goal { verdict, .. } if verdict == "MISSED")).count();
    let lines: Vec<_> = [run].into_iter().chain(goals).chain(figures.lines()).collect();
    println!("{}\n{}", figures::table(&lines), table::markdown(&lines));
    let text = lines.iter().map(|line| serde_json::to_string(line).map(|line| line + "\n")).collect::<Result<String, _>>()?;
    let path = options.out.as_ref().map_or_else(|| benches.join("results").join(format!("{}.jsonl", machine::stamp())), Into::into);
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    std::fs::write(&path, text)?;
    if figures.count() {
        println!("Every acknowledged task was found exactly once.");
    }
    println!("Results: {}", path.display());
    Ok(if missed == 0 && figures.count() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Everything in its turn; whether others used the machine.
async fn compare(dir: &Path, options: &Options, figures: &mut Figures) -> Result<bool, Failure> {
    let postgres = match postgres::Postgres::start(&dir.join("pg")).await {
        Ok(postgres) => Some(Arc::new(postgres)),
        Err(error) => {
            figures.skip("everything on PostgreSQL", error.to_string());
            None
        }
    };
    let postgres = postgres.as_ref();
    let mut noisy = false;
    if options.plays("rounds") {
        let mut drivers = drivers(dir, options, postgres, figures).await?;
        noisy = rounds::run(&mut drivers, postgres.map(Arc::as_ref), options, dir, figures).await?;
        let wal = ["slipway postgres: submit by 100, WAL", "slipway postgres: claim + start + ack, WAL"];
        figures.sum("Postgres: WAL of a task's life", "bytes/task", wal);
    }
    scenes::play(dir, options, postgres.map(Arc::as_ref), figures).await?;
    Ok(noisy)
}

/// All that can be opened here; the rest is noted as skipped.
async fn drivers(
    dir: &Path,
    options: &Options,
    postgres: Option<&Arc<postgres::Postgres>>,
    figures: &mut Figures,
) -> Result<Vec<Box<dyn Driver>>, Failure> {
    let sqlite = server::Server::start(&dir.join("sqlite"), &server::Database::Sqlite)?;
    let mut drivers: Vec<Box<dyn Driver>> = vec![
        Box::new(hello::Hello::open().await?),
        Box::new(raw::Raw::open(&dir.join("raw.db")).await?),
        Box::new(rest::Rest::open("slipway sqlite", sqlite, Vec::new()).await?),
    ];
    let Some(postgres) = postgres else { return Ok(drivers) };
    drivers.push(Box::new(pgbench::Pgbench::open(Arc::clone(postgres), dir.join("pgbench")).await?));
    let database = vec![postgres.pid()];
    if server::can_postgres()? {
        let url = postgres.database("slipway").await?;
        let server = server::Server::start(&dir.join("postgres"), &server::Database::Postgres(url))?;
        drivers.push(Box::new(rest::Rest::open("slipway postgres", server, database.clone()).await?));
    } else {
        figures.skip("slipway postgres", "this build's `slipway server` has no `--database`");
    }
    for (name, of_its_own) in [("graphile-worker", "graphile"), ("pg-boss", "pgboss")] {
        if !options.peers {
            continue;
        }
        let url = postgres.database(of_its_own).await?;
        match peer::Peer::open(name, &url, options.tuned, database.clone()).await {
            Ok(peer) => drivers.push(Box::new(peer)),
            Err(error) => figures.skip(name, error.to_string()),
        }
    }
    Ok(drivers)
}

fn write_table(results: &Path) -> Result<(), Failure> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = table::replaced(&std::fs::read_to_string(&readme)?, &table::read_newest(results)?)?;
    Ok(std::fs::write(readme, text)?)
}

/// The identity of a request.
fn fresh() -> Uuid {
    let mut bytes = [0; 16];
    SystemRng.fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// What was built, as far as git tells.
fn commit() -> String {
    let output =
        std::process::Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    output
        .ok()
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .filter(|text| !text.is_empty())
        .unwrap_or_else(|| "unknown".into())
}
