//! `slipway rerun`

use super::{
    after::AfterArgs,
    context::{Common, Context},
    exit::{Exit, Failure},
    task_ref::TaskRef,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway rerun 1042              the same task once more, under a new id
  slipway rerun @ --wait          your last one, waiting for its end";

/// The arguments of `rerun`.
#[derive(Clone, Debug, clap::Args)]
pub struct RerunArgs {
    /// The task: its id, its name, or @ for your last
    #[arg(value_name = "TASK")]
    task: TaskRef,
    #[command(flatten)]
    after: AfterArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Submits a task once more, then detaches, waits or follows.
pub(super) async fn run(args: RerunArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let id = args.task.id(context, &client).await?;
    let task = client.rerun_task(id, context.key()).await?;
    args.after.go(context, &client, task).await
}
