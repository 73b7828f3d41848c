//! The program beside the user's command: it starts the command, ships its output, keeps the heartbeat, reports the
//! result.
//!
//! It is two processes of one binary. [`init`] is small and plain: it holds the attempt's lock, passes signals on,
//! reaps whatever the command leaves behind, and makes sure that nothing survives. [`work`] is its child and does
//! everything else. Either one's death ends the other and the command.
//!
//! # The attempt's directory
//! [`crate::wire::handoff::files`] names what stands in it. Who starts an agent makes the directory (mode 0700) and the
//! assignment in it. The command runs in `scratch/`, with `HOME` and `TMPDIR` in `home/` and `tmp/` beside it; the
//! three are removed at the end.
//!
//! # Guarantees
//! - The command starts only after the exclusive start was granted and the first heartbeat was answered.
//! - A server out of reach never stops the command, and never holds up its output.
//! - When the result is reported, no process of the attempt lives.
//! - A free lock means that both processes are dead. It does not mean that the command's are, if they were killed.
//!
//! # Exit codes
//! 0 once the server has the result and the log, whatever the result; 97 where the attempt was superseded or
//! cancelled; 98 where it could not be set up; 99 for a fault of the agent, or where the result could not be delivered.

mod clean;
mod command;
mod finish;
mod init;
mod link;
mod log;
mod raw;
mod signals;
mod supervise;
mod tree;
mod worker;

pub use init::init;
pub use worker::work;

use crate::domain::{Clock, Rng};
use std::{ffi::OsString, process::ExitCode, sync::Arc};

/// What an agent takes from the machine and the program it is part of.
#[derive(Clone)]
pub struct Ambient {
    /// Its clock.
    pub clock: Arc<dyn Clock>,
    /// Its randomness.
    pub rng: Arc<dyn Rng>,
    /// What of the agent's environment the command gets: `PATH`, `USER` and `LANG`, where they are set.
    pub env: Vec<(OsString, OsString)>,
    /// The client's name, `name/version`.
    pub program: String,
}

/// Why an agent ends without having delivered a result.
#[derive(Debug, thiserror::Error)]
enum Exit {
    /// The server said that the attempt is superseded or cancelled.
    #[error("the attempt is over: {0}")]
    Over(String),
    /// The attempt could not be set up; another try may be better.
    #[error("cannot set up the attempt: {0}")]
    Setup(String),
    /// A fault of the agent or its machine, or a result that could not be delivered.
    #[error("{0}")]
    Fault(String),
}

impl Exit {
    fn setup(why: impl Into<String>) -> Self {
        Self::Setup(why.into())
    }

    fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Over(_) => 97,
            Self::Setup(_) => 98,
            Self::Fault(_) => 99,
        })
    }
}
