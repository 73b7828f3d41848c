//! Uploads: bytes that go with tasks, by their SHA-256.

use super::{AttemptNumber, Output, Sha256};
use serde::{Deserialize, Serialize};

/// Where a piece of an upload belongs; the query of `PUT /uploads/{sha256}`. The body holds the raw bytes, at most 8 MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::IntoParams))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UploadQuery {
    /// The length of the whole upload in bytes, at most 1 GiB.
    pub size: u64,
    /// The position of the first byte of the body.
    #[serde(default)]
    pub offset: u64,
}

/// How far an upload of the caller has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Upload {
    /// The SHA-256 of its bytes.
    pub sha256: Sha256,
    /// How many bytes are there: where to go on.
    pub received: u64,
    /// Whether it is whole: a task of the caller may name it. One that no task names goes after a day.
    pub complete: bool,
}

/// The files that one attempt of a task left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct OutputList {
    /// The attempt; absent where none left any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptNumber>,
    /// The files, in the order of their paths.
    pub items: Vec<Output>,
}

/// Which part of a file is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::IntoParams))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UploadRange {
    /// The position of the first byte.
    #[serde(default)]
    pub offset: u64,
}
