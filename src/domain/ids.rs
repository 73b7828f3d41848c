//! Identifiers. Each is its own type, so that one cannot be passed for another.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

macro_rules! integer_id {
    ($(#[$doc:meta])* $name:ident, $int:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
        #[serde(transparent)]
        pub struct $name(pub $int);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map($name)
            }
        }
    };
}

integer_id!(
    /// A task: a small integer from the database, rising in commit order, never reused, shown as it is (`1042`).
    TaskId, i64
);
integer_id!(
    /// One try of a task, from 1, strictly increasing for the task's whole life. It is the fencing value: every
    /// write about an attempt carries it, and a write with any but the live number changes nothing.
    AttemptNumber, u32
);
integer_id!(
    /// The position of an event in the log of all events; also the cursor that resumes a stream.
    EventId, i64
);

impl AttemptNumber {
    /// The number of a task that nobody has claimed yet.
    pub const NONE: AttemptNumber = AttemptNumber(0);

    /// The number that the next claim gets.
    #[must_use]
    pub fn next(self) -> AttemptNumber {
        AttemptNumber(self.0 + 1)
    }
}

/// One attempt of one task, shown as `1042/2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct AttemptRef {
    /// The task.
    pub task: TaskId,
    /// Its attempt.
    pub attempt: AttemptNumber,
}

impl fmt::Display for AttemptRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.task, self.attempt)
    }
}
