//! Configuration in layers: options, variables, the project's file, the user's file.

mod change;
mod fill;
mod keys;
mod layers;
mod read;
mod show;
mod sources;

pub(crate) use layers::{Origin, Setting};
pub use sources::Sources;

use super::{
    console::{ColorChoice, Terminal},
    context::{Common, Context},
    exit::{Exit, Failure},
    format::Format,
};
use clap::ValueEnum;
use layers::Settings;
use std::str::FromStr;

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway config get --show-origin           every value that counts here, and who set it
  slipway config get submit.queue            one of them
  slipway config set submit.queue gpu        in your own file
  slipway config set submit.env.EPOCHS 90
  slipway config unset submit.queue

What counts, the strongest first: options, the task's own file (submit -f), variables (SLIPWAY_SUBMIT_QUEUE for submit.queue),
.slipway.toml or [tool.slipway] in pyproject.toml here or above up to the root of the repository, your own file, what the server does.";

/// The arguments of `config`.
#[derive(Clone, Debug, clap::Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
    #[command(flatten)]
    pub(super) common: Common,
}

/// What to do with the configuration.
#[derive(Clone, Debug, clap::Subcommand)]
enum ConfigCommand {
    /// Print what counts here
    Get {
        /// A key, as submit.queue; all of them where none is named
        key: Option<String>,
        /// Say who set each value: an option, a variable, a line of a file
        #[arg(long)]
        show_origin: bool,
    },
    /// Set a value in your own file
    Set {
        /// The key, as submit.queue or submit.env.NAME
        key: String,
        /// The value
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Remove a value from your own file
    Unset {
        /// The key
        key: String,
    },
}

/// Shows and changes the configuration.
pub(super) fn run(args: &ConfigArgs, context: &Context) -> Result<Exit, Failure> {
    match &args.command {
        ConfigCommand::Get { key, show_origin } => show::run(key.as_deref(), *show_origin, args, context),
        ConfigCommand::Set { key, value } => change::set(key, value, context),
        ConfigCommand::Unset { key } => change::unset(key, context),
    }
}

impl ConfigArgs {
    /// Whether it wants to know what counts, and not only to change a file.
    pub(super) fn reads(&self) -> bool {
        matches!(self.command, ConfigCommand::Get { .. })
    }
}

/// What counts below the options, by key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config {
    settings: Settings,
}

impl Config {
    /// What counts for this key.
    pub(crate) fn get(&self, key: &str) -> Option<&Setting> {
        self.settings.get(key)
    }

    /// The same as a value. What is there has been checked.
    fn parsed<T: FromStr>(&self, key: &str) -> Option<T> {
        self.get(key)?.value.parse().ok()
    }

    /// The entries of a table.
    fn entries(&self, table: &str) -> impl Iterator<Item = (&str, &str)> {
        let prefix = format!("{table}.");
        self.settings.iter().filter_map(move |(key, setting)| Some((key.strip_prefix(&prefix)?, setting.value.as_str())))
    }

    /// Completes what was said about output by what counts.
    pub(crate) fn over(&self, common: &mut Common, terminal: Terminal) {
        if common.jq.is_none() && common.output.is_none() {
            common.output = self.get("output").and_then(|setting| Format::from_str(&setting.value, false).ok());
        }
        // NO_COLOR and CLICOLOR_FORCE are variables, too, and those go over files.
        let of_file = self.get("color").is_some_and(|setting| matches!(setting.origin, Origin::File { .. }));
        if common.color.is_none() && !(of_file && (terminal.no_color || terminal.force_color)) {
            common.color = self.get("color").and_then(|setting| ColorChoice::from_str(&setting.value, false).ok());
        }
    }
}

/// The variables that stand in for keys, each with what it is for.
pub(crate) fn variables() -> impl Iterator<Item = (String, String)> {
    keys::KEYS.iter().filter_map(|key| Some((key.variable()?, format!("{} (key {})", key.help, key.name))))
}

/// Every key, with what it is for; of tables the name before the dot.
pub(crate) fn names() -> impl Iterator<Item = (String, &'static str)> {
    keys::KEYS.iter().map(|key| (if key.kind == keys::Kind::Table { format!("{}.", key.name) } else { key.name.to_owned() }, key.help))
}
