//! What a row is, and what it finds.

use crate::{
    judge::Findings,
    score::{Level, Size},
};
use std::pin::Pin;

/// One row of the scoreboard.
pub(crate) struct Row {
    pub(crate) number: u8,
    pub(crate) level: Level,
    /// How many tasks the short form takes.
    pub(crate) short: usize,
    /// How many tasks the full form takes.
    pub(crate) full: usize,
    pub(crate) run: fn(Form) -> Run,
}

/// What [`Row::run`] answers; it may panic, which is a failed row too.
pub(crate) type Run = Pin<Box<dyn Future<Output = Result<Outcome, Absent>>>>;

/// One run of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    pub(crate) size: Size,
    /// How many tasks it is to take, roughly.
    pub(crate) tasks: usize,
    /// Everything random comes from it.
    pub(crate) seed: u64,
}

impl Form {
    /// One number for the short form, another for the full one.
    pub(crate) fn of<T>(self, short: T, full: T) -> T {
        if self.size == Size::Full { full } else { short }
    }
}

/// What a run found.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// How many tasks were judged.
    pub(crate) tries: usize,
    pub(crate) findings: Findings,
    /// In seconds, from the end of a fault until work went on.
    pub(crate) worst_recovery: Option<f64>,
    pub(crate) api_writes_per_task: Option<f64>,
    /// Whatever else the row must hold and did not, each with its story.
    pub(crate) broken: Vec<String>,
}

impl Outcome {
    /// Whether everything held.
    pub(crate) fn passes(&self) -> bool {
        self.tries > 0 && self.findings == Findings::default() && self.broken.is_empty()
    }

    /// Notes what must hold and does not.
    pub(crate) fn must(&mut self, holds: bool, story: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(story());
        }
    }

    /// Both together, as one row.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.broken.extend(other.broken);
        let worst = [self.worst_recovery, other.worst_recovery].into_iter().flatten().max_by(f64::total_cmp);
        Self {
            tries: self.tries + other.tries,
            findings: self.findings.and(other.findings),
            worst_recovery: worst,
            api_writes_per_task: self.api_writes_per_task.or(other.api_writes_per_task),
            broken: self.broken,
        }
    }
}

/// Why a row cannot run on this machine.
#[derive(Debug)]
pub(crate) struct Absent {
    /// One line.
    pub(crate) why: String,
    /// A person may lack what the row needs, CI may not.
    pub(crate) may_skip: bool,
}
