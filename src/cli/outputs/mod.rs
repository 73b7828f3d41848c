//! `slipway outputs`

mod get;

use super::{
    context::{Common, Context},
    exit::{Exit, Failure},
    get::size,
    style::clean,
    table::{Table, cell},
    task_ref::TaskRef,
};
use crate::wire::{AttemptNumber, OutputList};
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway submit --keep model.pt --keep logs -- python train.py
  slipway outputs ls 1042                     what it left
  slipway outputs get 1042                    all of it, into the directory 1042
  slipway outputs get @ model.pt logs/ --to . --force
  slipway outputs get 1042 metrics.json --to - | jq .acc";

/// The arguments of `outputs`.
#[derive(Clone, Debug, clap::Args)]
pub struct OutputsArgs {
    #[command(subcommand)]
    command: OutputsCommand,
    #[command(flatten)]
    pub(super) common: Common,
}

/// What to do with outputs.
#[derive(Clone, Debug, clap::Subcommand)]
enum OutputsCommand {
    /// List the files that a task left
    Ls {
        /// The task: its id, its name, or @ for your last
        #[arg(value_name = "TASK")]
        task: TaskRef,
        /// Those of this attempt [default: the newest that left any]
        #[arg(long, value_name = "N")]
        attempt: Option<u32>,
    },
    /// Fetch files that a task left
    Get {
        /// The task: its id, its name, or @ for your last
        #[arg(value_name = "TASK")]
        task: TaskRef,
        /// Files, or directories with all that is in them [default: all]
        #[arg(value_name = "PATH")]
        paths: Vec<String>,
        /// The directory to put them into, - for standard output [default: one named like the task's id]
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
        /// Replace files that are there
        #[arg(long)]
        force: bool,
        /// Those of this attempt [default: the newest that left any]
        #[arg(long, value_name = "N")]
        attempt: Option<u32>,
    },
}

/// Shows and fetches outputs.
pub(super) async fn run(args: OutputsArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    match args.command {
        OutputsCommand::Ls { task, attempt } => {
            let id = task.id(context, &client).await?;
            let left = client.outputs(id, attempt.map(AttemptNumber)).await?;
            if left.items.is_empty() && context.asked().is_none() {
                context.console.note(none(id));
                return Ok(Exit::Ok);
            }
            let names = |list: &OutputList| list.items.iter().map(|file| file.path.clone()).collect();
            context.print(&left, names, |list| table(list).render(context.headers(), context.width()))?;
            Ok(Exit::Ok)
        }
        OutputsCommand::Get { task, paths, to, force, attempt } => {
            let id = task.id(context, &client).await?;
            let left = client.outputs(id, attempt.map(AttemptNumber)).await?;
            get::fetch(context, &client, id, left, &get::Wanted { paths, to, force }).await
        }
    }
}

fn none(id: impl std::fmt::Display) -> String {
    format!("Task {id} left no files. Name them when you submit it: slipway submit --keep PATH")
}

fn table(list: &OutputList) -> Table {
    let row = |file: &crate::wire::Output| vec![cell(size(file.size)), cell(&file.sha256.as_str()[..12]).whole(), cell(clean(&file.path))];
    Table::new(&["SIZE", "SHA256", "PATH"], list.items.iter().map(row).collect())
}
