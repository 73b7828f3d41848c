//! Who carries the tasks.

use crate::{
    Failure,
    case::Case,
    controller::{Controller, Running},
    feeder,
    ground::Ground,
    judge::Stored,
    options::Options,
    ours::Ours,
    sight::Signal,
};
use std::collections::BTreeMap;

/// One of those that are compared.
pub(crate) enum Side {
    /// Plain Jobs, of which a feeder keeps as many in flight as there are slots; by what it sees that one is free.
    Feeder(Signal),
    /// Our server and glue.
    Ours,
    /// A queue controller of somebody else.
    Controller(Controller),
}

/// What a side told of its tasks.
pub(crate) struct Told {
    /// When each was handed over.
    pub(crate) submitted: BTreeMap<i64, f64>,
    /// When each was over, by the word that users of this side wait for.
    pub(crate) finished: BTreeMap<i64, f64>,
    /// How each ended.
    pub(crate) stored: BTreeMap<i64, Stored>,
}

/// A side at work; it is gone when this is dropped.
pub(crate) enum Player {
    Feeder(Signal),
    Ours(Box<Ours>),
    Controller(Running),
}

impl Side {
    /// As people read it.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Feeder(Signal::Job) => "Jobs, waits for the Job",
            Self::Feeder(Signal::Pod) => "Jobs, waits for the pod",
            Self::Ours => "Slipway",
            Self::Controller(controller) => &controller.name,
        }
    }

    /// As the command line names it.
    pub(crate) fn flag(&self) -> &'static str {
        match self {
            Self::Feeder(Signal::Job) => "jobs",
            Self::Feeder(Signal::Pod) => "pods",
            Self::Ours => "slipway",
            Self::Controller(_) => "controller",
        }
    }

    /// Starts what this side needs, until it could take tasks.
    pub(crate) async fn ready(&self, ground: &mut Ground, case: Case, options: &Options) -> Result<Player, Failure> {
        Ok(match self {
            Self::Feeder(signal) => Player::Feeder(*signal),
            Self::Ours => Player::Ours(Box::new(Ours::start(ground, case, options).await)),
            Self::Controller(controller) => Player::Controller(controller.start(ground, case).await?),
        })
    }
}

impl Player {
    /// Its programs beside the control plane, by name.
    pub(crate) fn programs(&self) -> BTreeMap<&'static str, u32> {
        match self {
            Self::Feeder(_) => BTreeMap::new(),
            Self::Ours(ours) => ours.programs(),
            Self::Controller(running) => running.programs(),
        }
    }

    /// Hands over all tasks and waits for the end of the last.
    pub(crate) async fn play(&self, ground: &Ground, case: Case) -> Result<Told, Failure> {
        match self {
            Self::Feeder(signal) => feeder::play(ground, case, *signal).await,
            Self::Ours(ours) => ours.play(ground, case).await,
            Self::Controller(running) => running.play(ground, case).await,
        }
    }
}
