//! What is compared, behind one trait.

use crate::Failure;
use futures::future::BoxFuture;
use std::time::{Duration, Instant};

/// What every task carries, 300 bytes: a task of ours as JSON, and the same text as the payload of everybody else.
pub(crate) const BODY: &str = concat!(
    r#"{"command":["python","train.py","--lr","3e-4","--epochs","90"],"name":"resnet","labels":{"team":"vision"},"env":{"A":""#,
    "012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
    "01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678",
    r#""}}"#
);
const _: () = assert!(BODY.len() == 300, "the payload of everybody");

/// How a driver is loaded.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// Callers at once.
    pub(crate) connections: usize,
    /// Tasks a call.
    pub(crate) batch: usize,
    /// No call begins after that.
    pub(crate) time: Duration,
}

/// What a driver did, acknowledged.
#[derive(Clone, Copy, Default)]
pub(crate) struct Done {
    /// Tasks.
    pub(crate) tasks: usize,
    /// From the first call to the last answer, in seconds.
    pub(crate) seconds: f64,
}

impl Done {
    /// So many tasks since then.
    pub(crate) fn since(began: Instant, tasks: usize) -> Self {
        Self { tasks, seconds: began.elapsed().as_secs_f64() }
    }

    /// Tasks a second.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub(crate) fn rate(self) -> f64 {
        self.tasks as f64 / self.seconds.max(1e-9)
    }
}

/// What drivers are compared by when they drain.
pub(crate) const DRAIN: &str = "claim + ack by 100";

/// Parts of a piece of work, by name.
pub(crate) type Parts = Vec<(&'static str, Done)>;

/// Processes whose CPU time is told apart.
#[derive(Default)]
pub(crate) struct Processes {
    /// Of the queue: its server, or its client library.
    pub(crate) queue: Vec<u32>,
    /// Of its database, with all children.
    pub(crate) database: Vec<u32>,
}

/// One queue, or a probe that does the least that a queue must. Opening it is the setup; it removes all of it when dropped.
pub(crate) trait Driver {
    /// As it stands in the results.
    fn name(&self) -> &'static str;

    /// Submits until the time is over; counts what was acknowledged as durable, and remembers the ids. Nothing where the driver
    /// cannot.
    fn submit(&mut self, load: Load) -> BoxFuture<'_, Result<Done, Failure>>;

    /// Claims and acknowledges until the time is over or nothing is left. The first part is what all drivers are compared by
    /// ([`DRAIN`]); empty where the driver cannot.
    fn drain(&mut self, load: Load) -> BoxFuture<'_, Result<Parts, Failure>>;

    /// Whose CPU time counts as its own.
    fn processes(&self) -> Processes {
        Processes::default()
    }

    /// Every acknowledged task exists exactly once, and each drained one was acknowledged exactly once; else the figures are void.
    fn verify(&mut self) -> BoxFuture<'_, Result<(), Failure>>;
}
