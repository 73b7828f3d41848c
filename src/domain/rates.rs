//! How often one caller may call. A limit per kind of call, each with a bucket of its own for each credential, so that whoever
//! calls too often slows down nobody else, and never the signs of life of its own tasks.

use serde::{Deserialize, Serialize};

/// A bucket: it fills by `per_second`, and holds `burst` at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rate {
    /// Calls a second in the long run; 0 is no limit at all.
    pub per_second: u32,
    /// Calls at once after a pause; at least 1.
    pub burst: u32,
}

impl Rate {
    /// What is wrong with it.
    #[must_use]
    pub fn wrong(self) -> Option<&'static str> {
        (self.per_second > 0 && self.burst == 0).then_some("burst: at least 1")
    }
}

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A user reads.
    Read,
    /// A user changes something.
    Write,
    /// A runner claims and reports.
    Runner,
    /// A sign of life, and the start and the end of an attempt.
    Beat,
    /// Bytes: logs, uploads, outputs, and what an attempt says of itself.
    Bytes,
    /// A caller who has not shown who it is: by address, since there is nothing else.
    Stranger,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Read, Self::Write, Self::Runner, Self::Beat, Self::Bytes, Self::Stranger];

    /// Its word, in headers and in the server's file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Runner => "runner",
            Self::Beat => "beat",
            Self::Bytes => "bytes",
            Self::Stranger => "stranger",
        }
    }
}

/// The limits of one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Rates {
    /// See [`Action::Read`]; the same for the others.
    pub read: Rate,
    /// Calls that change something.
    pub write: Rate,
    /// Claims and reports.
    pub runner: Rate,
    /// Signs of life.
    pub beat: Rate,
    /// Bytes.
    pub bytes: Rate,
    /// Strangers, for each address.
    pub stranger: Rate,
}

impl Default for Rates {
    /// Far above what people and their scripts do, and a fraction of what a server does, so that no credential can take all of it.
    fn default() -> Self {
        let rate = |per_second, burst| Rate { per_second, burst };
        Self {
            read: rate(500, 2_000),
            write: rate(1_000, 5_000),
            runner: rate(200, 1_000),
            beat: rate(50, 200),
            bytes: rate(2_000, 4_000),
            stranger: rate(500, 2_000),
        }
    }
}

impl Rates {
    /// No limits: for measurements of something else.
    #[must_use]
    pub fn none() -> Self {
        let free = Rate { per_second: 0, burst: 1 };
        Self { read: free, write: free, runner: free, beat: free, bytes: free, stranger: free }
    }

    /// The limit of a kind of call.
    #[must_use]
    pub fn of(&self, action: Action) -> Rate {
        match action {
            Action::Read => self.read,
            Action::Write => self.write,
            Action::Runner => self.runner,
            Action::Beat => self.beat,
            Action::Bytes => self.bytes,
            Action::Stranger => self.stranger,
        }
    }

    /// What is wrong with them, with the place.
    #[must_use]
    pub fn wrong(&self) -> Option<String> {
        Action::ALL.into_iter().find_map(|action| Some(format!("{}.{}", action.as_str(), self.of(action).wrong()?)))
    }
}
