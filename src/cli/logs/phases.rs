//! What of a log is set-up, what is the command's own, and what groups it is made of. Pure.
//!
//! The agent tells each step of a set-up in a line before it and a line after it (`docs/CODE.md`). The set-up is over with the
//! first line that is none of its own: whatever the command writes later is the command's, whatever it looks like.

/// A part of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum Part {
    /// What was done before the command began
    Setup,
    /// What the command wrote
    Run,
}

/// What a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A step begins, or something is remarked: which of both shows when it ends.
    Begins(String),
    /// A step has ended, which began with the newest line of this title.
    Ends { title: String, took: String, well: bool },
    /// Any other line of the set-up.
    Setup,
    /// A line of the command.
    Run,
}

impl Kind {
    pub(super) fn part(&self) -> Part {
        if *self == Self::Run { Part::Run } else { Part::Setup }
    }
}

/// More steps than these at once are none of ours.
const MOST: usize = 64;

/// Reads a log line by line.
#[derive(Clone, Debug, Default)]
pub(super) struct Phases {
    over: bool,
    open: Vec<String>,
}

impl Phases {
    /// Where the set-up is over.
    pub(super) fn over() -> Self {
        Self { over: true, ..Self::default() }
    }

    /// Whether a step goes on.
    pub(super) fn in_step(&self) -> bool {
        !self.open.is_empty()
    }

    /// Takes the next line, without escape codes and its end.
    pub(super) fn line(&mut self, line: &str) -> Kind {
        if self.over {
            return Kind::Run;
        }
        let notice = line.strip_prefix("[slipway: ").and_then(|rest| rest.strip_suffix(']'));
        let Some(said) = notice.and_then(|notice| notice.strip_prefix("set-up: ")) else {
            let other = notice.is_some_and(|notice| !of_the_command(notice));
            return if self.in_step() || other { Kind::Setup } else { self.begun() };
        };
        if said.ends_with(": taken from the cache") {
            self.open.clear();
            return Kind::Setup;
        }
        for (how, well) in [(": done in ", true), (": failed after ", false)] {
            if let Some((title, took)) = said.rsplit_once(how)
                && is_time(took)
                && self.open.iter().any(|open| open == title)
            {
                self.open.clear();
                return Kind::Ends { title: title.to_owned(), took: took.to_owned(), well };
            }
        }
        if self.open.len() >= MOST {
            return Kind::Setup;
        }
        self.open.push(said.to_owned());
        Kind::Begins(said.to_owned())
    }

    fn begun(&mut self) -> Kind {
        self.over = true;
        Kind::Run
    }
}

/// Whether the agent says this of the command, not of what comes before it.
fn of_the_command(notice: &str) -> bool {
    ["checkpoint:", "outputs:", "cannot start "].iter().any(|begin| notice.starts_with(begin)) || notice.contains(" bytes of output ")
}

/// `0.2 s`.
fn is_time(text: &str) -> bool {
    text.strip_suffix(" s").is_some_and(|number| number.parse::<f64>().is_ok())
}

/// A line that a user's tools mark a group with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark<'a> {
    /// The title of a group.
    Title(&'a str),
    /// Its end.
    End,
}

/// What a line says of groups: `::group::TITLE` and `::endgroup::`, `--- TITLE` and `+++ TITLE`.
pub(super) fn mark(line: &str) -> Option<Mark<'_>> {
    let line = line.trim_end();
    if line == "::endgroup::" {
        return Some(Mark::End);
    }
    if let Some(title) = line.strip_prefix("::group::") {
        return Some(Mark::Title(title.trim())).filter(|_| !title.trim().is_empty());
    }
    let of_buildkite = ["--- ", "+++ "].iter().any(|begin| line.strip_prefix(begin).is_some_and(|title| !title.trim().is_empty()));
    of_buildkite.then_some(Mark::Title(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(log: &str) -> String {
        let mut phases = Phases::default();
        let letter = |kind: Kind| match kind {
            Kind::Begins(_) => 'B',
            Kind::Ends { well: true, .. } => 'E',
            Kind::Ends { well: false, .. } => 'F',
            Kind::Setup => 's',
            Kind::Run => 'r',
        };
        log.lines().map(|line| letter(phases.line(line))).collect()
    }

    #[test]
    fn the_set_up_ends_with_the_first_line_of_the_command() {
        let group = "[slipway: set-up: git x]\nCloning\n[slipway: set-up: git x: done in 0.2 s]\n";
        for (log, kinds) in [
            ("", ""),
            ("hello\n", "r"),
            ("[slipway: set-up: a]\n", "B"),
            (&format!("{group}hello\n{group}"), "BsErrrr"),
            (
                &format!(
                    "[slipway: the secret A is short]\n{group}[slipway: set-up: b]\nx\n\n[slipway: set-up: b: failed after 12.0 s]\n[slipway: ToolMissing: no uv]\n"
                ),
                "sBsEBssFs",
            ),
            // A remark is no step: it ends with the step that follows it.
            ("[slipway: set-up: no uv, so pip]\n[slipway: set-up: e]\nx\n[slipway: set-up: e: done in 1.0 s]\nhello\n", "BBsEr"),
            ("[slipway: set-up: another makes it; waiting]\n[slipway: set-up: environment e: taken from the cache]\nhello\n", "Bsr"),
            ("[slipway: set-up: git x]\n[slipway: set-up: no; trying again]\n[slipway: set-up: git x: done in 3.1 s]\n", "BBE"),
            // What only looks like the end of a step is none.
            ("[slipway: set-up: a]\n[slipway: set-up: b: done in 1.0 s]\nx\n[slipway: set-up: a: done in no time]\n", "BBsB"),
            ("[slipway: set-up: a: done in 1.0 s]\n", "B"),
            ("[slipway: outputs: m.pt is not there]\n", "r"),
            ("[slipway: cannot start nosuch: not found]\n", "r"),
            ("[slipway: 12 bytes of output dropped here]\n", "r"),
            ("[slipway: set-up: a]\n[slipway: 12 bytes of output dropped here]\n", "Bs"),
        ] {
            assert_eq!(parts(log), kinds, "{log}");
        }
        let many = (0..1_000).map(|n| format!("[slipway: set-up: {n}]")).collect::<Vec<_>>().join("\n");
        assert_eq!(parts(&many).matches('B').count(), MOST);
    }

    #[test]
    fn groups_of_the_users_own_are_told_from_text() {
        for (line, told) in [
            ("::group::Build", Some(Mark::Title("Build"))),
            ("::group::", None),
            ("::endgroup::\r", Some(Mark::End)),
            ("--- Tests", Some(Mark::Title("--- Tests"))),
            ("+++ :rocket: Deploy", Some(Mark::Title("+++ :rocket: Deploy"))),
            ("---", None),
            ("--- ", None),
            ("----", None),
            (" --- x", None),
            ("a ::group::b", None),
        ] {
            assert_eq!(mark(line), told, "{line:?}");
        }
    }
}
