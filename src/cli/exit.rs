//! Exit codes, and how every failure becomes one. Scripts rely on both.

use crate::{
    client::Error,
    wire::{Problem, ProblemCode, Task, TaskState},
};
use std::io;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: it did what was asked.
    Ok,
    /// 1: it failed, or a comparison found differences.
    Error,
    /// 2: what was typed, or the file that was given, is wrong.
    Usage,
    /// 3: the command worked, the task did not succeed.
    TaskFailed,
    /// 4: no credential, or none that the server takes.
    Authentication,
    /// 5: what was named does not exist.
    NotFound,
    /// 6: at odds with the present state, or changed by somebody else meanwhile.
    Conflict,
    /// 7: the wait ended before the task did; the task goes on.
    TimedOut,
    /// 8: as things are it can never run.
    Unsatisfiable,
    /// 130: interrupted; nothing was cancelled.
    Interrupted,
    /// The task's own exit code, where that was asked for.
    Task(u8),
}

impl Exit {
    /// Every exit but a task's own code, with its meaning for people.
    pub const ALL: [(Self, &'static str); 10] = [
        (Self::Ok, "it did what was asked"),
        (Self::Error, "it failed, or a comparison found differences (queue diff, doctor)"),
        (Self::Usage, "what was typed, or a file that was given, is wrong"),
        (Self::TaskFailed, "the task did not succeed; with --propagate-exit-code its own code stands here"),
        (Self::Authentication, "no token, or none that the server takes"),
        (Self::NotFound, "what was named does not exist"),
        (Self::Conflict, "at odds with the present state of things, or changed by somebody else meanwhile"),
        (Self::TimedOut, "the wait ended before the task did; the task goes on"),
        (Self::Unsatisfiable, "as things are it can never run (submit --check, why --exit-status)"),
        (Self::Interrupted, "interrupted; nothing was cancelled"),
    ];

    /// The process's exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Error => 1,
            Self::Usage => 2,
            Self::TaskFailed => 3,
            Self::Authentication => 4,
            Self::NotFound => 5,
            Self::Conflict => 6,
            Self::TimedOut => 7,
            Self::Unsatisfiable => 8,
            Self::Interrupted => 130,
            Self::Task(code) => code,
        }
    }

    /// The exit for an answer or its absence.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        match error {
            Error::Problem(problem) => Self::of_problem(problem),
            Error::Foreign { status: 401, .. } => Self::Authentication,
            Error::Config(_) | Error::InClear(_) => Self::Usage,
            Error::Foreign { .. } | Error::Transport { .. } => Self::Error,
        }
    }

    fn of_problem(problem: &Problem) -> Self {
        use ProblemCode as C;
        match problem.code {
            C::InvalidParameter | C::ValidationFailed => Self::Usage,
            C::Unauthenticated => Self::Authentication,
            C::TaskNotFound
            | C::AttemptNotFound
            | C::QueueNotFound
            | C::BudgetNotFound
            | C::RunnerNotFound
            | C::TokenNotFound
            | C::UploadNotFound
            | C::LogExpired => Self::NotFound,
            C::Conflict
            | C::QueueDraining
            | C::QueueFull
            | C::Superseded
            | C::RunnerNameTaken
            | C::Cancelled
            | C::PreconditionFailed
            | C::IdempotencyMismatch => Self::Conflict,
            C::InvalidBody
            | C::Forbidden
            | C::RouteNotFound
            | C::MethodNotAllowed
            | C::BodyTooLarge
            | C::BodyTooSlow
            | C::LogFull
            | C::UnsupportedMediaType
            | C::LogOffset
            | C::RateLimited
            | C::Internal
            | C::Unavailable
            | C::TimedOut => Self::Error,
            // A code of a newer server: its status is still known.
            C::Unknown => match problem.status {
                401 => Self::Authentication,
                404 | 410 => Self::NotFound,
                409 | 412 => Self::Conflict,
                _ => Self::Error,
            },
        }
    }

    /// The exit for a task that has ended; with `propagate` the code that a shell would have seen of its command.
    #[must_use]
    pub fn of_task(task: &Task, propagate: bool) -> Self {
        if task.state == TaskState::Succeeded {
            return Self::Ok;
        }
        let ended = task.ended.as_ref().filter(|_| propagate);
        let code = ended.and_then(|e| e.signal.map(|s| s + 128).or(e.exit_code)).and_then(|code| u8::try_from(code).ok());
        // A task that did not succeed never exits 0, whatever its command returned.
        code.filter(|code| *code != 0).map_or(Self::TaskFailed, Self::Task)
    }
}

/// Why a command ends early: the exit, and what to tell the user.
#[derive(Debug)]
pub struct Failure {
    /// The exit.
    pub exit: Exit,
    /// What happened, where and why; none where there is nothing to say.
    pub message: Option<String>,
    /// What to do next, one line each.
    pub hints: Vec<String>,
}

impl Failure {
    /// A failure with a message.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: Some(message.into()), hints: Vec::new() }
    }

    /// Something typed is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// An end without a word.
    #[must_use]
    pub fn quiet(exit: Exit) -> Self {
        Self { exit, message: None, hints: Vec::new() }
    }

    /// With a next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// A failure to write: whoever closed the pipe (`| head`) has seen enough, and that is no error.
    #[must_use]
    pub fn of_write(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::quiet(Exit::Ok);
        }
        Self::new(Exit::Error, format!("cannot write the output: {error}"))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failure = Self::new(Exit::of(&error), error.to_string());
        match &error {
            Error::Problem(problem) => of_problem(failure, problem),
            Error::Transport { .. } if let Some(why) = error.untrusted() => of_certificate(failure, why),
            Error::Transport { url, .. } if loopback(url) => {
                failure.hint("start a server with: slipway up").hint("or name another: --url URL, or SLIPWAY_URL")
            }
            Error::Transport { .. } => failure.hint("check the address: --url URL, or SLIPWAY_URL"),
            Error::Foreign { .. } => failure.hint("does --url or SLIPWAY_URL name a Slipway server?"),
            Error::InClear(_) => failure
                .hint("use its https address")
                .hint("where the way there is yours alone: --allow-plain-http, or SLIPWAY_ALLOW_PLAIN_HTTP=true"),
            Error::Config(_) => failure.hint("an address looks like this: http://127.0.0.1:7227"),
        }
    }
}

/// What to do about a certificate that cannot be trusted.
fn of_certificate(failure: Failure, why: &str) -> Failure {
    // The latter where an authority was replaced by one of the same name.
    if why.contains("UnknownIssuer") || why.contains("BadSignature") {
        return failure
            .hint("its certificate is from an authority that is not known here: name that authority's certificate (PEM)")
            .hint("with --ca-file FILE, or SLIPWAY_CA_FILE");
    }
    if why.contains("NotValidForName") || why.contains("not valid for name") {
        return failure.hint("its certificate is for another name: use one of the names in it");
    }
    if why.contains("Expired") || why.contains("expired") {
        return failure.hint("its certificate has expired, or this machine's clock is wrong");
    }
    failure.hint("ask whoever runs the server for its authority's certificate: --ca-file FILE, or SLIPWAY_CA_FILE")
}

fn of_problem(mut failure: Failure, problem: &Problem) -> Failure {
    failure.hints.extend(problem.hint.clone());
    match problem.code {
        ProblemCode::Unauthenticated => failure
            .hint("name a token: SLIPWAY_TOKEN, or --token-file FILE")
            .hint("on the server's machine: --data-dir DIR reads DIR/admin-token"),
        ProblemCode::Forbidden => failure.hint("see what your token allows: slipway whoami"),
        ProblemCode::RouteNotFound => failure.hint("compare the versions of client and server: slipway version"),
        ProblemCode::Internal => match &problem.request_id {
            Some(id) => failure.hint(format!("the server's log tells more about request {id}")),
            None => failure,
        },
        _ => failure,
    }
}

/// Whether an address is of this machine, where a server could be started and its token file be read.
#[must_use]
pub(crate) fn loopback(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Ended;

    #[test]
    fn every_problem_code_has_its_exit() {
        let listed: Vec<_> =
            ProblemCode::ALL.iter().map(|code| format!("{code} {}", Exit::of_problem(&Problem::new(*code)).code())).collect();
        insta::assert_snapshot!(listed.join("\n"));
        for (status, exit) in [(401, 4), (404, 5), (409, 6), (412, 6), (418, 1), (500, 1)] {
            let newer = Problem { status, ..Problem::new(ProblemCode::Unknown) };
            assert_eq!(Exit::of_problem(&newer).code(), exit, "unknown code with status {status}");
        }
    }

    #[test]
    fn a_task_that_did_not_succeed_never_exits_0() {
        use TaskState::{Cancelled, Failed, Succeeded};
        let end = |state, exit_code, signal| Task {
            ended: Some(Ended { exit_code, signal, ..Ended::default() }),
            ..crate::cli::testing::task(1, state)
        };
        for (task, plain, propagated) in [
            (end(Succeeded, Some(0), None), 0, 0),
            (end(Failed, Some(42), None), 3, 42),
            (end(Failed, None, Some(9)), 3, 137),
            (end(Failed, Some(0), None), 3, 3),
            (end(Failed, None, None), 3, 3),
            (end(Failed, Some(-1), None), 3, 3),
            (end(Cancelled, None, Some(15)), 3, 143),
        ] {
            assert_eq!(Exit::of_task(&task, false).code(), plain, "{task:?}");
            assert_eq!(Exit::of_task(&task, true).code(), propagated, "{task:?}");
        }
    }

    #[test]
    fn loopback_is_this_machine_only() {
        for near in ["http://127.0.0.1:7227", "http://localhost", "http://[::1]:1/x", "https://127.9.9.9"] {
            assert!(loopback(near), "{near}");
        }
        for far in ["http://10.0.0.1", "https://localhost.example.org", "nonsense"] {
            assert!(!loopback(far), "{far}");
        }
    }

    #[test]
    fn a_closed_pipe_is_no_error() {
        let failure = Failure::of_write(&io::ErrorKind::BrokenPipe.into());
        assert_eq!((failure.exit, failure.message), (Exit::Ok, None));
    }
}
