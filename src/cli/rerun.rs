//! `slipway rerun`

use super::{
    after::AfterArgs,
    capture, code,
    context::{Common, Context},
    exit::{Exit, Failure},
    pair::pair,
    task_ref::TaskRef,
};
use crate::wire::{Indices, OnlyElements, RerunRequest};

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway rerun 1042              the same task once more, under a new id
  slipway rerun 1040 --failed     of an array only what failed, under the same indices
  slipway rerun 1042 -q small     the same in another queue
  slipway rerun 1042 --gpus 1     the same with fewer GPUs
  slipway rerun 1042 --set size=7 with another value of one of the queue's variables
  slipway rerun @ --latest-code   with the code on the disk in place of what it had
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
    /// With this value of one of the queue's variables, all others as they were; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// With the code of the repository around you, as it is on the disk now, in place of the task's own
    #[arg(long)]
    latest_code: bool,
    #[command(flatten)]
    after: AfterArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Submits a task once more, then detaches, waits or follows.
pub(super) async fn run(args: RerunArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let id = args.task.id(context, &client).await?;
    let captured = if args.latest_code { latest(context).await? } else { capture::Captured::default() };
    for line in captured.facts.lines() {
        context.console.note(line);
    }
    code::send(&captured, context, &client).await?;
    let request = RerunRequest {
        only: args.failed.then_some(OnlyElements::Failed),
        indices: args.indices,
        queue: args.queue,
        gpus: args.gpus,
        variables: args.set.into_iter().map(|(name, value)| (name, value.into())).collect(),
        code: captured.code.clone(),
    };
    context.on_interrupt("Interrupted before the server answered: the task may be submitted or not.\n  look: slipway ls");
    let task = if request == RerunRequest::default() {
        client.rerun_task(id, context.key()).await?
    } else {
        client.rerun_elements(id, &request, context.key()).await?
    };
    args.after.go(context, &client, task).await
}

/// The code around the user, as it is on the disk.
async fn latest(context: &Context) -> Result<capture::Captured, Failure> {
    let captured = capture::look(context.dir(), &capture::Options::default()).await?;
    if captured.code.is_none() {
        return Err(Failure::usage("--latest-code: there is no repository around you, and so no code")
            .hint("go to where the code is, or submit anew: slipway submit --upload -- CMD"));
    }
    Ok(captured)
}
