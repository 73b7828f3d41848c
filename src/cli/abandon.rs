//! `slipway abandon`

use super::{
    context::{Common, Context},
    exit::{Exit, Failure},
    task_ref::TaskRef,
};
use crate::wire::{AbandonRequest, AttemptNumber};

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway abandon 1042 --reason 'gpu-07 was scrapped'

For operators, when a machine is gone for good and nothing can prove it. Should the command still run
somewhere after all, the task may run twice.";

/// The arguments of `abandon`.
#[derive(Clone, Debug, clap::Args)]
pub struct AbandonArgs {
    /// The task: its id, its name, or @ for your last
    #[arg(value_name = "TASK")]
    task: TaskRef,
    /// Why, for the record
    #[arg(long)]
    reason: String,
    /// The attempt [default: the newest]
    #[arg(long, value_name = "N")]
    attempt: Option<u32>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Ends an attempt without proof that it is over.
pub(super) async fn run(args: AbandonArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let id = args.task.id_to_stop(context, &client).await?;
    let attempt = match args.attempt {
        Some(n) => AttemptNumber(n),
        None => client.task(id).await?.attempt,
    };
    if attempt == AttemptNumber::NONE {
        return Err(Failure::new(Exit::Conflict, format!("task {id} has no attempt yet")).hint(format!("stop it: slipway cancel {id}")));
    }
    client.abandon_attempt(id, attempt, &AbandonRequest { reason: args.reason }, context.key()).await?;
    let task = client.task(id).await?;
    context.print(
        &task,
        |task| vec![task.id.to_string()],
        |task| format!("attempt {attempt} of {id} is given up; the task is {}\n", task.state),
    )?;
    Ok(Exit::Ok)
}
