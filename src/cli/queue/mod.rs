//! `slipway queue`

mod apply;
mod change;
mod diff;
mod edit;
mod export;
mod flow;
mod history;
mod import;
pub(super) mod native;
mod pod;
mod show;
pub(super) mod wanted;

use super::{
    context::{Common, Context},
    exit::{Exit, Failure},
};
use crate::wire::QueueName;
use import::ImportArgs;
use wanted::FileArgs;

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway queue ls
  slipway queue apply -f queues.yaml            create or change queues, also from standard input: -f -
  slipway queue pause gpu --reason 'driver update until noon'
  slipway queue drain gpu --reason 'gone by Friday; use gpu-h100'
  slipway queue get gpu -o yaml
  slipway queue edit gpu                        in $VISUAL or $EDITOR";

const APPLY_EXAMPLES: &str = "\
Examples:
  slipway queue apply -f queues.yaml
  slipway queue apply -f values.yaml            ClearML's Helm values, as they are
  helm get values clearml-agent | slipway queue apply -f -
  slipway queue apply -f launch.yaml --name gpu-small      a queue configuration of W&B Launch
  echo '{name: cpu, defaults: {timeoutSeconds: 3600}}' | slipway queue apply -f -

The file holds one queue, a list of queues, or all of them by name:
  queues:
    cpu:
      description: short jobs
      defaults: {timeoutSeconds: 3600, retries: {user: 1}}
    gpu:
      defaults: {image: python:3.12}
      limits: {maxRunning: 16, maxRunningPerUser: 4, maxPending: 5000}
      userWeights: {olga: 2}
      budgets: {gpu-pool: {guaranteed: 2}}
      podTemplate:
        spec: {containers: [{resources: {limits: {nvidia.com/gpu: 1}}}]}

A queue that is not in the file is left alone. A podTemplate is for runners on Kubernetes;
slipway template presets has more of them.";

const DIFF_EXAMPLES: &str = "\
Examples:
  slipway queue diff -f queues.yaml
  slipway queue diff -f values.yaml -o json     each field that would change, by its JSON pointer

Exit 0 where nothing would change, 1 where something would, 2 where the file cannot be read.";

const IMPORT_EXAMPLES: &str = "\
Examples:
  slipway queue import --from clearml values.yaml
  slipway queue import --from launch gpu-small.yaml --dir queues      one file a queue
  helm get values clearml-agent | slipway queue import --from clearml -

What has no equivalent is kept under importedFrom, and every key that becomes something else is named.
Nothing is sent: look at the files, then slipway queue apply -f FILE.";

const EXPORT_EXAMPLES: &str = "\
Examples:
  slipway queue export > queues.yaml
  slipway queue export gpu cpu -o json";

/// The arguments of `queue`.
#[derive(Clone, Debug, clap::Args)]
pub struct QueueArgs {
    #[command(subcommand)]
    command: QueueCommand,
    #[command(flatten)]
    pub(super) common: Common,
}

/// What to do with queues.
#[derive(Clone, Debug, clap::Subcommand)]
enum QueueCommand {
    /// List queues with what waits and runs in them
    Ls,
    /// Show one queue
    Get {
        /// The queue
        name: QueueName,
    },
    /// Create or change queues from a file
    #[command(after_help = APPLY_EXAMPLES)]
    Apply {
        #[command(flatten)]
        file: FileArgs,
        /// Take over queues that another keeps (managedBy)
        #[arg(long)]
        force: bool,
    },
    /// Show what apply would change; exit 1 where it would change something
    #[command(after_help = DIFF_EXAMPLES)]
    Diff(FileArgs),
    /// Change a queue in your editor (`$VISUAL`, `$EDITOR`)
    Edit {
        /// The queue
        name: QueueName,
    },
    /// Write the queues of another product's file as native ones
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(ImportArgs),
    /// Write queues as apply takes them
    #[command(after_help = EXPORT_EXAMPLES)]
    Export {
        /// The queues; all where none is named
        names: Vec<QueueName>,
    },
    /// List what a queue was: its revisions, who applied them and when
    History {
        /// The queue
        name: QueueName,
        /// Show this one as it was applied, to be applied again
        #[arg(long, value_name = "N")]
        revision: Option<i64>,
    },
    /// Start nothing more from a queue; what runs goes on
    Pause {
        /// The queue
        name: QueueName,
        /// A sentence for those who wait
        #[arg(long)]
        reason: Option<String>,
    },
    /// Take no new tasks into a queue; those in it are served
    Drain {
        /// The queue
        name: QueueName,
        /// A sentence for those who submit
        #[arg(long)]
        reason: Option<String>,
    },
    /// Start tasks from a queue again, and take new ones
    Resume {
        /// The queue
        name: QueueName,
    },
    /// Delete a queue
    Delete {
        /// The queue
        name: QueueName,
    },
}

/// Shows and changes queues.
pub(super) async fn run(args: QueueArgs, context: &Context) -> Result<Exit, Failure> {
    match args.command {
        QueueCommand::Ls => show::ls(context).await,
        QueueCommand::Get { name } => show::get(context, &name).await,
        QueueCommand::Apply { file, force } => apply::run(context, &file, force).await,
        QueueCommand::Diff(file) => diff::run(context, &file).await,
        QueueCommand::Edit { name } => Box::pin(edit::run(context, &name)).await,
        QueueCommand::Import(args) => import::run(context, &args).await,
        QueueCommand::Export { names } => export::run(context, &names).await,
        QueueCommand::History { name, revision } => history::run(context, &name, revision).await,
        QueueCommand::Pause { name, reason } => change::pause(context, &name, reason).await,
        QueueCommand::Drain { name, reason } => change::drain(context, &name, reason).await,
        QueueCommand::Resume { name } => change::resume(context, &name).await,
        QueueCommand::Delete { name } => change::delete(context, &name).await,
    }
}
