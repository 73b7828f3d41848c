//! `slipway template`: what a queue's file makes of a task, without a server and without a cluster.

mod explain;
mod findings;
mod presets;
mod render;
mod sample;
#[cfg(test)]
mod tests;

use super::{
    context::{Common, Context},
    exit::{Exit, Failure},
    queue::wanted::FileArgs,
};
use crate::wire::QueueName;
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway template render -f queues.yaml --queue gpu
  slipway template explain -f queues.yaml --queue gpu spec.template.spec.tolerations
  slipway template lint -f queues.yaml
  slipway template lint -f values.yaml --live
  slipway template presets mig-a100 > queues.yaml       a ready file to begin with";

const RENDER_EXAMPLES: &str = "\
Examples:
  slipway template render -f queue.yaml                                the Job of a task that says nothing
  slipway template render -f queue.yaml --task task.yaml --set gpus=2
  slipway template render -f values.yaml --queue mig-small -o json | kubectl apply --dry-run=server -f -
  slipway template render -f queue.yaml --provenance                   of each value, who set it

The manifest alone goes to standard output. What a cluster's runner adds (its base and its overlays) is not in it:
slipway queue get shows a queue, and the server renders it for each runner (POST /api/v1/queues/NAME/render).";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  slipway template explain -f queue.yaml spec.template.spec.tolerations
  slipway template explain -f queue.yaml /spec/template/spec/containers/0/securityContext";

const LINT_EXAMPLES: &str = "\
Examples:
  slipway template lint -f queues.yaml             every queue of the file; exit 1 where one could not run
  slipway template lint -f values.yaml --live      also against the runners' layers and nodes (slipway nodes)

Where a glue asks its cluster (checkQueues), --live also shows what that says of each queue, once the file is applied.";

/// The arguments of `template`.
#[derive(Clone, Debug, clap::Args)]
pub struct TemplateArgs {
    #[command(subcommand)]
    command: TemplateCommand,
    #[command(flatten)]
    pub(super) common: Common,
}

/// What to do with templates.
#[derive(Clone, Debug, clap::Subcommand)]
enum TemplateCommand {
    /// Print the Job that a queue makes of a task
    #[command(after_help = RENDER_EXAMPLES)]
    Render {
        #[command(flatten)]
        of: Of,
        /// Print of each value the layer that set it, instead of the value
        #[arg(long)]
        provenance: bool,
    },
    /// Say who set a part of the Job
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain {
        #[command(flatten)]
        of: Of,
        /// The part: spec.template.spec.tolerations, or a JSON pointer
        path: String,
    },
    /// Find what would be refused, never run, or trip people
    #[command(after_help = LINT_EXAMPLES)]
    Lint {
        #[command(flatten)]
        of: Of,
        /// Also look at the layers and nodes of the runners, and at what their clusters say
        #[arg(long)]
        live: bool,
    },
    /// List the ready files for queues, or print one
    Presets {
        /// Print this one
        name: Option<String>,
    },
}

/// Which queue, and which task.
#[derive(Clone, Debug, clap::Args)]
struct Of {
    #[command(flatten)]
    file: FileArgs,
    /// The queue, where the file has several
    #[arg(long)]
    queue: Option<QueueName>,
    /// The file of a task, YAML or JSON
    #[arg(long, value_name = "FILE")]
    task: Option<PathBuf>,
    /// A variable of the task: gpus=2
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
}

/// Renders, explains and judges templates.
pub(super) async fn run(args: TemplateArgs, context: &Context) -> Result<Exit, Failure> {
    match args.command {
        TemplateCommand::Render { of, provenance } => render::run(context, &of, provenance).await,
        TemplateCommand::Explain { of, path } => explain::run(context, &of, &path).await,
        TemplateCommand::Lint { of, live } => findings::run(context, &of, live).await,
        TemplateCommand::Presets { name } => presets::run(name.as_deref(), context),
    }
}
