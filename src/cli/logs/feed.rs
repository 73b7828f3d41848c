//! Lines of a log that is followed, over its attempts, and for how long some of them wait.

use super::lines::{Lines, Manner};
use crate::wire::AttemptNumber;
use std::{future::pending, time::Duration};
use tokio::time::{Instant, sleep_until};

/// So long may it take until it shows whether a step has ended, or a line.
const PATIENCE: Duration = Duration::from_millis(if cfg!(test) { 30 } else { 300 });

/// Bytes of a log on their way to somebody who reads along.
#[derive(Debug)]
pub(in crate::cli) struct Feed {
    manner: Manner,
    lines: Lines,
    attempt: Option<AttemptNumber>,
    since: Option<Instant>,
}

impl Feed {
    /// From the beginning of a log, or from somewhere behind its set-up.
    pub(in crate::cli) fn new(manner: Manner, from_beginning: bool) -> Self {
        Self { lines: Lines::new(manner.clone(), from_beginning), manner, attempt: None, since: None }
    }

    /// What is to be shown now that these bytes of an attempt have come.
    pub(in crate::cli) fn push(&mut self, attempt: AttemptNumber, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        if self.attempt.replace(attempt).is_some_and(|before| before != attempt) {
            out = self.finish();
        }
        out.extend_from_slice(&self.lines.push(bytes));
        self.since = if self.lines.waits() { self.since.or_else(|| Some(Instant::now())) } else { None };
        out
    }

    /// Waits until something was held for too long: then it is time to [`Self::settle`].
    pub(in crate::cli) async fn patience(&self) {
        match self.since {
            Some(since) => sleep_until(since + PATIENCE).await,
            None => pending().await,
        }
    }

    /// What is to be shown of what is held.
    pub(in crate::cli) fn settle(&mut self) -> Vec<u8> {
        self.since = None;
        self.lines.settle()
    }

    /// What is left once nothing more comes.
    pub(in crate::cli) fn finish(&mut self) -> Vec<u8> {
        self.since = None;
        std::mem::replace(&mut self.lines, Lines::new(self.manner.clone(), true)).finish()
    }
}
