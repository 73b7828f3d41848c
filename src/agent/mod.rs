//! The program beside the user's command: it starts the command, ships its output, keeps the heartbeat, reports the
//! result.
//!
//! It is two processes of one binary. [`init`] is small and plain: it holds the attempt's lock, passes signals on,
//! reaps whatever the command leaves behind, and makes sure that nothing survives. [`work`] is its child and does
//! everything else. Either one's death ends the other and the command.
//!
//! # Places
//! The same agent carries an attempt of the process runner and one in a pod; a [`Place`] holds what differs.
//!
//! | | a directory on a machine | a pod |
//! | --- | --- | --- |
//! | made by | the process runner, mode 0700 | the glue: mounts of [`crate::domain::pod`] |
//! | assignment | in the directory, removed once it is used up | a mounted Secret; the UID comes from the environment |
//! | environment | made anew | the container's, without `SLIPWAY_*` |
//! | working directory | `scratch/` | the image's; `scratch/` where that is `/` |
//! | result, second way | `result.json` | the termination message, which also says why there is no result |
//! | log | to the server | to the server and to standard output |
//!
//! [`crate::wire::handoff::files`] names what stands in the attempt's directory. `HOME` and `TMPDIR` are `home/` and
//! `tmp/` there, unless an image has its own; `scratch/`, `home/` and `tmp/` are removed at the end.
//!
//! [`install`] brings the agent into a pod. Where the image's own entrypoint is the command, [`gate`] passes the start
//! for it and nothing else.
//!
//! # Guarantees
//! - The command starts only after the exclusive start was granted and the first heartbeat was answered.
//! - A server out of reach never stops the command, and never holds up its output.
//! - When the result is reported, no process of the attempt lives.
//! - A free lock means that both processes are dead. It does not mean that the command's are, if they were killed.
//!
//! # Exit codes
//! 0 once the server has the result and the log, whatever the result, but in a pod the command's own, so that the cluster
//! shows it; 97 where the attempt was superseded or cancelled; 98 where it could not be set up; 99 for a fault of the agent,
//! or where the result could not be delivered.

mod cgroup;
mod checkpoint;
mod clean;
mod command;
mod environment;
mod finish;
mod gate;
mod init;
mod inside;
mod install;
mod link;
mod log;
mod mask;
mod notebook;
mod oom;
mod outputs;

mod place;
mod raw;
mod setup;
mod signals;
mod supervise;
mod testament;
mod tree;
mod usage;
mod worker;

pub use environment::Vars;
pub use gate::gate;
pub use init::init;
pub use inside::{USAGE as SAYINGS, say};
pub use install::install;
pub use mask::{LEAST, MASKED, Mask, PEEK, Secrets};
pub use place::{Place, Pod};
pub use worker::work;

use crate::domain::{Clock, Rng};
use std::{process::ExitCode, sync::Arc};

/// What an agent takes from the machine and the program it is part of.
#[derive(Clone)]
pub struct Ambient {
    /// Its clock.
    pub clock: Arc<dyn Clock>,
    /// Its randomness.
    pub rng: Arc<dyn Rng>,
    /// The agent's own environment, of which the command gets what its place allows.
    pub env: Vars,
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

    fn number(&self) -> u8 {
        match self {
            Self::Over(_) => 97,
            Self::Setup(_) => 98,
            Self::Fault(_) => 99,
        }
    }

    /// Says it where somebody will read it; the exit code.
    fn end(&self, place: &Place) -> ExitCode {
        tracing::error!("{self}");
        place.confess(self);
        ExitCode::from(self.number())
    }
}
