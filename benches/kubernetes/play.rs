//! All cases, all sides, in turn.

use crate::{
    Failure,
    case::Case,
    controller::Controller,
    cost,
    ground::Ground,
    judge::judge,
    kit::{cluster::Cluster, testbed::Testbed},
    machine,
    measure::{Spread, between, mean, not_once, of_word, rate, turnarounds},
    options::Options,
    page::{Line, Pass},
    side::{Player, Side},
    sight::{Signal, uptime},
};
use std::{collections::BTreeMap, path::Path, process::Command, sync::Arc};

/// Plays what is asked for; its lines.
pub(crate) async fn play(options: &Options) -> Result<Vec<Line>, Failure> {
    let testbed = Arc::new(Testbed::plane());
    let opened = {
        let testbed = testbed.clone();
        tokio::task::spawn_blocking(move || testbed.kubeconfig()).await?
    };
    let kubeconfig = opened.map_err(|absent| absent.why)?;
    let played = async {
        let cluster = Arc::new(Cluster::connect(&kubeconfig).await?);
        all(&cluster, options).await
    };
    let lines = played.await;
    testbed.close();
    lines
}

async fn all(cluster: &Arc<Cluster>, options: &Options) -> Result<Vec<Line>, Failure> {
    let mut lines =
        vec![Line::Run { at: machine::stamp(), commit: commit(), hardware: machine::hardware(), release: !cfg!(debug_assertions) }];
    let mut sides = vec![Side::Feeder(Signal::Job), Side::Feeder(Signal::Pod), Side::Ours];
    match Controller::named()? {
        Some(controller) => sides.push(Side::Controller(controller)),
        None => lines.push(Line::Skipped { name: "a queue controller".into(), why: "SLIPWAY_BENCH_CONTROLLER names none".into() }),
    }
    sides.retain(|side| options.want(side));
    for case in &options.cases {
        for pair in 1..=options.pairs {
            for side in &sides {
                let mut ground = Ground::open(cluster, side, options).await?;
                let player = side.ready(&mut ground, *case, options).await?;
                let line = one(&ground, &player, (side.name(), *case, pair)).await?;
                options.keep.as_ref().map_or(Ok(()), |dir| ground.keep(Path::new(dir)))?;
                // A controller may have to take its leave of what is deleted.
                ground.close().await;
                drop(player);
                eprintln!("{line}");
                lines.push(line);
            }
        }
    }
    Ok(lines)
}

/// One run of one side.
async fn one(ground: &Ground, player: &Player, (side, case, pair): (&str, Case, usize)) -> Result<Line, Failure> {
    let pressure = machine::pressure().await;
    let (plane, own) = (cost::plane(), player.programs());
    let before = (cost::calls(&ground.client()).await?, cost::seconds(&plane), cost::seconds(&own));
    let began = uptime();
    let told = player.play(ground, case).await?;
    let took = uptime() - began;
    let after = (cost::seconds(&plane), cost::seconds(&own));
    let memory = cost::memory(&own);
    ground.cleared().await;
    let (writes, reads) = cost::since(&before.0, &cost::calls(&ground.client()).await?, case.tasks);
    let (lines, over) = (ground.lines()?, ground.sight.over());

    let acknowledged: Vec<_> = told.submitted.keys().copied().collect();
    let findings = judge(&acknowledged, &lines, &told.stored);
    let wrong = findings.stories().next().cloned().or_else(|| not_once(acknowledged.iter().copied(), &lines));
    if let Some(why) = wrong {
        return Ok(Line::Void { case, side: side.to_owned(), pair, why });
    }
    let (starts, ends) = (of_word(&lines, "start"), of_word(&lines, "end"));
    let pods = over.by(Signal::Pod).iter().map(|(task, (at, _))| (*task, *at)).collect();
    let turned = turnarounds(&starts, &ends, case.slots);
    Ok(Line::Pass(Box::new(Pass {
        case,
        side: side.to_owned(),
        pair,
        seconds: took,
        tasks_per_second: rate(&told.submitted, &told.finished),
        submit_to_start: between(&told.submitted, &starts),
        submit_to_pod: between(&told.submitted, &pods),
        submit_to_finished: between(&told.submitted, &told.finished),
        end_to_finished: between(&ends, &told.finished),
        turnaround: mean(&turned),
        turnarounds: Spread::of(&turned),
        writes_per_task: writes.values().sum(),
        writes,
        reads_per_task: reads.values().sum(),
        reads,
        plane_cpu_ms: spent(&before.1, &after.0, case.tasks),
        own_cpu_ms: spent(&before.2, &after.1, case.tasks),
        own_memory_mib: memory,
        pressure,
    })))
}

/// The CPU time of each program for each task, in milliseconds.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn spent(before: &BTreeMap<&'static str, f64>, after: &BTreeMap<&'static str, f64>, tasks: usize) -> BTreeMap<String, f64> {
    after.iter().map(|(name, now)| ((*name).to_owned(), (now - before.get(name).copied().unwrap_or(0.0)) * 1e3 / tasks as f64)).collect()
}

/// What was built, as far as git tells.
fn commit() -> String {
    let out = Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let said = out.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned()).unwrap_or_default();
    if said.is_empty() { "unknown".to_owned() } else { said }
}
