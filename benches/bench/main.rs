//! `slipway-bench`: our paths, the probes that bound them and the queues that people would pick instead, in one interleaved run.
//!
//! `cargo bench --bench slipway-bench [-- --rounds N --seconds N --no-peers --default-peers]`; `-- --table` writes the table of the newest
//! results into the README. What is measured and why: `benches/README.md`.

#![expect(clippy::print_stdout, reason = "its figures are its output")]

mod driver;
mod figures;
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
mod server;
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
        return write_table(&benches).map(|()| ExitCode::SUCCESS);
    }
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut figures = Figures::default();
    let noisy = {
        let (mut drivers, postgres) = drivers(dir.path(), options, &mut figures).await?;
        rounds::run(&mut drivers, postgres.as_deref(), options, dir.path(), &mut figures).await?
    };
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
    println!("{}", table::markdown(&lines));
    let text = lines.iter().map(|line| serde_json::to_string(line).map(|line| line + "\n")).collect::<Result<String, _>>()?;
    let path = benches.join("results").join(format!("{}.jsonl", machine::stamp()));
    std::fs::write(&path, text)?;
    println!("Every acknowledged task was found exactly once. Results: {}", path.display());
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

type Drivers = (Vec<Box<dyn Driver>>, Option<Arc<postgres::Postgres>>);

/// All that can be opened here; the rest is noted as skipped.
async fn drivers(dir: &Path, options: Options, figures: &mut Figures) -> Result<Drivers, Failure> {
    let sqlite = server::Server::start(&dir.join("sqlite"), server::Database::Sqlite)?;
    let mut drivers: Vec<Box<dyn Driver>> = vec![
        Box::new(hello::Hello::open().await?),
        Box::new(raw::Raw::open(&dir.join("raw.db")).await?),
        Box::new(rest::Rest::open("slipway sqlite", sqlite, Vec::new()).await?),
    ];
    let postgres = match postgres::Postgres::start(&dir.join("pg")).await {
        Ok(postgres) => Arc::new(postgres),
        Err(error) => {
            figures.skip("everything on PostgreSQL", error.to_string());
            return Ok((drivers, None));
        }
    };
    drivers.push(Box::new(pgbench::Pgbench::open(Arc::clone(&postgres), dir.join("pgbench")).await?));
    let database = vec![postgres.pid()];
    if server::can_postgres()? {
        let url = postgres.database("slipway").await?;
        let server = server::Server::start(&dir.join("postgres"), server::Database::Postgres(&url))?;
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
    Ok((drivers, Some(postgres)))
}

fn write_table(benches: &Path) -> Result<(), Failure> {
    let newest = table::newest(&benches.join("results"))?.ok_or("no results yet: `make bench` makes some")?;
    let readme = benches.join("README.md");
    let text = table::replaced(&std::fs::read_to_string(&readme)?, &table::read(&newest)?)?;
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
