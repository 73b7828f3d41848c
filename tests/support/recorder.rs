//! The outside recorder: what ran when, written down by the tasks themselves and by nobody else.
//!
//! Every task appends lines `task attempt word uid uptime` to one file opened with `O_APPEND`, so the order of the lines
//! is the order of what happened, whatever server, runner and agent believe.

use crate::record::Line;
use slipway::wire::{NewTask, Retries, TaskId};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// What every recorded script begins with: `note WORD` writes a line, `emit TEXT` a line of output and its copy.
const PRELUDE: &str = r#"id=$SLIPWAY_TASK_ID; rest=${SLIPWAY_ATTEMPT#*-}; n=${rest%%-*}; uid=${rest#*-}
note() { read -r up _ </proc/uptime; echo "$id $n $1 $uid $up" >>"$RECORD"; }
emit() { echo "$1" >>"$COPIES/$id-$n"; echo "$1"; }
note start
"#;

/// The file, and the directory of what the tasks wrote.
pub(crate) struct Recorder {
    pub(crate) file: PathBuf,
    copies: PathBuf,
}

impl Recorder {
    pub(crate) fn new(dir: &Path) -> Self {
        let copies = dir.join("copies");
        fs::create_dir(&copies).expect("a directory");
        Self { file: dir.join("record"), copies }
    }

    /// A task that records its start, does `body` in `/bin/sh`, and records its end.
    pub(crate) fn task(&self, body: &str) -> NewTask {
        self.open_task(&format!("{body}\nnote end"))
    }

    /// A task that records its start; what else it records is up to `body`.
    pub(crate) fn open_task(&self, body: &str) -> NewTask {
        let text = |path: &Path| path.display().to_string();
        NewTask {
            script: Some(format!("{PRELUDE}{body}\n")),
            env: [("RECORD".to_owned(), text(&self.file)), ("COPIES".to_owned(), text(&self.copies))].into(),
            retries: Some(Retries { infra: 100, ..Retries::default() }),
            grace_seconds: Some(5),
            ..NewTask::default()
        }
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        text.lines().map(|text| Line::read(text).expect(text)).collect()
    }

    /// Whether a task has written `word`.
    pub(crate) fn has(&self, task: TaskId, word: &str) -> bool {
        self.lines().iter().any(|line| line.task == task.0 && line.word == word)
    }

    /// What an attempt says that it wrote to its output; none where it never wrote.
    pub(crate) fn copy(&self, task: TaskId, attempt: u32) -> Option<Vec<u8>> {
        fs::read(self.copies.join(format!("{task}-{attempt}"))).ok()
    }

    /// Checks what must hold whatever happened: each attempt starts once and ends at most once; no sign of an attempt
    /// comes after the start of a later one; each task's last attempt came to its end. (An earlier one may have, too:
    /// a command that ended, whose agent was killed before it could say so.)
    pub(crate) fn check(&self, tasks: &[TaskId]) {
        let mut by_task: BTreeMap<i64, Vec<Line>> = BTreeMap::new();
        for line in self.lines() {
            by_task.entry(line.task).or_default().push(line);
        }
        for task in tasks {
            let lines = by_task.remove(&task.0).unwrap_or_default();
            assert!(!lines.is_empty(), "task {task} never ran");
            let story = || lines.iter().map(|l| format!("{} {} {} {}", l.attempt, l.word, l.uid, l.at)).collect::<Vec<_>>().join("\n");
            assert!(lines.is_sorted_by_key(|l| l.attempt), "attempts of task {task} overlap:\n{}", story());
            let count = |attempt, word| lines.iter().filter(|l| l.attempt == attempt && l.word == word).count();
            let last = lines.last().map_or(0, |l| l.attempt);
            for line in &lines {
                assert_eq!(count(line.attempt, "start"), 1, "task {task} started attempt {} again:\n{}", line.attempt, story());
                let ends = count(line.attempt, "end");
                assert!(ends == 1 || ends == 0 && line.attempt < last, "attempt {} ended {ends} times:\n{}", line.attempt, story());
                let same = lines.iter().filter(|l| l.attempt == line.attempt).all(|l| l.uid == line.uid);
                assert!(same, "two processes ran attempt {} of task {task}:\n{}", line.attempt, story());
            }
        }
        assert!(by_task.is_empty(), "tasks ran that nobody submitted: {:?}", by_task.keys());
    }
}
