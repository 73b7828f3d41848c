//! A row's result as a line of JSON, the files of results, and the table of `docs/RELIABILITY.md`.

use serde::{Deserialize, Serialize};
use std::{fmt::Write, fs, io, path::Path};

/// Between these lines of the document stands the table.
const BEGIN: &str = "<!-- table: written by `make scoreboard-table` from docs/reliability -->";
const END: &str = "<!-- end of the table -->";

/// Where a row runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Level {
    /// Real server, runner or glue, and agents as processes; no node runs pods.
    P,
    /// A real control plane, kubelet and container runtime.
    R,
    /// Nodes that kwok plays.
    W,
}

/// Whether everything held that the row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Pass,
    Fail,
}

/// How large a run was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Size {
    Short,
    Full,
}

/// The line of one run of one row. A figure that does not apply is null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Score {
    /// The number of the row.
    pub(crate) scenario: u8,
    pub(crate) level: Level,
    /// How many tasks were judged.
    pub(crate) tries: Option<usize>,
    pub(crate) seed: u64,
    pub(crate) lost: Option<usize>,
    pub(crate) duplicated: Option<usize>,
    pub(crate) false_successes: Option<usize>,
    /// The longest time from the end of a fault until work went on.
    pub(crate) worst_recovery_ms: Option<u64>,
    /// Writes to the API server of Kubernetes.
    pub(crate) api_writes_per_task: Option<f64>,
    pub(crate) verdict: Verdict,
    pub(crate) form: Size,
    /// When the run ended; in the files only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<String>,
    /// What was run; in the files only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
}

/// The rows: number and what happens.
pub(crate) const SCENARIOS: [(u8, &str); 20] = [
    (1, "`kill -9` of the glue at random points"),
    (2, "`kill -9` of the server at random points, SQLite and Postgres"),
    (3, "a crash exactly between claim and create, and between create and its answer"),
    (4, "the Kubernetes API fails in 20 % of calls, half of them after acting"),
    (5, "two glues, of the same and of different identity"),
    (6, "watches delayed, reordered, cut, `410`"),
    (7, "the Kubernetes API away"),
    (8, "a node paused, then back"),
    (9, "eviction, preemption, drain, pods and Jobs deleted"),
    (10, "out of memory: child, grandchild, whole pod"),
    (11, "image missing, bad name, bad credentials, registry down"),
    (12, "no place in the cluster, or in the quota, for a while"),
    (13, "agent and server cut off from each other, half-open connections, answers of a foreign proxy"),
    (14, "the server restarted during uploads of logs"),
    (15, "a cancel around the completion"),
    (16, "the server away as the task ends"),
    (17, "hostile output"),
    (18, "processes that hold on: double forks, own sessions, ignored signals, zombies"),
    (19, "clock steps"),
    (20, "10,000 pods at once, the glue killed meanwhile"),
];

/// What a row is about.
pub(crate) fn title(number: u8) -> &'static str {
    SCENARIOS.iter().find(|(nth, _)| *nth == number).map_or("", |(_, title)| *title)
}

/// The file of a row's full runs below the folder of results.
pub(crate) fn file(number: u8, level: Level) -> String {
    format!("{number:02}-{level:?}.jsonl")
}

/// The last full run of each row and level, in the order of the rows.
pub(crate) fn read(dir: &Path) -> io::Result<Vec<Score>> {
    let mut scores = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_none_or(|ending| ending != "jsonl") {
            continue;
        }
        let text = fs::read_to_string(&path)?;
        let runs = text.lines().map(serde_json::from_str::<Score>).collect::<Result<Vec<_>, _>>()?;
        let last = runs.into_iter().rfind(|run| run.form == Size::Full).ok_or_else(|| io::Error::other("a file without a full run"))?;
        if path.file_name() != Some(file(last.scenario, last.level).as_ref()) {
            return Err(io::Error::other(format!("{} holds another row", path.display())));
        }
        scores.push(last);
    }
    scores.sort_by_key(|score| (score.scenario, score.level));
    Ok(scores)
}

/// The document with this table in place of the one that it has.
pub(crate) fn replaced(document: &str, scores: &[Score]) -> io::Result<String> {
    let missing = || io::Error::other("docs/RELIABILITY.md has no marked section for the table");
    let (before, rest) = document.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    Ok(format!("{before}{BEGIN}\n\n{}\n{END}{after}", table(scores)))
}

/// The table of the last full runs, and which rows have none.
pub(crate) fn table(scores: &[Score]) -> String {
    let mut text = String::from(
        "| row | level | what happens | tasks | lost | twice | false | rate below, at 95 % | worst recovery | API writes a task | verdict | run |\n\
         | ---: | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |\n",
    );
    for score in scores {
        let number = |count: Option<usize>| count.map_or_else(|| "–".to_owned(), |count| count.to_string());
        let recovery = score.worst_recovery_ms.map_or_else(|| "–".to_owned(), seconds);
        let writes = score.api_writes_per_task.map_or_else(|| "–".to_owned(), |writes| format!("{writes:.2}"));
        let verdict = if score.verdict == Verdict::Pass { "pass" } else { "**fail**" };
        let run = [score.at.as_deref(), score.version.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(", ");
        let _ = writeln!(
            text,
            "| {} | {:?} | {} | {} | {} | {} | {} | {} | {recovery} | {writes} | {verdict} | {run}, seed {} |",
            score.scenario,
            score.level,
            title(score.scenario),
            number(score.tries),
            number(score.lost),
            number(score.duplicated),
            number(score.false_successes),
            bound(score),
            score.seed,
        );
    }
    let without: Vec<_> = SCENARIOS.iter().filter(|(number, _)| scores.iter().all(|score| score.scenario != *number)).collect();
    if !without.is_empty() {
        text += "\nRows without a full run on record:\n\n";
        for (number, title) in without {
            let _ = writeln!(text, "- {number}: {title}");
        }
    }
    text
}

/// The rule of three: after n tries without a failure the rate is below 3/n with 95 % confidence. Where there were failures, their
/// share is what is known.
fn bound(score: &Score) -> String {
    let (Some(tries), Some(lost), Some(duplicated), Some(false_successes)) =
        (score.tries.filter(|tries| *tries > 0), score.lost, score.duplicated, score.false_successes)
    else {
        return "–".to_owned();
    };
    match (lost + duplicated + false_successes, f64::from(u32::try_from(tries).unwrap_or(u32::MAX))) {
        (0, tries) => format!("{:.2} %", 300.0 / tries),
        (failures, _) => format!("{failures} of {tries} seen"),
    }
}

/// Rounded up: it is a worst case.
fn seconds(milliseconds: u64) -> String {
    let tenths = milliseconds.div_ceil(100);
    format!("{}.{} s", tenths / 10, tenths % 10)
}
