//! `slipway budget`

mod apply;
mod change;
mod show;

use super::{
    context::{Common, Context},
    exit::{Exit, Failure},
};
pub(super) use apply::apply;

use crate::wire::{Amount, BudgetName, Resource};
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway budget set gpu-pool --max 8           what all queues that name it may use together
  slipway budget ls                             what is used of each
  slipway budget apply -f budgets.yaml

A queue draws on a budget that it names: budgets: {gpu-pool: {guaranteed: 2}}";

const APPLY_EXAMPLES: &str = "\
Examples:
  slipway budget apply -f budgets.yaml
  echo '{name: gpu-pool, max: 8}' | slipway budget apply -f -

The file holds one budget, a list of budgets, or all of them by name:
  budgets:
    gpu-pool: {max: 8, description: the rack in the cellar}
    licences: {resource: weight, max: 2.5}

A budget that is not in the file is left alone.";

/// The arguments of `budget`.
#[derive(Clone, Debug, clap::Args)]
pub struct BudgetArgs {
    #[command(subcommand)]
    command: BudgetCommand,
    #[command(flatten)]
    pub(super) common: Common,
}

/// What to do with budgets.
#[derive(Clone, Debug, clap::Subcommand)]
enum BudgetCommand {
    /// List budgets with what is used of them
    Ls,
    /// Show one budget and the queues that draw on it
    Get {
        /// The budget
        name: BudgetName,
    },
    /// Create a budget, or change what is named
    Set {
        /// The budget
        name: BudgetName,
        /// The most that the tasks of its queues use together while they run
        #[arg(long, value_name = "N")]
        max: Option<Amount>,
        /// What it counts: gpus, or weight for the labels slipway.dev/weight [default: gpus]
        #[arg(long, value_parser = resource)]
        resource: Option<Resource>,
        /// What it is for
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
    },
    /// Create or change budgets from a file
    #[command(after_help = APPLY_EXAMPLES)]
    Apply {
        /// The YAML or JSON file, - for standard input
        #[arg(short, long)]
        file: PathBuf,
    },
    /// Delete a budget that no queue names
    Delete {
        /// The budget
        name: BudgetName,
    },
}

fn resource(text: &str) -> Result<Resource, String> {
    match text {
        "gpus" => Ok(Resource::Gpus),
        "weight" => Ok(Resource::Weight),
        _ => Err("gpus or weight".to_owned()),
    }
}

/// The word for what is counted.
pub(super) fn word(resource: Resource) -> &'static str {
    match resource {
        Resource::Gpus => "gpus",
        Resource::Weight => "weight",
    }
}

/// Shows and changes budgets.
pub(super) async fn run(args: BudgetArgs, context: &Context) -> Result<Exit, Failure> {
    match args.command {
        BudgetCommand::Ls => show::ls(context).await,
        BudgetCommand::Get { name } => show::get(context, &name).await,
        BudgetCommand::Set { name, max, resource, description } => {
            change::set(context, &name, change::Wanted { max, resource, description }).await
        }
        BudgetCommand::Apply { file } => apply::run(context, &file).await,
        BudgetCommand::Delete { name } => change::delete(context, &name).await,
    }
}
