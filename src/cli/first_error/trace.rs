//! Python's tracebacks.

/// A traceback of which the exception has not come yet.
#[derive(Debug)]
pub(super) struct Trace {
    /// What stands before each of its lines, as of a rank.
    prefix: String,
    /// Where it was raised: in the user's own file, as far as there is one.
    own: Option<String>,
    innermost: Option<String>,
    /// What was said before it is that things go on.
    handled: bool,
    /// Lines in between that are none of it.
    strange: u32,
}

/// What a line is to a traceback.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Part of it.
    Frame,
    /// Its end.
    Exception { text: String, place: Option<String>, handled: bool },
    /// None of it.
    Other,
}

/// After so many lines of others it is given up.
const STRANGE: u32 = 20;

impl Trace {
    /// The traceback that a line begins.
    pub(super) fn begun_by(line: &str, handled: bool) -> Option<Self> {
        let before = line.trim_end().strip_suffix("Traceback (most recent call last):")?;
        // Before it stands a rank, or a bar that had no end.
        let prefix = if before.ends_with(": ") || before.trim().is_empty() { before } else { "" };
        Some(Self { prefix: prefix.to_owned(), own: None, innermost: None, handled, strange: 0 })
    }

    /// Takes the next line of the log.
    pub(super) fn line(&mut self, line: &str) -> Seen {
        let Some(line) = line.strip_prefix(self.prefix.as_str()).or_else(|| line.is_empty().then_some("")) else { return self.other() };
        if line.is_empty() || line.starts_with([' ', '\t']) {
            self.frame(line.trim());
            return Seen::Frame;
        }
        if self.strange > STRANGE || !is_exception(line) {
            return self.other();
        }
        if line == "SystemExit: 0" {
            return Seen::Exception { text: line.to_owned(), place: None, handled: true };
        }
        let place = self.own.take().or_else(|| self.innermost.take());
        Seen::Exception { text: line.to_owned(), place, handled: self.handled }
    }

    fn other(&mut self) -> Seen {
        self.strange += 1;
        Seen::Other
    }

    /// `File "train.py", line 41, in main`.
    fn frame(&mut self, line: &str) {
        let Some((file, rest)) = line.strip_prefix("File \"").and_then(|rest| rest.split_once("\", line ")) else { return };
        let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let foreign = ["/site-packages/", "/dist-packages/", "/lib/python", "/lib64/python"].iter().any(|dir| file.contains(dir));
        let place = Some(format!("{file}:{number}"));
        if !foreign && !file.starts_with('<') {
            self.own.clone_from(&place);
        }
        self.innermost = place;
    }
}

/// `RuntimeError: CUDA out of memory`, `KeyboardInterrupt`, `__main__.Bad: no`.
fn is_exception(line: &str) -> bool {
    let name = line.split_once(':').map_or(line, |(name, _)| name);
    let word =
        |word: &str| word.starts_with(|c: char| c.is_alphabetic() || c == '_') && word.chars().all(|c| c.is_alphanumeric() || c == '_');
    name.split('.').all(|part| word(part) || part == "<locals>")
        && name.rsplit('.').next().is_some_and(|last| last.starts_with(char::is_uppercase) || name.contains('.'))
}
