//! The one seam to the outside: standard output, standard error, and what is known of the terminal.
//!
//! Standard output is data, standard error is conversation. Text is written with colours and loses them here where
//! they are not wanted; log bytes pass untouched.

use super::{
    exit::Failure,
    style::{Marks, Tone, paint},
};
use std::{
    fmt,
    io::Write,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What is known of the terminal. `app` finds it out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent fact")]
pub struct Terminal {
    /// Standard input is one.
    pub stdin: bool,
    /// Standard output is one.
    pub stdout: bool,
    /// Standard error is one.
    pub stderr: bool,
    /// Its columns.
    pub width: Option<u16>,
    /// It shows signs beyond ASCII.
    pub unicode: bool,
    /// It obeys escape codes.
    pub escapes: bool,
    /// `NO_COLOR` is set.
    pub no_color: bool,
    /// `CLICOLOR_FORCE` is set.
    pub force_color: bool,
}

impl Terminal {
    /// The facts that stand in the environment (`TERM`, `LC_ALL`, `LC_CTYPE`, `LANG`, `NO_COLOR`, `CLICOLOR_FORCE`),
    /// read through `get`; those about streams and width are the caller's to add.
    #[must_use]
    pub fn of_environment(get: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| get(name).filter(|value| !value.is_empty());
        let dumb = set("TERM").is_none_or(|term| term == "dumb");
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default().to_ascii_lowercase();
        Self {
            unicode: !dumb && (locale.contains("utf-8") || locale.contains("utf8")),
            escapes: !dumb,
            no_color: set("NO_COLOR").is_some(),
            force_color: set("CLICOLOR_FORCE").is_some_and(|value| value != "0"),
            ..Self::default()
        }
    }
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Where output goes.
pub type Sink = Box<dyn Write + Send>;

/// Both outputs and how to write to them.
pub struct Console {
    out: Mutex<Sink>,
    err: Mutex<Sink>,
    terminal: Terminal,
    out_colour: bool,
    err_colour: bool,
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").field("terminal", &self.terminal).finish_non_exhaustive()
    }
}

impl Console {
    /// A console over these outputs.
    #[must_use]
    pub fn new(out: Sink, err: Sink, terminal: Terminal, choice: ColorChoice) -> Self {
        let colour = |tty: bool| match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto if terminal.no_color => false,
            ColorChoice::Auto => terminal.force_color || (tty && terminal.escapes),
        };
        Self {
            out: Mutex::new(out),
            err: Mutex::new(err),
            out_colour: colour(terminal.stdout),
            err_colour: colour(terminal.stderr),
            terminal,
        }
    }

    /// What is known of the terminal.
    #[must_use]
    pub fn terminal(&self) -> Terminal {
        self.terminal
    }

    /// Whether data is coloured.
    #[must_use]
    pub(crate) fn colours(&self) -> bool {
        self.out_colour
    }

    /// The marks for lines on standard error.
    #[must_use]
    pub(crate) fn marks(&self) -> Marks {
        Marks::new(self.terminal.stderr && self.terminal.unicode)
    }

    /// Writes data as it is, at once.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = lock(&self.out);
        out.write_all(bytes).and_then(|()| out.flush()).map_err(|e| Failure::of_write(&e))
    }

    /// Writes data.
    pub(crate) fn text(&self, text: &str) -> Result<(), Failure> {
        if self.out_colour { self.bytes(text.as_bytes()) } else { self.bytes(anstream::adapter::strip_str(text).to_string().as_bytes()) }
    }

    /// Writes a line of data.
    pub(crate) fn line(&self, text: impl fmt::Display) -> Result<(), Failure> {
        self.text(&format!("{text}\n"))
    }

    /// Says something beside the data. That nobody listens is no failure.
    pub(crate) fn say(&self, text: &str) {
        let text = if self.err_colour { text.to_owned() } else { anstream::adapter::strip_str(text).to_string() };
        let mut err = lock(&self.err);
        let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    }

    /// Says a line beside the data.
    pub(crate) fn note(&self, text: impl fmt::Display) {
        self.say(&format!("{text}\n"));
    }

    /// Says a line beside the data where a person reads along, nothing in scripts.
    pub(crate) fn aside(&self, text: impl fmt::Display) {
        if self.terminal.stderr {
            self.note(text);
        }
    }

    /// Draws `text` over the present line of standard error; the empty text clears it. Only for terminals that obey
    /// escape codes, which the caller checks.
    pub(crate) fn redraw(&self, text: &str) {
        let text = if self.err_colour { text.to_owned() } else { anstream::adapter::strip_str(text).to_string() };
        let mut err = lock(&self.err);
        let _ = write!(err, "\r\u{1b}[2K{text}").and_then(|()| err.flush());
    }

    /// Draws a block of lines over the one before, which had `before` lines, on standard output. Only for terminals that obey escape
    /// codes, which the caller checks. That nobody looks is no failure.
    pub(crate) fn repaint(&self, before: usize, text: &str) {
        let text = if self.out_colour { text.to_owned() } else { anstream::adapter::strip_str(text).to_string() };
        let up = if before > 0 { format!("\u{1b}[{before}A") } else { String::new() };
        let mut out = lock(&self.out);
        let _ = write!(out, "\r{up}\u{1b}[J{text}").and_then(|()| out.flush());
    }

    /// Says why a command ends early.
    pub(crate) fn report(&self, failure: &Failure) {
        if let Some(message) = &failure.message {
            self.note(format_args!("{} {message}", paint(Tone::Bad, "error:")));
        }
        for hint in &failure.hints {
            self.note(format_args!("{} {hint}", paint(Tone::Busy, "hint:")));
        }
    }
}

/// A panic while writing leaves nothing half done that matters here.
fn lock(sink: &Mutex<Sink>) -> MutexGuard<'_, Sink> {
    sink.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::Capture;

    #[test]
    fn colours_go_where_they_are_wanted() {
        let tty = Terminal { stdout: true, stderr: true, escapes: true, ..Terminal::default() };
        for (terminal, choice, coloured) in [
            (tty, ColorChoice::Auto, true),
            (tty, ColorChoice::Never, false),
            (Terminal { no_color: true, ..tty }, ColorChoice::Auto, false),
            (Terminal { no_color: true, ..tty }, ColorChoice::Always, true),
            (Terminal { escapes: false, ..tty }, ColorChoice::Auto, false),
            (Terminal::default(), ColorChoice::Auto, false),
            (Terminal { force_color: true, ..Terminal::default() }, ColorChoice::Auto, true),
        ] {
            let out = Capture::default();
            let console = Console::new(out.sink(), out.sink(), terminal, choice);
            console.line(paint(Tone::Good, "x")).unwrap();
            assert_eq!(out.text(), if coloured { "\u{1b}[32mx\u{1b}[0m\n" } else { "x\n" }, "{terminal:?} {choice:?}");
            console.bytes(b"\x1b[31m\xff").unwrap();
            assert!(out.bytes().ends_with(b"\x1b[31m\xff"), "log bytes pass untouched");
        }
    }

    #[test]
    fn the_environment_tells_what_a_terminal_can() {
        let of = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            Terminal::of_environment(move |name| pairs.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone()))
        };
        let good = of(&[("TERM", "xterm-256color"), ("LANG", "de_DE.UTF-8")]);
        assert!(good.unicode && good.escapes && !good.no_color);
        assert!(!of(&[("TERM", "dumb"), ("LANG", "C.UTF-8")]).unicode);
        assert!(!of(&[("TERM", "xterm"), ("LC_ALL", "C"), ("LANG", "C.UTF-8")]).unicode);
        assert!(!of(&[("LANG", "C.UTF-8")]).escapes);
        assert!(of(&[("NO_COLOR", "1")]).no_color && !of(&[("NO_COLOR", "")]).no_color);
    }
}
