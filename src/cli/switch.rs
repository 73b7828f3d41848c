//! `slipway context`

use super::{
    context::{Common, Context},
    contexts::Entry,
    exit::{Exit, Failure},
    style::clean,
    table::{Table, cell},
};
use secrecy::ExposeSecret;
use serde::Serialize;

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway context ls
  slipway context use prod            for every command from now on
  slipway ls --context staging        for this one
  slipway context rm old";

/// The arguments of `context`.
#[derive(Clone, Debug, clap::Args)]
pub struct ContextArgs {
    #[command(subcommand)]
    command: ContextCommand,
    #[command(flatten)]
    pub(super) common: Common,
}

/// What to do with contexts.
#[derive(Clone, Debug, clap::Subcommand)]
enum ContextCommand {
    /// List contexts, never their tokens
    Ls,
    /// Make a context the current one
    Use {
        /// Its name
        name: String,
    },
    /// Forget a context and its token
    Rm {
        /// Its name
        name: String,
    },
    /// Show which server commands go to now, and why
    Show,
}

/// A context without its secret.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    name: String,
    url: String,
    current: bool,
    token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ca_file: Option<String>,
    allow_plain_http: bool,
}

impl Shown {
    fn of(name: &str, entry: &Entry, current: bool) -> Self {
        let token = match (&entry.token, &entry.token_file) {
            (Some(token), _) => {
                let text = token.expose_secret();
                format!("...{}", text.get(text.len().saturating_sub(4)..).unwrap_or_default())
            }
            (None, Some(file)) => file.display().to_string(),
            (None, None) => "none".to_owned(),
        };
        let ca_file = entry.ca_file.as_ref().map(|file| file.display().to_string());
        Self { name: name.to_owned(), url: entry.url.clone(), current, token, ca_file, allow_plain_http: entry.allow_plain_http }
    }
}

/// The server that is meant, and why it is that one.
#[derive(Serialize)]
struct Meant {
    url: String,
    why: String,
}

/// Lists, chooses and forgets contexts.
pub(super) fn run(args: ContextArgs, context: &Context) -> Result<Exit, Failure> {
    let mut contexts = context.contexts()?;
    match args.command {
        ContextCommand::Ls => {
            let is_current = |name: &String| contexts.current.as_ref() == Some(name);
            let all: Vec<_> = contexts.contexts.iter().map(|(name, entry)| Shown::of(name, entry, is_current(name))).collect();
            if all.is_empty() && context.asked().is_none() {
                context.console.note("No contexts. Make one: slipway login https://SERVER");
                return Ok(Exit::Ok);
            }
            let names = |all: &Vec<Shown>| all.iter().map(|shown| shown.name.clone()).collect();
            context.print(&all, names, |all| table(all).render(context.headers(), context.width()))?;
        }
        ContextCommand::Use { name } => {
            contexts.named(&name)?;
            contexts.current = Some(name.clone());
            contexts.write(context.contexts_file())?;
            context.gone(&clean(&name), "is the current context")?;
            // What goes over it, so that nobody wonders.
            let stronger = context.target()?;
            if let Some((other, by)) = stronger.context.filter(|(other, _)| *other != name) {
                context.console.note(format_args!("Here {} counts: it is named by {by}.", clean(&other)));
            }
        }
        ContextCommand::Rm { name } => {
            contexts.named(&name)?;
            contexts.contexts.remove(&name);
            contexts.current = contexts.current.filter(|current| *current != name);
            contexts.write(context.contexts_file())?;
            context.gone(&clean(&name), "removed")?;
        }
        ContextCommand::Show => {
            let target = context.target()?;
            let meant = Meant { url: target.url, why: target.why };
            context.print(&meant, |meant| vec![meant.url.clone()], |meant| format!("{} ({})\n", meant.url, meant.why))?;
        }
    }
    Ok(Exit::Ok)
}

fn table(all: &[Shown]) -> Table {
    let row = |shown: &Shown| vec![cell(if shown.current { "*" } else { " " }), cell(&shown.name), cell(&shown.token), cell(&shown.url)];
    Table::new(&["", "NAME", "TOKEN", "SERVER"], all.iter().map(row).collect())
}
