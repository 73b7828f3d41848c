//! What cluster tests are made of.

pub(crate) mod audit;
pub(crate) mod cluster;
mod custom;
mod harm;
pub(crate) mod identity;
mod objects;
mod recorder;
pub(crate) mod registry;
mod run;
mod scene;
mod steps;
pub(crate) mod testbed;
mod webhook;
mod world;

pub(crate) use cluster::HOST;
pub(crate) use custom::{Custom, PYTORCH, condition, world_of};
pub(crate) use objects::{limit, phase, task, task_container};
pub(crate) use recorder::Recorder;
pub(crate) use run::{Group, Test, run, tests};
pub(crate) use scene::Scene;
pub(crate) use steps::{admin, plain_queue};
pub(crate) use testbed::script;
pub(crate) use webhook::Webhook;
pub(crate) use world::{World, times};
