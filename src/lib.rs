//! Slipway: a Kubernetes-glue job scheduler with multi-queue pod templates.
//!
//! The rooms of the house and the edges between them are drawn in `docs/ARCHITECTURE.md` and held by
//! `tests/house.rs`.

pub mod app;
#[cfg(feature = "cli")]
pub mod cli;
pub mod client;
pub mod domain;
pub mod wire;
