//! How a server is, for those who may know more than whether it is ready.

use super::Timestamp;
use serde::{Deserialize, Serialize};

/// How the server is: the answer to `GET /health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// Its version.
    pub version: String,
    /// Its clock.
    pub at: Timestamp,
    /// Its database.
    pub database: DatabaseHealth,
}

/// How a server's database is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DatabaseHealth {
    /// Which: `sqlite`.
    pub kind: String,
    /// The newest migration that it has had.
    pub schema: i64,
    /// The newest migration that the server knows.
    pub known_schema: i64,
    /// How long a read took, in milliseconds.
    pub read_ms: u64,
    /// How long a write took from its request to its place on the disk, in milliseconds.
    pub commit_ms: u64,
}
