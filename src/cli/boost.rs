//! `slipway boost`

use super::{
    context::{Common, Context},
    exit::{Exit, Failure},
    several,
    task_ref::TaskRef,
};
use crate::{
    client::Client,
    wire::{BoostRequest, Task},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway boost 1042                before every priority of its queue
  slipway boost 1042 --off          back to where its priority puts it

For operators. Limits and budgets hold for it as for all others.";

/// The arguments of `boost`.
#[derive(Clone, Debug, clap::Args)]
pub struct BoostArgs {
    /// The tasks: ids, names, or @ for your last
    #[arg(value_name = "TASK", required = true)]
    tasks: Vec<TaskRef>,
    /// Take it back
    #[arg(long)]
    off: bool,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Boosts tasks, or takes it back.
pub(super) async fn run(args: BoostArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let request = BoostRequest { boost: !args.off };
    let (mut done, mut failures) = (Vec::new(), Vec::new());
    for task in &args.tasks {
        match boost(task, &request, context, &client).await {
            Ok(task) => done.push(task),
            Err(failure) => failures.push(failure),
        }
    }
    several::print(context, done, |task| format!("{} {}", task.id, if task.boosted { "boosted" } else { "no longer boosted" }))?;
    several::conclude(context, failures)
}

async fn boost(task: &TaskRef, request: &BoostRequest, context: &Context, client: &Client) -> Result<Task, Failure> {
    let id = task.id_to_stop(context, client).await?;
    Ok(client.boost_task(id, request, context.key()).await?)
}
