//! `slipway rerun`

use super::{
    after::AfterArgs,
    context::{Common, Context},
    exit::{Exit, Failure},
    task_ref::TaskRef,
};
use crate::wire::{Indices, OnlyElements, RerunRequest};

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway rerun 1042              the same task once more, under a new id
  slipway rerun 1040 --failed     of an array only what failed, under the same indices
  slipway rerun 1042 -q small     the same in another queue
  slipway rerun 1042 --gpus 1     the same with fewer GPUs
  slipway rerun @ --wait          your last one, waiting for its end";

/// The arguments of `rerun`.
#[derive(Clone, Debug, clap::Args)]
pub struct RerunArgs {
    /// The task: its id, its name, or @ for your last
    #[arg(value_name = "TASK")]
    task: TaskRef,
    /// Of an array only the elements that have failed
    #[arg(long, conflicts_with = "indices")]
    failed: bool,
    /// Of an array only these elements: 3-5,9
    #[arg(long, value_name = "INDICES")]
    indices: Option<Indices>,
    /// In another queue
    #[arg(short, long)]
    queue: Option<String>,
    /// With another number of GPUs
    #[arg(long, value_name = "N")]
    gpus: Option<u32>,
    #[command(flatten)]
    after: AfterArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Submits a task once more, then detaches, waits or follows.
pub(super) async fn run(args: RerunArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let id = args.task.id(context, &client).await?;
    let request =
        RerunRequest { only: args.failed.then_some(OnlyElements::Failed), indices: args.indices, queue: args.queue, gpus: args.gpus };
    let task = if request == RerunRequest::default() {
        client.rerun_task(id, context.key()).await?
    } else {
        client.rerun_elements(id, &request, context.key()).await?
    };
    args.after.go(context, &client, task).await
}
