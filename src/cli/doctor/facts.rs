//! What was seen, before anybody judges it.

use super::canary::Sung;
use crate::{
    client::{Error, Greeting},
    wire::{Health, ProblemCode, Queue, Rendering, Role, Runner, RunnerName, Timestamp, Version, Whoami},
};
use std::time::Duration;

/// Everything that was seen. What was not asked for is `None`; what could not be had is [`Trouble`].
#[derive(Debug)]
pub(super) struct Facts {
    /// The server's address as it was given.
    pub(super) url: String,
    /// Whether this program runs in the cluster of the server and its pods.
    pub(super) in_cluster: bool,
    /// The time here.
    pub(super) now: Timestamp,
    /// The version of this program.
    pub(super) client: &'static str,
    pub(super) greeted: Asked<Greeted>,
    pub(super) ready: Asked<()>,
    pub(super) me: Option<Asked<Whoami>>,
    pub(super) health: Option<Asked<Health>>,
    pub(super) runners: Option<Asked<Vec<Runner>>>,
    /// The addresses that glues give their pods, and who answered there.
    pub(super) bases: Vec<(RunnerName, String, Asked<Version>)>,
    pub(super) queues: Option<Asked<Vec<Looked>>>,
    pub(super) large: Option<Asked<Sent>>,
    pub(super) upload: Option<Asked<()>>,
    pub(super) stream: Option<Asked<Duration>>,
    pub(super) canary: Option<Asked<Sung>>,
}

impl Facts {
    /// Whether a Slipway server answered at all.
    pub(super) fn reached(&self) -> bool {
        self.greeted.is_ok()
    }

    /// The time by the server's clock, by which it tells when it heard a runner; by ours where it does not say.
    pub(super) fn there(&self) -> Timestamp {
        self.greeted.as_ref().ok().and_then(|greeted| greeted.greeting.date).unwrap_or(self.now)
    }

    /// What the caller may do; none where that is not known.
    pub(super) fn role(&self) -> Option<Role> {
        self.me.as_ref()?.as_ref().ok().map(|me| me.role)
    }
}

pub(super) type Asked<T> = Result<T, Trouble>;

/// The first words with the server.
#[derive(Clone, Debug)]
pub(super) struct Greeted {
    pub(super) greeting: Greeting,
    /// The time here, halfway between question and answer.
    pub(super) at: Timestamp,
    /// How long the answer took.
    pub(super) took: Duration,
}

/// A queue with what each runner on Kubernetes would make of it.
#[derive(Clone, Debug)]
pub(super) struct Looked {
    pub(super) queue: Queue,
    pub(super) rendered: Asked<Vec<Rendering>>,
}

/// A large request that was answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) bytes: usize,
    pub(super) took: Duration,
}

/// Why something could not be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nobody answered.
    Away(String),
    /// Somebody answered who is no Slipway server.
    Foreign(u16, String),
    /// The server said no.
    Refused(ProblemCode, String),
    /// The question cannot be asked as things are set here.
    Unasked(String),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Problem(problem) => Self::Refused(problem.code, text),
            Error::Foreign { status, .. } => Self::Foreign(status, text),
            Error::Transport { .. } => Self::Away(text),
            Error::Config(_) | Error::InClear(_) => Self::Unasked(text),
        }
    }
}

impl Trouble {
    /// What is to be said of it.
    pub(super) fn text(&self) -> &str {
        let (Self::Away(text) | Self::Foreign(_, text) | Self::Refused(_, text) | Self::Unasked(text)) = self;
        text
    }

    /// Whether the server is older than the question.
    pub(super) fn is_unknown_route(&self) -> bool {
        matches!(self, Self::Refused(ProblemCode::RouteNotFound, _))
    }

    /// Whether the caller may not ask that.
    pub(super) fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused(ProblemCode::Forbidden | ProblemCode::Unauthenticated, _))
    }

    /// Whether it is about a certificate.
    pub(super) fn is_of_certificate(&self) -> bool {
        matches!(self, Self::Away(text) | Self::Unasked(text) if text.contains("certificate") || text.contains("HTTPS"))
    }
}
