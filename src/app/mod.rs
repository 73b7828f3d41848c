//! The composition of the programs: main, configuration, clock, randomness, telemetry.

#[cfg(all(feature = "server", feature = "cli", feature = "agent"))]
mod admin;
#[cfg(feature = "agent")]
pub mod agent;
pub mod ambient;
#[cfg(all(feature = "server", feature = "cli", feature = "agent"))]
mod args;
#[cfg(all(feature = "server", feature = "cli", feature = "agent"))]
mod bootstrap;
#[cfg(all(feature = "server", feature = "cli", feature = "agent"))]
mod completion;
#[cfg(all(feature = "server", feature = "cli", feature = "agent"))]
mod data_dir;
#[cfg(all(feature = "server", feature = "cli", feature = "agent"))]
mod directed;
#[cfg(all(feature = "server", feature = "cli", feature = "agent"))]
mod file;
#[cfg(all(feature = "server", feature = "cli", feature = "agent", feature = "glue"))]
mod glue;
#[cfg(all(feature = "server", feature = "cli", feature = "agent"))]
mod issuers;
#[cfg(all(feature = "server", feature = "cli", feature = "agent"))]
mod kept;
#[cfg(all(feature = "server", feature = "cli", feature = "agent"))]
mod main;
#[cfg(all(feature = "server", feature = "cli", feature = "agent"))]
mod pod;
#[cfg(all(feature = "server", feature = "cli", feature = "agent"))]
mod prompt;
#[cfg(all(feature = "server", feature = "cli", feature = "agent"))]
mod room;
#[cfg(all(feature = "server", feature = "cli", feature = "agent"))]
mod runner;
#[cfg(all(feature = "server", feature = "cli", feature = "agent"))]
mod serve;
#[cfg(all(feature = "server", feature = "cli", feature = "agent"))]
mod surroundings;
#[cfg(all(feature = "server", feature = "cli", feature = "agent"))]
mod telemetry;
#[cfg(feature = "tools")]
pub mod tools;
#[cfg(all(feature = "server", feature = "cli", feature = "agent"))]
mod turn;
#[cfg(all(feature = "server", feature = "cli", feature = "agent"))]
mod up;

#[cfg(all(feature = "server", feature = "cli", feature = "agent"))]
pub use main::main;
