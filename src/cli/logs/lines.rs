//! A log as somebody reads it: line by line, chosen and cleaned. Pure: bytes in, bytes out.

use super::{
    phases::{Kind, Mark, Part, Phases, mark},
    steady::Steady,
};
use crate::cli::style::{Marks, Tone, clean, paint};
use regex::bytes::Regex;
use std::borrow::Cow;

/// A line that has no end by then is taken for one.
const LONGEST: usize = 256 << 10;
/// A step of the set-up that wrote more than this is shown whole.
const MOST_HELD: usize = 4 << 20;
/// Lines that begin so are looked at whole before they are shown.
const MARKED: [&[u8]; 4] = [b"[slipway: ", b"::", b"--- ", b"+++ "];

/// What is done to lines.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Manner {
    pub(in crate::cli) show: Show,
    /// Only lines in which this is found, escape codes apart.
    pub(in crate::cli) grep: Option<Regex>,
    /// Only lines of this part.
    pub(in crate::cli) part: Option<Part>,
}

/// For whom they are.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::cli) enum Show {
    /// Every byte as it is.
    #[default]
    Raw,
    /// Of what a carriage return overwrites, as progress bars do, only the last stays, and escape codes are taken away: nobody's
    /// terminal does it.
    Plain,
    /// The same, but colours stay, and groups are seen.
    Terminal(Screen),
}

/// What a terminal shows.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent fact")]
pub(in crate::cli) struct Screen {
    /// It obeys escape codes.
    pub(in crate::cli) escapes: bool,
    /// What is ours is coloured.
    pub(in crate::cli) paint: bool,
    pub(in crate::cli) marks: Marks,
    /// Steps of the set-up that have ended well are one line.
    pub(in crate::cli) fold: bool,
    /// Somebody looks while it is written: half a line is shown too, and bars move.
    pub(in crate::cli) live: bool,
}

/// Bytes of a log on their way to somebody who reads them.
#[derive(Debug)]
pub(in crate::cli) struct Lines {
    manner: Manner,
    line: Vec<u8>,
    /// The beginning of the present line was dealt with: whether it was shown.
    under_way: Option<bool>,
    phases: Phases,
    steady: Steady,
    held: Vec<Held>,
    held_bytes: usize,
    /// Lines of the present step were shown: the rest is shown too.
    step_shown: bool,
}

/// A line of a step of the set-up that has not ended.
#[derive(Debug)]
struct Held {
    line: Vec<u8>,
    begins: Option<String>,
}

impl Lines {
    /// Lines from the beginning of a log, or from somewhere behind its set-up.
    pub(in crate::cli) fn new(manner: Manner, from_beginning: bool) -> Self {
        let steady = Steady::new(matches!(manner.show, Show::Terminal(Screen { escapes: true, .. })));
        let phases = if from_beginning { Phases::default() } else { Phases::over() };
        Self { manner, line: Vec::new(), under_way: None, phases, steady, held: Vec::new(), held_bytes: 0, step_shown: false }
    }

    /// What is to be shown now that these bytes have come.
    pub(in crate::cli) fn push<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let raw = matches!(self.manner.show, Show::Raw);
        if raw && self.manner.grep.is_none() && self.manner.part.is_none() {
            return Cow::Borrowed(bytes);
        }
        let mut out = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let ends = piece.ends_with(b"\n");
            if let Some(shown) = self.under_way {
                if shown {
                    self.steady.pass(piece, &mut out);
                }
                if ends {
                    self.under_way = None;
                }
                continue;
            }
            self.line.extend_from_slice(piece);
            if self.line.len() > LONGEST && !raw {
                let kept = overwritten(&self.line);
                self.line.drain(..kept);
            }
            if ends || self.line.len() > LONGEST {
                let whole = std::mem::take(&mut self.line);
                self.take(&whole, &mut out);
            }
        }
        // A bar moves at once.
        if self.half() && self.held.is_empty() && self.line.contains(&b'\r') {
            self.begin(&mut out);
        }
        Cow::Owned(out)
    }

    /// Whether [`Self::settle`] would show something.
    pub(in crate::cli) fn waits(&self) -> bool {
        !self.held.is_empty() || self.half()
    }

    /// Nothing more has come for a while, or for long enough: what is to be shown of what is held.
    pub(in crate::cli) fn settle(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.step_shown = self.phases.in_step();
        self.release(&mut out);
        if self.half() {
            self.begin(&mut out);
        }
        out
    }

    /// What is left once nothing more comes.
    pub(in crate::cli) fn finish(mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.line.is_empty() {
            let whole = std::mem::take(&mut self.line);
            self.take(&whole, &mut out);
        }
        self.release(&mut out);
        self.steady.finish(&mut out);
        out
    }

    /// Whether there is half a line that a person should see.
    fn half(&self) -> bool {
        let live = matches!(self.manner.show, Show::Terminal(Screen { live: true, .. })) && self.manner.grep.is_none();
        live && !self.line.is_empty() && !MARKED.iter().any(|begin| self.line.starts_with(begin))
    }

    /// Shows the beginning of a line; the rest follows as it comes.
    fn begin(&mut self, out: &mut Vec<u8>) {
        let line = std::mem::take(&mut self.line);
        let kind = self.phases.line(&String::from_utf8_lossy(&bare(&line)));
        let wanted = self.manner.part.is_none_or(|part| part == kind.part());
        if wanted {
            self.steady.pass(&line, out);
        }
        self.under_way = Some(wanted);
    }

    /// Deals with a whole line.
    fn take(&mut self, whole: &[u8], out: &mut Vec<u8>) {
        let line = if matches!(self.manner.show, Show::Raw) { whole } else { &whole[overwritten(whole)..] };
        let bare = bare(line);
        let text = String::from_utf8_lossy(bare.trim_ascii_end());
        let kind = self.phases.line(&text);
        let wanted = self.manner.part.is_none_or(|part| part == kind.part())
            && self.manner.grep.as_ref().is_none_or(|wanted| wanted.is_match(bare.trim_ascii_end()));
        match self.manner.show {
            _ if !wanted => {}
            Show::Raw => out.extend_from_slice(line),
            Show::Plain => out.extend_from_slice(&bare),
            Show::Terminal(screen) if screen.fold => self.fold(kind, line, screen, out),
            Show::Terminal(screen) => self.show(line, screen, out),
        }
    }

    fn fold(&mut self, kind: Kind, line: &[u8], screen: Screen, out: &mut Vec<u8>) {
        let hold = !self.step_shown && self.phases.in_step();
        match kind {
            Kind::Begins(title) if hold => self.hold(line, Some(title)),
            Kind::Setup if hold => self.hold(line, None),
            Kind::Ends { title, took, well: true } => {
                let begun = self.held.iter().rposition(|held| held.begins.as_ref() == Some(&title));
                let step = begun.map(|at| self.held.split_off(at)).unwrap_or_default();
                self.release(out);
                let text = folded(&title, &took, step.len().saturating_sub(1), screen.marks);
                let text = if screen.paint { text } else { anstream::adapter::strip_str(&text).to_string() };
                out.extend_from_slice(text.as_bytes());
            }
            _ => {
                self.release(out);
                self.show(line, screen, out);
            }
        }
        self.step_shown &= self.phases.in_step();
        if self.held_bytes > MOST_HELD {
            self.step_shown = true;
            self.release(out);
        }
    }

    fn hold(&mut self, line: &[u8], begins: Option<String>) {
        self.held_bytes += line.len();
        self.held.push(Held { line: line.to_owned(), begins });
    }

    /// Shows the lines that are held as they are.
    fn release(&mut self, out: &mut Vec<u8>) {
        let Show::Terminal(screen) = self.manner.show else { return };
        self.held_bytes = 0;
        for held in std::mem::take(&mut self.held) {
            self.show(&held.line, screen, out);
        }
    }

    /// Shows a line at a terminal; one that names a group stands out.
    fn show(&mut self, line: &[u8], screen: Screen, out: &mut Vec<u8>) {
        if screen.paint {
            let text = String::from_utf8_lossy(&bare(line)).into_owned();
            match mark(&text) {
                Some(Mark::Title(title)) => return out.extend_from_slice(format!("{}\n", paint(Tone::Strong, &clean(title))).as_bytes()),
                Some(Mark::End) => return,
                None => {}
            }
        }
        self.steady.pass(line, out);
    }
}

/// A step of the set-up in one line: `✔ set-up: environment 94e0 (uv, uv.lock)  0.2 s  12 lines, --phase setup shows them`.
fn folded(title: &str, took: &str, lines: usize, marks: Marks) -> String {
    let lines = match lines {
        0 => String::new(),
        1 => "  1 line, --phase setup shows it".to_owned(),
        lines => format!("  {lines} lines, --phase setup shows them"),
    };
    format!("{}set-up: {}  {}\n", paint(Tone::Good, marks.done), clean(title), paint(Tone::Faint, &format!("{took}{lines}")))
}

fn bare(line: &[u8]) -> Vec<u8> {
    anstream::adapter::strip_bytes(line).into_vec()
}

/// How many bytes of a line the next ones have overwritten: all before its last carriage return that something follows.
fn overwritten(line: &[u8]) -> usize {
    let end = line.len() - line.iter().rev().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
    line[..end].iter().rposition(|byte| *byte == b'\r').map_or(0, |at| at + 1)
}

/// Where the last `count` lines begin; none where there may be more of them before.
pub(super) fn last(bytes: &[u8], count: usize) -> Option<usize> {
    if count == 0 {
        return Some(bytes.len());
    }
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let ends = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    ends.map(|(at, _)| at + 1).nth(count - 1)
}

#[cfg(test)]
mod tests;
