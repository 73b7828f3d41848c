//! `slipway whoami`

use super::{
    context::{Common, Context},
    exit::{Exit, Failure},
    style::clean,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway whoami
  slipway whoami -o json";

/// The arguments of `whoami`.
#[derive(Clone, Debug, clap::Args)]
pub struct WhoamiArgs {
    #[command(flatten)]
    pub(super) common: Common,
}

/// Shows who the server takes the caller for.
pub(super) async fn run(_args: WhoamiArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let me = client.whoami().await?;
    context.print(&me, |me| vec![me.user.clone()], |me| format!("{}, {} at {}\n", clean(&me.user), me.role, client.base()))?;
    Ok(Exit::Ok)
}
