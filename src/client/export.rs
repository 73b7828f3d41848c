//! History as lines of JSON.

use super::{Client, Error};
use crate::wire::{UsageQuery, UsageReport};
use reqwest::{Method, Response};
use serde::Serialize;
use std::time::Duration;

/// An export may take as long as it moves: the limit only ends what hangs for ever.
const DOWNLOAD: Duration = Duration::from_hours(24);

impl Client {
    /// Tasks, attempts, usage or the audit log, one JSON object a line as they come; read the answer piece by piece, it may be large.
    pub async fn export(&self, what: &str, query: &impl Serialize) -> Result<Response, Error> {
        self.call(Method::GET, &format!("api/v1/export/{what}")).query(query).timeout(DOWNLOAD).response().await
    }

    /// What attempts took of slots and GPUs, added up.
    pub async fn usage(&self, query: &UsageQuery) -> Result<UsageReport, Error> {
        self.call(Method::GET, "api/v1/usage").query(query).send().await
    }
}
