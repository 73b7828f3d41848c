//! Colours and marks. A state is always a word too, so nothing is lost without them.

use crate::wire::TaskState;

/// What a colour says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// It went well.
    Good,
    /// It went wrong.
    Bad,
    /// It needs a look.
    Warn,
    /// It is going on.
    Busy,
    /// It matters less.
    Faint,
    /// It matters more.
    Strong,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Bad => "1;31",
            Self::Warn => "33",
            Self::Busy => "36",
            Self::Faint => "2",
            Self::Strong => "1",
        }
    }

    /// The tone of a task's state.
    #[must_use]
    pub(crate) fn of(state: TaskState) -> Option<Self> {
        match state {
            TaskState::Active => Some(Self::Busy),
            TaskState::Succeeded => Some(Self::Good),
            TaskState::Failed => Some(Self::Bad),
            TaskState::Cancelled => Some(Self::Warn),
            TaskState::Waiting | TaskState::Queued => None,
        }
    }
}

/// A text in a tone. Always with escape codes: the console takes them away where they are not wanted.
#[must_use]
pub(crate) fn paint(tone: Tone, text: &str) -> String {
    format!("\u{1b}[{}m{text}\u{1b}[0m", tone.code())
}

/// The marks before lines about phases and results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marks {
    /// Done.
    pub(crate) done: &'static str,
    /// Going on.
    pub(crate) doing: &'static str,
    /// Failed.
    pub(crate) failed: &'static str,
    /// Out of the usual.
    pub(crate) remark: &'static str,
    /// Between the parts of a line.
    pub(crate) between: &'static str,
}

impl Marks {
    /// Signs where the terminal can show them, else nothing: the words beside them say it all.
    #[must_use]
    pub(crate) fn new(unicode: bool) -> Self {
        if unicode {
            Self { done: "✔ ", doing: "● ", failed: "✖ ", remark: "! ", between: " · " }
        } else {
            Self { done: "", doing: "", failed: "", remark: "", between: ", " }
        }
    }
}

/// A text of a user on one line of ours: control characters become visible, so that nobody's name or command can
/// steer the terminal.
#[must_use]
pub(crate) fn clean(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}

/// A command as one could type it into a shell.
#[must_use]
pub(crate) fn shell(argv: &[String]) -> String {
    argv.iter().map(|arg| quote(arg)).collect::<Vec<_>>().join(" ")
}

fn quote(arg: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=@%+,".contains(c);
    if !arg.is_empty() && arg.chars().all(plain) {
        return arg.to_owned();
    }
    if arg.chars().any(char::is_control) {
        return format!("$'{}'", arg.replace('\\', "\\\\").replace('\'', "\\'").chars().map(control).collect::<String>());
    }
    format!("'{}'", arg.replace('\'', r"'\''"))
}

/// A control character as bash's `$'…'` writes it.
fn control(c: char) -> String {
    match c {
        '\n' => "\\n".into(),
        '\t' => "\\t".into(),
        c if c.is_control() => format!("\\x{:02x}", u32::from(c)),
        c => c.into(),
    }
}

/// A text cut to `width` characters, with three dots where something is missing.
#[must_use]
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(3)).chain("...".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_typed_again() {
        let argv = ["sh", "-c", "echo it's", "", "a\nb\u{1b}[31m", "--lr=3e-4"].map(str::to_owned);
        assert_eq!(shell(&argv), r"sh -c 'echo it'\''s' '' $'a\nb\x1b[31m' --lr=3e-4");
    }

    #[test]
    fn foreign_text_cannot_steer_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\nä"), "a\\u{1b}[2Jb\\nä");
        assert_eq!((cut("tokenizer", 5), cut("fits", 4)), ("to...".into(), "fits".into()));
    }
}
