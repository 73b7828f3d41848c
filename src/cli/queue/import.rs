//! `slipway queue import`

use super::{
    native,
    wanted::{self, FormatArg},
};
use crate::{
    cli::{
        context::Context,
        exit::{Exit, Failure},
        format::Format,
    },
    wire::{NewQueue, QueueName},
};
use std::path::{Path, PathBuf};

/// A file to convert.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ImportArgs {
    /// What the file is: clearml or launch
    #[arg(long, value_enum, hide_possible_values = true)]
    from: FormatArg,
    /// The file, - for standard input
    file: PathBuf,
    /// A directory for one file a queue, instead of standard output
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The name of the queue, where the file says none [default: the file's own name]
    #[arg(long)]
    name: Option<QueueName>,
}

/// Writes the queues of a foreign file as native ones. Nothing is sent.
pub(super) async fn run(context: &Context, args: &ImportArgs) -> Result<Exit, Failure> {
    let file = wanted::FileArgs { file: args.file.clone(), format: Some(args.from), name: args.name.clone() };
    let wanted = wanted::load(context, &file).await?;
    for (name, budget) in &wanted.budgets {
        let max = budget.max;
        context
            .console
            .note(format_args!("first: slipway budget set {name} --max {max} --resource {}", crate::cli::budget::word(budget.resource)));
    }
    let named: Vec<NewQueue> = wanted.queues.into_iter().map(|(name, queue)| NewQueue { name: Some(name), ..queue }).collect();
    let Some(dir) = &args.dir else {
        context.document(&native::text(&named, context.format())?)?;
        return Ok(Exit::Ok);
    };
    for queue in &named {
        let Some(name) = &queue.name else { continue };
        let json = matches!(context.format(), Format::Json | Format::Jsonl);
        let path = dir.join(format!("{name}.{}", if json { "json" } else { "yaml" }));
        write(&path, &native::text(std::slice::from_ref(queue), context.format())?).await?;
        context.console.line(path.display())?;
    }
    Ok(Exit::Ok)
}

/// Writes a file that is not there yet.
async fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(Exit::Error, format!("cannot write {}: {error}", path.display()));
    if let Some(dir) = path.parent() {
        tokio::fs::create_dir_all(dir).await.map_err(failed)?;
    }
    let opened = tokio::fs::OpenOptions::new().write(true).create_new(true).open(path).await;
    let mut file = match opened {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(Failure::new(Exit::Conflict, format!("{} is there already", path.display()))
                .hint("name another directory, or move the file away"));
        }
        opened => opened.map_err(failed)?,
    };
    tokio::io::AsyncWriteExt::write_all(&mut file, text.as_bytes()).await.map_err(failed)?;
    tokio::io::AsyncWriteExt::flush(&mut file).await.map_err(failed)
}
