//! `slipway whoami`

use super::{
    context::{Common, Context},
    exit::{Exit, Failure},
    style::clean,
};
use crate::wire::{RoleGrant, Whoami};

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

/// The roles and where they count.
fn roles(me: &Whoami) -> String {
    if me.grants.is_empty() {
        return me.role.to_string();
    }
    let place =
        |grant: &RoleGrant| grant.queues.as_ref().map_or_else(|| "everywhere".to_owned(), |queues| format!("in {}", queues.join(",")));
    let all = me.grants.iter().map(|grant| format!("{} {}", grant.role, place(grant)));
    clean(&all.collect::<Vec<_>>().join(", "))
}

/// Shows who the server takes the caller for.
pub(super) async fn run(_args: WhoamiArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let me = client.whoami().await?;
    context.print(&me, |me| vec![me.user.clone()], |me| format!("{}, {} at {}\n", clean(&me.user), roles(me), client.base()))?;
    Ok(Exit::Ok)
}
