//! Where things first went wrong, told from what a command wrote. Pure: bytes in, one line out.
//!
//! A wrong line is worse than none. So only what programs write when they give up counts, and what the log goes on after does not:
//! after a retry that is announced, a success, or work that goes on ([`signs::goes_on`] and its kin).

mod signs;
mod tell;
mod trace;

#[cfg(test)]
mod tests;

pub(super) use tell::{remark, with_context};

use crate::cli::style::{clean, cut};
use signs::{Sign, Weight};
use std::collections::VecDeque;
use trace::{Seen, Trace};

/// So many lines around it are kept.
const AROUND: usize = 3;
/// A longer line is read no further, in bytes.
const LONGEST: usize = 16 << 10;
/// At most so many lines of a weight may have been the first one.
const MOST: usize = 64;
/// What is announced so soon after an error speaks of it, in lines.
const NEAR: u64 = 3;

/// The line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Its number in what was read, from 1 on.
    pub(super) line: u64,
    /// What it says, fit for a terminal.
    pub(super) text: String,
    /// Where in the program that was, where the log says so elsewhere.
    pub(super) place: Option<String>,
    /// Up to three lines before it.
    pub(super) before: Vec<String>,
    /// Up to three lines after it.
    pub(super) after: Vec<String>,
}

/// Looks for it, in one pass and with little memory.
#[derive(Debug, Default)]
pub(super) struct Finder {
    line: Vec<u8>,
    number: u64,
    recent: VecDeque<String>,
    trace: Option<Trace>,
    /// The line before said of what comes that things go on after it.
    went_on: bool,
    /// A panic whose message is the next line.
    panicked: bool,
    suspects: Vec<Suspect>,
}

/// A line that may be it.
#[derive(Debug)]
struct Suspect {
    found: Found,
    weight: Weight,
    progress: u32,
    lines: u32,
}

impl Finder {
    /// Takes the next bytes of the log.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let ends = piece.ends_with(b"\n");
            // Of a bar that is drawn again and again the last state counts.
            if self.line.len() + piece.len() > LONGEST
                && let Some(at) = self.line.iter().rposition(|byte| *byte == b'\r')
            {
                self.line.drain(..=at);
            }
            let room = LONGEST.saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if ends {
                self.end_line();
            }
        }
    }

    /// The line where things first went wrong, of all that was read.
    pub(super) fn finish(mut self) -> Option<Found> {
        if !self.line.is_empty() {
            self.end_line();
        }
        let heaviest = self.suspects.iter().map(|suspect| suspect.weight).max()?;
        self.suspects.into_iter().find(|suspect| suspect.weight == heaviest).map(|suspect| suspect.found)
    }

    fn end_line(&mut self) {
        let bytes = anstream::adapter::strip_bytes(&std::mem::take(&mut self.line)).into_vec();
        let text = String::from_utf8_lossy(bytes.trim_ascii_end());
        let text = text.rsplit('\r').next().unwrap_or_default();
        self.take(text);
        self.recent.push_back(shown(text));
        if self.recent.len() > AROUND {
            self.recent.pop_front();
        }
    }

    fn take(&mut self, text: &str) {
        self.number += 1;
        for suspect in &mut self.suspects {
            if suspect.found.after.len() < AROUND {
                suspect.found.after.push(shown(text));
            }
        }
        if std::mem::take(&mut self.panicked)
            && let Some(last) = self.suspects.last_mut()
        {
            last.found.text = shown(&format!("{} {text}", last.found.text));
            return;
        }
        if let Some(trace) = Trace::begun_by(text, self.went_on) {
            self.trace = Some(trace);
            return;
        }
        match self.trace.as_mut().map_or(Seen::Other, |trace| trace.line(text)) {
            Seen::Frame => return,
            Seen::Exception { text, place, handled } => {
                self.trace = None;
                if !handled {
                    self.suspect(&text, place, Weight::Strong);
                }
                return;
            }
            Seen::Other => {}
        }
        self.weigh(text);
    }

    /// Looks at a line by itself, and at what it says of those before.
    fn weigh(&mut self, text: &str) {
        let goes_on = signs::goes_on(text);
        self.went_on = goes_on && (text.ends_with(':') || text.starts_with("Exception ignored in"));
        let number = self.number;
        if goes_on {
            self.suspects.retain(|suspect| number - suspect.found.line > NEAR);
            return;
        }
        if let Some(Sign { weight, message_follows }) = signs::sign(text) {
            self.panicked = message_follows;
            self.suspect(text, None, weight);
            return;
        }
        if self.suspects.is_empty() || text.is_empty() || text.starts_with([' ', '\t']) {
            return;
        }
        if signs::succeeds(text) {
            self.suspects.clear();
            return;
        }
        let progress = u32::from(signs::progresses(text));
        self.suspects.retain_mut(|suspect| {
            suspect.progress += progress;
            suspect.lines += 1;
            let (most_progress, most_lines) = suspect.weight.bears();
            suspect.progress <= most_progress && suspect.lines <= most_lines
        });
    }

    fn suspect(&mut self, text: &str, place: Option<String>, weight: Weight) {
        if self.suspects.iter().filter(|suspect| suspect.weight == weight).count() >= MOST {
            return;
        }
        let before = self.recent.iter().cloned().collect();
        let found = Found { line: self.number, text: shown(text.trim()), place, before, after: Vec::new() };
        self.suspects.push(Suspect { found, weight, progress: 0, lines: 0 });
    }
}

/// A line fit for a terminal, tabs as a space each.
fn shown(text: &str) -> String {
    cut(&clean(&text.replace('\t', " ")), 500)
}
