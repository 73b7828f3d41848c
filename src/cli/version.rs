//! `slipway version`

use super::{
    context::{Common, Context},
    exit::{Exit, Failure},
    style::clean,
};
use crate::wire::Version;
use serde::Serialize;
use std::time::Duration;

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway version
  slipway version -o json";

/// The arguments of `version`.
#[derive(Clone, Debug, clap::Args)]
pub struct VersionArgs {
    #[command(flatten)]
    pub(super) common: Common,
}

/// The versions at both ends.
#[derive(Debug, Serialize)]
struct Versions {
    client: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<Version>,
}

/// A server that does not answer at once is not waited for: half of the answer is here already.
const PATIENCE: Duration = Duration::from_secs(3);

/// Shows the versions of this program and of the server; that there is no server is no failure.
pub(super) async fn run(_args: VersionArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?.with_timeout(PATIENCE);
    let answer = client.version().await;
    let missing = answer.as_ref().err().map(ToString::to_string);
    let versions = Versions { client: env!("CARGO_PKG_VERSION"), server: answer.ok() };
    context.print(
        &versions,
        |versions| vec![versions.client.to_owned()],
        |versions| {
            let server = versions.server.as_ref().map(|server| format!("server  {} at {}\n", clean(&server.version), client.base()));
            format!("client  {}\n{}", versions.client, server.unwrap_or_default())
        },
    )?;
    if let Some(why) = missing {
        context.console.note(format_args!("server  none: {why}"));
    }
    Ok(Exit::Ok)
}
