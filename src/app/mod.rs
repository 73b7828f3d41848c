//! The composition of the programs: main, configuration, clock, randomness, telemetry.

pub mod ambient;
