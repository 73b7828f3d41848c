//! `kubernetes`: short tasks from submit to finished on one control plane, by Jobs that a feeder keeps in flight, by our server and
//! glue, and by any queue controller that is named; each in turn, again and again.
//!
//! `cargo bench --bench kubernetes`; flags: `options.rs`; what is measured and how: `README.md` beside this file.

#![expect(clippy::print_stdout, reason = "its figures are its output")]

#[path = "../../tests/scoreboard/ended.rs"]
mod ended;
#[path = "../../tests/support/fleet/mod.rs"]
#[expect(dead_code, reason = "nothing holds here, and its counts are of no interest")]
mod fleet;
#[path = "../../tests/scoreboard/judge.rs"]
#[expect(dead_code, reason = "findings of one run are not added up")]
mod judge;
#[path = "../../tests/cluster/kit/mod.rs"]
#[expect(dead_code, unused_imports, unused_macros, reason = "a bench needs a part of it")]
mod kit;
#[path = "../bench/machine.rs"]
#[expect(dead_code, reason = "nothing here waits for a disk")]
mod machine;
#[path = "../../tests/support/procs.rs"]
#[expect(dead_code, reason = "a bench needs a part of it")]
mod procs;
#[path = "../../tests/support/record.rs"]
mod record;
#[path = "../../tests/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "a bench needs a part of it")]
mod support;

mod case;
mod controller;
mod cost;
mod feeder;
mod ground;
mod jobs;
mod manifests;
mod measure;
mod options;
mod ours;
mod page;
mod play;
mod side;
mod sight;

use options::Options;
use std::{path::Path, process::ExitCode};

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<ExitCode, Failure> {
    let options = Options::read()?;
    let benches = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches");
    if options.table {
        let readme = benches.join("kubernetes/README.md");
        let fresh = page::replaced(&std::fs::read_to_string(&readme)?, &page::read(&benches.join("results"))?)?;
        return Ok(std::fs::write(readme, fresh).map(|()| ExitCode::SUCCESS)?);
    }
    let lines = play::play(&options).await?;
    let text = lines.iter().map(|line| serde_json::to_string(line).map(|line| line + "\n")).collect::<Result<String, _>>()?;
    print!("{}", page::markdown(&lines));
    let name = format!("kubernetes-{}.jsonl", machine::stamp());
    let path = options.out.as_ref().map_or_else(|| benches.join("results").join(name), Into::into);
    std::fs::write(&path, text)?;
    println!("\nResults: {}", path.display());
    let void = lines.iter().any(|line| matches!(line, page::Line::Void { .. }));
    Ok(if void { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
