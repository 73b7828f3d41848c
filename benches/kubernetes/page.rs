//! Results as JSON lines, and what the page shows of the newest of each case.

use crate::{case::Case, measure::Spread};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    fs, io,
    path::Path,
};

/// Between these lines of the page stand the tables.
const BEGIN: &str = "<!-- tables: written by `make bench-kubernetes-table` from benches/results/kubernetes-*.jsonl -->";
const END: &str = "<!-- end of the tables -->";

/// Who is compared, as lines of results name them.
const OURS: &str = "Slipway";
const FEEDER: &str = "Jobs, waits for the Job";
/// What must hold against [`FEEDER`] in this case, and what would be better.
const GOAL: Case = Case { slots: 16, ms: 100, tasks: 200 };
const TIMES: (f64, f64) = (2.0, 3.0);
/// The most seconds that a slot may be empty between two commands.
const EMPTY: f64 = 0.3;

/// One line of a file of results.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub(crate) enum Line {
    /// Where and when; the first line. `release` says whether our programs were built for speed.
    Run { at: String, commit: String, hardware: String, release: bool },
    /// One run of one side.
    Pass(Box<Pass>),
    /// A run that does not count, because tasks were lost or ran twice.
    Void { case: Case, side: String, pair: usize, why: String },
    /// What could not be measured, and why.
    Skipped { name: String, why: String },
}

/// What one run of one side measured. Times are in seconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pass {
    pub(crate) case: Case,
    pub(crate) side: String,
    /// Runs of one pair were played next to each other.
    pub(crate) pair: usize,
    pub(crate) seconds: f64,
    pub(crate) tasks_per_second: f64,
    pub(crate) submit_to_start: Spread,
    /// Until a watch shows the pod as ended.
    pub(crate) submit_to_pod: Spread,
    /// Until the condition of its Job, or the state of our task.
    pub(crate) submit_to_finished: Spread,
    /// From the end of the command.
    pub(crate) end_to_finished: Spread,
    /// How long a slot is empty between two commands, in the mean.
    pub(crate) turnaround: f64,
    pub(crate) turnarounds: Spread,
    /// To the API server, of everybody: kubelet and controllers included.
    pub(crate) writes_per_task: f64,
    pub(crate) writes: BTreeMap<String, f64>,
    /// Watches left out.
    pub(crate) reads_per_task: f64,
    pub(crate) reads: BTreeMap<String, f64>,
    /// CPU time for each task of etcd, API server and controllers.
    pub(crate) plane_cpu_ms: BTreeMap<String, f64>,
    /// The same of the side's own programs, and their memory at its peak.
    pub(crate) own_cpu_ms: BTreeMap<String, f64>,
    pub(crate) own_memory_mib: BTreeMap<String, f64>,
    /// The share of a moment before the run in which somebody waited for a CPU.
    pub(crate) pressure: f64,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass(pass) => write!(
                f,
                "{}, pair {}: {}: {} tasks/s, turnaround {} s, {} writes a task; others {:.0} %",
                pass.case,
                pass.pair,
                pass.side,
                short(pass.tasks_per_second),
                short(pass.turnaround),
                short(pass.writes_per_task),
                pass.pressure * 100.0
            ),
            Self::Void { case, side, pair, why } => write!(f, "VOID: {case}, pair {pair}: {side}: {why}"),
            Self::Run { at, .. } => f.write_str(at),
            Self::Skipped { name, why } => write!(f, "not measured: {name}: {why}"),
        }
    }
}

/// The newest lines of each case, in the files of a directory, each case with the head of its run.
pub(crate) fn read(results: &Path) -> io::Result<Vec<Line>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(results)? {
        let path = entry?.path();
        let named = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("kubernetes-"));
        files.extend(named.then_some(path));
    }
    files.sort();
    let mut newest: BTreeMap<Case, Vec<Line>> = BTreeMap::new();
    for file in files {
        let text = fs::read_to_string(file)?;
        let lines: Vec<Line> = text.lines().map(|line| serde_json::from_str(line).map_err(io::Error::from)).collect::<io::Result<_>>()?;
        let head = lines.iter().filter(|line| matches!(line, Line::Run { .. } | Line::Skipped { .. }));
        let head: Vec<Line> = head.cloned().collect();
        let mut played: BTreeMap<Case, Vec<Line>> = BTreeMap::new();
        for line in lines {
            let case = match &line {
                Line::Pass(pass) => pass.case,
                Line::Void { case, .. } => *case,
                Line::Run { .. } | Line::Skipped { .. } => continue,
            };
            played.entry(case).or_insert_with(|| head.clone()).push(line);
        }
        newest.extend(played);
    }
    Ok(newest.into_values().flatten().collect())
}

/// The page with the tables of the newest results in place of those that it has.
pub(crate) fn replaced(page: &str, lines: &[Line]) -> io::Result<String> {
    let missing = || io::Error::other("the page has no marked section for the tables");
    let (before, rest) = page.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    Ok(format!("{before}{BEGIN}\n\n{}\n{END}{after}", markdown(lines)))
}

/// A section for each case.
pub(crate) fn markdown(lines: &[Line]) -> String {
    let mut cases: Vec<(Case, Vec<&Line>)> = Vec::new();
    let mut head: Vec<&Line> = Vec::new();
    for line in lines {
        let case = match line {
            Line::Run { .. } => {
                head = vec![line];
                continue;
            }
            Line::Skipped { .. } => {
                head.push(line);
                continue;
            }
            Line::Pass(pass) => pass.case,
            Line::Void { case, .. } => *case,
        };
        match cases.iter_mut().find(|(of, _)| *of == case) {
            Some((_, all)) => all.push(line),
            None => cases.push((case, head.iter().copied().chain([line]).collect())),
        }
    }
    if cases.is_empty() {
        return "No run yet.\n".to_owned();
    }
    cases.iter().map(|(case, lines)| section(*case, lines)).collect::<Vec<_>>().join("\n")
}

fn section(case: Case, lines: &[&Line]) -> String {
    let mut text = format!("### {case}\n\n");
    let passes: Vec<&Pass> = lines.iter().filter_map(|line| if let Line::Pass(pass) = line { Some(&**pass) } else { None }).collect();
    let mut sides: Vec<&str> = Vec::new();
    for pass in &passes {
        if !sides.contains(&pass.side.as_str()) {
            sides.push(&pass.side);
        }
    }
    let of = |side: &str| passes.iter().filter(|pass| pass.side == side).copied().collect::<Vec<_>>();
    let most = sides.iter().map(|side| of(side).len()).max().unwrap_or_default();
    for line in lines {
        let _ = match line {
            Line::Run { at, commit, hardware, release } => {
                let build = if *release { "" } else { ", not built for speed" };
                writeln!(text, "{at}, commit {commit}{build}, {most} runs of each, {hardware}.\n")
            }
            Line::Skipped { name, why } => writeln!(text, "Not measured: {name}: {why}.\n"),
            Line::Void { side, pair, why, .. } => {
                writeln!(text, "**Void**: {side}, pair {pair}: {}\n", why.lines().next().unwrap_or_default())
            }
            Line::Pass(_) => Ok(()),
        };
    }
    text += "| | tasks/s | submit → start, s | submit → finished, s | slot empty, s | writes, reads a task | CPU of the plane | own CPU | memory |\n";
    text += "|---|---:|---:|---:|---:|---:|---:|---:|---:|\n";
    for side in &sides {
        text += &row(side, &of(side));
    }
    text + &compared(case, &sides, &passes)
}

fn row(side: &str, passes: &[&Pass]) -> String {
    let spread = |of: fn(&Pass) -> f64| values(passes.iter().map(|pass| of(pass)));
    let median = |of: fn(&Pass) -> f64| short(middle(passes.iter().map(|pass| of(pass)).collect()));
    let times = |of: fn(&Pass) -> Spread| {
        let one = |part: fn(Spread) -> f64| short(middle(passes.iter().map(|pass| part(of(pass))).collect()));
        format!("{} / {} / {}", one(|s| s.p50), one(|s| s.p95), one(|s| s.p99))
    };
    let each = |of: fn(&Pass) -> &BTreeMap<String, f64>, unit: &str| {
        let names: Vec<&String> = passes.first().map(|pass| of(pass).keys().collect()).unwrap_or_default();
        let one = |name: &&String| {
            let all = passes.iter().filter_map(|pass| of(pass).get(*name).copied()).collect();
            format!("{name} {} {unit}", short(middle(all)))
        };
        if names.is_empty() { "–".to_owned() } else { names.iter().map(one).collect::<Vec<_>>().join(", ") }
    };
    format!(
        "| {side} | {} | {} | {} | {} | {}, {} | {} ms | {} | {} |\n",
        spread(|pass| pass.tasks_per_second),
        times(|pass| pass.submit_to_start),
        times(|pass| pass.submit_to_finished),
        spread(|pass| pass.turnaround),
        median(|pass| pass.writes_per_task),
        median(|pass| pass.reads_per_task),
        median(|pass| pass.plane_cpu_ms.values().sum()),
        each(|pass| &pass.own_cpu_ms, "ms"),
        each(|pass| &pass.own_memory_mib, "MiB"),
    )
}

/// Our rate against that of each other, pair by pair; and what became of the goals.
fn compared(case: Case, sides: &[&str], passes: &[&Pass]) -> String {
    let mut text = String::new();
    let of = |side: &str, pair: usize| passes.iter().find(|pass| pass.side == side && pass.pair == pair);
    let ours: Vec<_> = passes.iter().filter(|pass| pass.side == OURS).collect();
    for side in sides.iter().filter(|side| **side != OURS) {
        let ratios: Vec<f64> = ours.iter().filter_map(|o| Some(o.tasks_per_second / of(side, o.pair)?.tasks_per_second)).collect();
        if ratios.is_empty() {
            continue;
        }
        let verdict = if case == GOAL && *side == FEEDER {
            let median = middle(ratios.clone());
            let word = if median >= TIMES.1 {
                "stretch"
            } else if median >= TIMES.0 {
                "met"
            } else {
                "MISSED"
            };
            format!(" (goal {}, stretch {}: {word})", TIMES.0, TIMES.1)
        } else {
            String::new()
        };
        let _ = writeln!(text, "\nSlipway against \"{side}\": {} × the tasks/s{verdict}.", values(ratios.iter().copied()));
    }
    if case == GOAL && !ours.is_empty() {
        let empty = middle(ours.iter().map(|pass| pass.turnaround).collect());
        let word = if empty <= EMPTY { "met" } else { "MISSED" };
        let _ = writeln!(text, "\nA slot of ours is empty for {} s between two commands (goal {EMPTY}: {word}).", short(empty));
    }
    text
}

/// The median; NaN of nothing.
fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The median, and from the least to the most.
fn values(values: impl Iterator<Item = f64>) -> String {
    let mut all: Vec<f64> = values.collect();
    all.sort_by(f64::total_cmp);
    let [least, most] = [all.first(), all.last()].map(|value| value.copied().unwrap_or(f64::NAN));
    format!("{} ({}–{})", short(middle(all)), short(least), short(most))
}

/// Three digits that count.
fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
