//! Slipway: a Kubernetes-glue job scheduler with multi-queue pod templates.
//!
//! The rooms of the house and the edges between them are drawn in `docs/ARCHITECTURE.md` and held by
//! `tests/house.rs`.

#[cfg(feature = "agent")]
pub mod agent;
pub mod app;
#[cfg(feature = "server")]
pub mod blob;
#[cfg(feature = "cli")]
pub mod cli;
pub mod client;
pub mod domain;
#[cfg(feature = "cli")]
pub mod runner;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "server")]
pub mod store;
#[cfg(feature = "template")]
pub mod template;
#[cfg(feature = "tools")]
pub mod tools;
pub mod wire;
