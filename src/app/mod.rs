//! The composition of the programs: main, configuration, clock, randomness, telemetry.

#[cfg(feature = "agent")]
pub mod agent;
pub mod ambient;
