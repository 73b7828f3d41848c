//! The states of a task, the phases of an attempt, and what they are called.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Makes an enum whose text form (JSON, SQL, CLI) stands in one place, right beside the variant.
// A `literal` would come in a group that derives cannot look into, and the API document would show the variants.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:tt),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant),+
        }

        impl $name {
            /// Every value, in order.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word for it, the same in JSON, in the database, in metrics and on the command line.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!("{text:?} is none of: {}", [$($word),+].join(", "))),
                }
            }
        }
    };
}
pub(super) use words;

words!(
    /// The state of a task. Clients must accept values they do not know.
    TaskState {
        /// Held back: a pause before the next attempt.
        Waiting = "waiting",
        /// Ready to be claimed.
        Queued = "queued",
        /// Has a live attempt.
        Active = "active",
        /// Ended by exit code 0.
        Succeeded = "succeeded",
        /// Ended otherwise; class and reason say how.
        Failed = "failed",
        /// Stopped on request.
        Cancelled = "cancelled",
    }
);

impl TaskState {
    /// Whether the task has ended. An ended task never changes.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

words!(
    /// The phase of an attempt, in the order in which an attempt goes through them. It never goes back.
    Phase {
        /// A runner holds it.
        Claimed = "claimed",
        /// Its Job exists, no node yet.
        Scheduling = "scheduling",
        /// A node pulls its image.
        Pulling = "pulling",
        /// The agent started.
        Starting = "starting",
        /// The agent prepares code and environment.
        Setup = "setup",
        /// The command runs.
        Running = "running",
        /// The result is stored, the rest of the log is on its way.
        Finishing = "finishing",
        /// Over.
        Ended = "ended",
    }
);

words!(
    /// Who or what is at fault for a failed attempt; it chooses the retry budget.
    FailureClass {
        /// The user's command.
        User = "user",
        /// The memory limit.
        Oom = "oom",
        /// The machine or the cluster, with evidence.
        Infra = "infra",
        /// It died without a result or better evidence.
        Lost = "lost",
        /// Code or environment could not be prepared.
        Setup = "setup",
        /// The image could not be had.
        Image = "image",
        /// It ran longer than allowed.
        Timeout = "timeout",
        /// The template or its configuration.
        Config = "config",
        /// A rule of the queue.
        Policy = "policy",
    }
);

words!(
    /// Why an attempt ended as it did. The code is stable: it names a documentation anchor and a metric label.
    Reason {
        /// The command ended with a code other than 0, or by a signal.
        ExitNonZero = "ExitNonZero",
        /// It ran longer than its `timeoutSeconds`.
        DeadlineExceeded = "DeadlineExceeded",
        /// Somebody stopped it.
        Cancelled = "Cancelled",
        /// The machine told it to go: drain, shutdown.
        Evicted = "Evicted",
        /// The machine restarted under it.
        NodeLost = "NodeLost",
        /// It died without leaving a result, or an operator gave it up.
        AttemptLost = "AttemptLost",
        /// The agent could not be started.
        AgentNotStarted = "AgentNotStarted",
    }
);

words!(
    /// How soon a task is served, before all other rules but an operator's boost.
    #[derive(Default)]
    Priority {
        /// Before everything else.
        Critical = "critical",
        /// Before normal work.
        High = "high",
        /// The default.
        #[default]
        Normal = "normal",
        /// When nothing else waits.
        Low = "low",
    }
);

impl Priority {
    /// The band in the order of service: 0 is served first.
    #[must_use]
    pub fn band(self) -> i64 {
        self as i64
    }
}
