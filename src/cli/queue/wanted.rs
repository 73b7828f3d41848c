//! The queues of a file, whatever its format: what they are to be, and the budgets that they need.

use crate::{
    cli::{
        context::Context,
        documents,
        exit::{Exit, Failure},
        file,
        style::{Tone, paint},
    },
    template::formats::{self, Format, Import, Level, Named, Note},
    wire::{BudgetName, NewBudget, NewQueue, QueueName},
};
use serde::de::DeserializeOwned;
use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

/// A file of queues, and how to read it.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct FileArgs {
    /// The YAML or JSON file, - for standard input
    #[arg(short, long)]
    pub(in crate::cli) file: PathBuf,
    /// What the file is: native, clearml or launch [default: told by its keys]
    #[arg(long, value_enum, hide_possible_values = true)]
    pub(super) format: Option<FormatArg>,
    /// The name of the queue, where the file says none [default: the file's own name]
    #[arg(long)]
    pub(super) name: Option<QueueName>,
}

/// The formats as they are typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum FormatArg {
    /// Queue documents
    Native,
    /// Helm values of `ClearML`'s agent
    Clearml,
    /// Queue configurations of W&B Launch, parts of Job and Pod manifests
    Launch,
}

impl From<FormatArg> for Format {
    fn from(arg: FormatArg) -> Self {
        match arg {
            FormatArg::Native => Self::Native,
            FormatArg::Clearml => Self::ClearMl,
            FormatArg::Launch => Self::Launch,
        }
    }
}

/// What is wanted.
#[derive(Debug, Default, PartialEq)]
pub(in crate::cli) struct Wanted {
    pub(in crate::cli) queues: Vec<(QueueName, NewQueue)>,
    /// They must be there before the queues.
    pub(super) budgets: Vec<(BudgetName, NewBudget)>,
}

/// Reads a file. What there is to say about it goes to standard error; nothing is wanted of a file with an error.
pub(in crate::cli) async fn load(context: &Context, args: &FileArgs) -> Result<Wanted, Failure> {
    let (file, name) = shown(&args.file);
    let text = file::text(&file, context.read(&args.file).await?)?;
    read(context, &file, &text, args.format.map(Format::from), args.name.as_ref().or(name.as_ref()))
}

/// How a file is called in messages, and the queue that it is named after.
fn shown(path: &Path) -> (String, Option<QueueName>) {
    if path == Path::new("-") {
        return ("standard input".to_owned(), None);
    }
    (path.display().to_string(), path.file_stem().and_then(|stem| stem.to_str()?.parse().ok()))
}

/// Reads a text of any format.
pub(super) fn read(context: &Context, file: &str, text: &str, format: Option<Format>, name: Option<&QueueName>) -> Result<Wanted, Failure> {
    let format = match format {
        Some(format) => format,
        None => formats::detect(text).map_err(|note| no_yaml(file, &note))?,
    };
    if format == Format::Native {
        return Ok(Wanted { queues: documents::read(file, text)?, ..Wanted::default() });
    }
    let import = formats::read(format, text, name.map(QueueName::as_str));
    tell(context, file, &import.notes);
    if import.is_refused() {
        let errors = import.notes.iter().filter(|note| note.level == Level::Error).count();
        let what = if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") };
        return Err(Failure::usage(format!("{file} was read as {format}, with {what}: nothing was sent")));
    }
    let Import { queues, budgets, .. } = import;
    Ok(Wanted { queues: typed(queues)?, budgets: typed(budgets)? })
}

fn no_yaml(file: &str, note: &Note) -> Failure {
    let at = note.at.map(|at| format!(":{at}")).unwrap_or_default();
    let path = if note.path.is_empty() { String::new() } else { format!("{}: ", note.path) };
    let failure = Failure::usage(format!("{file}{at}: {path}{}", note.message));
    note.fix.iter().fold(failure, Failure::hint)
}

/// Says what was found in a file, with its places.
fn tell(context: &Context, file: &str, notes: &[Note]) {
    for note in notes {
        let at = note.at.map(|at| format!(":{at}")).unwrap_or_default();
        let level = match note.level {
            Level::Error => paint(Tone::Bad, "error:"),
            Level::Warning => paint(Tone::Warn, "warning:"),
            Level::Info => "note:".to_owned(),
        };
        let path = if note.path.is_empty() { String::new() } else { format!("{}: ", note.path) };
        context.console.note(format_args!("{file}{at}: {level} {path}{}", note.message));
        if let Some(fix) = &note.fix {
            context.console.note(format_args!("  {fix}"));
        }
    }
}

/// The documents of a reader in their types.
fn typed<N: FromStr<Err: fmt::Display>, T: DeserializeOwned>(named: Vec<Named>) -> Result<Vec<(N, T)>, Failure> {
    let broken =
        |name: &str, error: &dyn fmt::Display| Failure::new(Exit::Error, format!("{name} was read into what is no document: {error}"));
    let one = |Named { name, document }| {
        let document = serde_path_to_error::deserialize(document).map_err(|error| broken(&name, &error))?;
        Ok((name.parse().map_err(|error| broken(&name, &error))?, document))
    };
    named.into_iter().map(one).collect()
}
