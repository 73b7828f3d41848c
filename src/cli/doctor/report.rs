//! What is checked, what came of it, and how that is shown.

use crate::{
    cli::style::{Tone, clean, paint},
    wire::Timestamp,
};
use clap::ValueEnum;
use serde::Serialize;

/// What is checked. The order is that of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Check {
    /// The server is reached and ready.
    Server,
    /// The connection is encrypted where it must be, and the certificate is good for a while.
    Tls,
    /// The clocks of both ends agree.
    Clock,
    /// The server's database reads and writes, and has the server's schema.
    Database,
    /// The place where the server keeps bytes takes them.
    Bytes,
    /// Client, server and runners are of versions that work together.
    Version,
    /// The token is taken, and for what.
    Token,
    /// Runners are alive, and every queue has one.
    Runners,
    /// What is under way gets on.
    Stuck,
    /// Glues have the rights that they need in their clusters.
    Rights,
    /// Pods reach the server at the address that their glue gives them.
    BaseUrl,
    /// Queues make objects that their clusters take.
    Queues,
    /// Their pods pass the Pod Security of their namespaces.
    Security,
    /// The Secrets are there with which their images are pulled.
    PullSecret,
    /// Nodes offer what their pods ask for.
    Capacity,
    /// A large request passes everything before the server.
    LargeBody,
    /// Bytes that are sent are stored.
    Upload,
    /// Streams pass everything before the server as they come.
    Stream,
    /// A task runs, and its log is followed to its end.
    Canary,
}

impl Check {
    /// Its name.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Tls => "tls",
            Self::Clock => "clock",
            Self::Database => "database",
            Self::Bytes => "bytes",
            Self::Stuck => "stuck",
            Self::Version => "version",
            Self::Token => "token",
            Self::Runners => "runners",
            Self::Rights => "rights",
            Self::BaseUrl => "base-url",
            Self::Queues => "queues",
            Self::Security => "security",
            Self::PullSecret => "pull-secret",
            Self::Capacity => "capacity",
            Self::LargeBody => "large-body",
            Self::Upload => "upload",
            Self::Stream => "stream",
            Self::Canary => "canary",
        }
    }
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// It holds.
    Ok,
    /// It works, and may not for long or for everybody.
    Warn,
    /// It does not hold.
    Fail,
    /// It was not looked at, and why is said.
    Skip,
}

impl Verdict {
    fn word(self) -> String {
        let (tone, word) = match self {
            Self::Ok => (Tone::Good, "ok  "),
            Self::Warn => (Tone::Warn, "warn"),
            Self::Fail => (Tone::Bad, "fail"),
            Self::Skip => (Tone::Faint, "skip"),
        };
        paint(tone, word)
    }
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    /// What was checked.
    pub(super) check: Check,
    /// Of whom or what, where it is of one: a runner, a queue, a right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) about: Option<String>,
    /// What came of it.
    pub(super) verdict: Verdict,
    /// What was seen.
    pub(super) seen: String,
    /// What to do about it; every failure has one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) fix: String,
}

impl Line {
    fn new(check: Check, verdict: Verdict, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, about: None, verdict, seen: seen.into(), fix: fix.into() }
    }

    pub(super) fn ok(check: Check, seen: impl Into<String>) -> Self {
        Self::new(check, Verdict::Ok, seen, "")
    }

    pub(super) fn warn(check: Check, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(check, Verdict::Warn, seen, fix)
    }

    pub(super) fn fail(check: Check, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(check, Verdict::Fail, seen, fix)
    }

    pub(super) fn skip(check: Check, why: impl Into<String>) -> Self {
        Self::new(check, Verdict::Skip, why, "")
    }

    /// The same with what would let it be looked at.
    pub(super) fn unless(self, fix: impl Into<String>) -> Self {
        Self { fix: fix.into(), ..self }
    }

    /// The same about one of several.
    #[expect(clippy::needless_pass_by_value, reason = "names of several kinds, and texts made for this")]
    pub(super) fn about(self, about: impl ToString) -> Self {
        Self { about: Some(about.to_string()), ..self }
    }
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// The server's address.
    pub(super) server: String,
    /// When it was looked at.
    pub(super) at: Timestamp,
    /// The version of this program.
    pub(super) client: &'static str,
    /// Whether nothing fails.
    pub(super) ok: bool,
    /// What was checked, in the order of the checks.
    pub(super) checks: Vec<Line>,
}

impl Report {
    pub(super) fn new(server: String, at: Timestamp, client: &'static str, checks: Vec<Line>) -> Self {
        let ok = checks.iter().all(|line| line.verdict != Verdict::Fail);
        Self { server, at, client, ok, checks }
    }

    /// What fails, by name, each once.
    pub(super) fn failed(&self) -> Vec<String> {
        let mut failed: Vec<_> = self.checks.iter().filter(|line| line.verdict == Verdict::Fail).map(|line| line.check.as_str()).collect();
        failed.dedup();
        failed.into_iter().map(str::to_owned).collect()
    }

    /// A line for each, with what to do below it, and a sum at the end.
    pub(super) fn text(&self) -> String {
        let lines = self.checks.iter().map(|line| {
            let about = line.about.as_deref().map(|about| format!("{}: ", clean(about))).unwrap_or_default();
            let what = format!("{}  {:<11}  {about}{}\n", line.verdict.word(), line.check.as_str(), clean(&line.seen));
            let fix = clean(&line.fix);
            let word = if line.verdict == Verdict::Skip { "how:" } else { "fix:" };
            if fix.is_empty() { what } else { format!("{what}                   {} {fix}\n", paint(Tone::Busy, word)) }
        });
        lines.collect::<String>() + &self.sum() + "\n"
    }

    fn sum(&self) -> String {
        let count = |verdict| self.checks.iter().filter(|line| line.verdict == verdict).count();
        let (warned, failed) = (count(Verdict::Warn), count(Verdict::Fail));
        let warnings = if warned == 1 { "warning" } else { "warnings" };
        let sum = format!("{} ok, {warned} {warnings}, {failed} failed, {} skipped", count(Verdict::Ok), count(Verdict::Skip));
        paint(if failed > 0 { Tone::Bad } else { Tone::Strong }, &sum)
    }
}
