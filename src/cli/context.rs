//! What a command gets to work with: its connection, its outputs, time and chance.

mod print;

use super::{
    config::{Config, Origin, Sources},
    console::{ColorChoice, Console, Sink, Terminal},
    contexts::{Contexts, Entry},
    credential::Credential,
    exit::{Exit, Failure, loopback},
    format::Format,
    login::warn_of_open,
    place::Place,
    query::Query,
};
use crate::{
    client::{Client, authorities_in},
    domain::{Clock, Rng},
    wire::Timestamp,
};
use clap::builder::BoolishValueParser;
use secrecy::SecretString;
use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::sync::CancellationToken;

/// The address of a server that was started without any settings.
pub const DEFAULT_URL: &str = "http://127.0.0.1:7227";

/// The longest line that is read of an answer, in bytes.
const MAX_LINE: usize = 1_000;

/// The options of every command that talks to a server.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Connection and output")]
pub struct Common {
    /// The server.
    #[command(flatten)]
    pub place: Place,
    /// The token.
    #[command(flatten)]
    pub credential: Credential,
    /// Trust the authorities in this file, or directory of files, too (PEM)
    #[arg(long, value_name = "FILE", env = "SLIPWAY_CA_FILE", hide_env_values = true, global = true)]
    pub ca_file: Option<PathBuf>,
    /// Send the token over plain http to another machine, where whoever is on the way can read it
    #[arg(long, env = "SLIPWAY_ALLOW_PLAIN_HTTP", hide_env_values = true, value_parser = BoolishValueParser::new(), global = true)]
    pub allow_plain_http: bool,
    /// Where a server on this machine keeps its data, and the token to use when none is named
    #[arg(long, value_name = "DIR", env = "SLIPWAY_DATA_DIR", hide_env_values = true, global = true)]
    pub data_dir: Option<PathBuf>,
    /// How to print data: table, wide, json, jsonl for one object a line, yaml, or name for ids and names only
    #[arg(short, long, value_name = "FORMAT", value_enum, hide_possible_values = true, global = true)]
    pub output: Option<Format>,
    /// Print what this expression of jq makes of the JSON
    #[arg(long, value_name = "EXPR", conflicts_with = "output", global = true)]
    pub jq: Option<Query>,
    /// Leave the header of tables out
    #[arg(long, global = true)]
    pub no_headers: bool,
    /// When to colour: auto, always or never [default: auto]
    #[arg(long, value_name = "WHEN", value_enum, hide_possible_values = true, global = true)]
    pub color: Option<ColorChoice>,
}

/// What the program knows of the machine it runs on; `app` brings it, tests make it up.
pub struct Surroundings {
    /// Standard output.
    pub out: Sink,
    /// Standard error.
    pub err: Sink,
    /// Standard input, for `-f -`.
    pub stdin: Box<dyn AsyncRead + Send + Unpin>,
    /// What is known of the terminal.
    pub terminal: Terminal,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for idempotency keys.
    pub rng: Arc<dyn Rng>,
    /// The directory in which the command was typed; the code around it goes with tasks.
    pub dir: PathBuf,
    /// Where a server on this machine keeps its data unless told otherwise.
    pub data_dir: PathBuf,
    /// The user's file of contexts.
    pub contexts: PathBuf,
    /// Where the configuration is read from.
    pub sources: Sources,
    /// The user's editor, with its options.
    pub editor: Option<String>,
    /// Asks at the terminal for something that is not to be seen, until the token is cancelled.
    pub ask: fn(&str, &CancellationToken) -> io::Result<String>,
    /// Cancelled by Ctrl-C.
    pub interrupt: CancellationToken,
    /// The whole command line, for completion scripts.
    pub root: fn() -> clap::Command,
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("terminal", &self.terminal).field("data_dir", &self.data_dir).finish_non_exhaustive()
    }
}

/// What a command gets to work with.
pub struct Context {
    /// Where it writes.
    pub console: Console,
    /// What was said about connection and output, completed by the configuration.
    pub common: Common,
    pub(super) config: Config,
    pub(super) said: Sources,
    pub(super) root: fn() -> clap::Command,
    pub(super) interrupt: CancellationToken,
    pub(super) clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    dir: PathBuf,
    data_dir: PathBuf,
    contexts: PathBuf,
    editor: Option<String>,
    ask: fn(&str, &CancellationToken) -> io::Result<String>,
    stdin: tokio::sync::Mutex<Box<dyn AsyncRead + Send + Unpin>>,
    farewell: Mutex<Option<String>>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("console", &self.console).field("common", &self.common).finish_non_exhaustive()
    }
}

impl Context {
    /// A context for one command.
    #[must_use]
    pub(crate) fn new(mut common: Common, around: Surroundings, config: Config) -> Self {
        config.over(&mut common, around.terminal);
        Self {
            console: Console::new(around.out, around.err, around.terminal, common.color.unwrap_or_default()),
            config,
            said: around.sources,
            data_dir: common.data_dir.clone().unwrap_or(around.data_dir),
            dir: around.dir,
            contexts: around.contexts,
            editor: around.editor,
            ask: around.ask,
            common,
            root: around.root,
            interrupt: around.interrupt,
            clock: around.clock,
            rng: around.rng,
            stdin: tokio::sync::Mutex::new(around.stdin),
            farewell: Mutex::default(),
        }
    }

    /// A connection to the server that is meant, under the token that was named: `--token-file`, `SLIPWAY_TOKEN`, the context's, or the
    /// admin token in the data directory where the server is on this machine.
    ///
    /// # Errors
    /// The address is none, or a file cannot be read.
    pub fn client(&self) -> Result<Client, Failure> {
        let Target { url, entry, .. } = self.target()?;
        self.reach(&Entry { url, ..entry.unwrap_or_default() })
    }

    /// A connection to a server; what was said goes over what is kept.
    pub(super) fn reach(&self, entry: &Entry) -> Result<Client, Failure> {
        let client = self.bare(&entry.url, entry)?;
        Ok(match self.token(entry)? {
            Some(token) => client.with_token(token),
            None => client,
        })
    }

    /// A connection to the server at `url` that bears no token; it trusts the authorities that are trusted for the server that is meant.
    pub(super) fn without_token(&self, url: &str) -> Result<Client, Failure> {
        self.bare(url, &self.target()?.entry.unwrap_or_default())
    }

    fn bare(&self, url: &str, entry: &Entry) -> Result<Client, Failure> {
        let ca_file = self.common.ca_file.as_ref().or(entry.ca_file.as_ref());
        let ca = ca_file.map(|file| authorities_in(file)).transpose().map_err(Failure::usage)?.flatten();
        let client = Client::trusting(url, None, concat!("slipway/", env!("CARGO_PKG_VERSION")), ca.as_deref())?;
        Ok(client.allowing_plain_http(self.common.allow_plain_http || entry.allow_plain_http))
    }

    /// The server that is meant, and why: what was typed, the variables, the current context, a server on this machine.
    ///
    /// # Errors
    /// There is no such context, or the file of contexts cannot be read.
    pub(super) fn target(&self) -> Result<Target, Failure> {
        if let Some(url) = &self.common.place.url {
            // What is kept of this very server counts for it; an address alone needs nothing of the file.
            let entry = self.contexts().ok().and_then(|all| all.of_url(url).cloned());
            return Ok(Target { url: url.clone(), why: "by its address".to_owned(), entry, context: None });
        }
        let all = self.contexts()?;
        let configured = self.config.get("context");
        let (name, by, why) = match (&self.common.place.context, configured, &all.current) {
            (Some(name), _, _) if self.said.variable("SLIPWAY_CONTEXT", Some(name)) => {
                (name, Origin::Variable("SLIPWAY_CONTEXT".to_owned()), format!("context {name}"))
            }
            (Some(name), _, _) => (name, Origin::Flag("context"), format!("context {name}")),
            (None, Some(said), _) => (&said.value, said.origin.clone(), format!("context {}, of {}", said.value, said.origin)),
            (None, None, Some(name)) => (name, Origin::Current, format!("context {name}, the current one")),
            (None, None, None) => {
                let why = "this machine's, where nothing is said".to_owned();
                return Ok(Target { url: DEFAULT_URL.to_owned(), why, entry: None, context: None });
            }
        };
        let entry = all.named(name).map_err(|failure| match configured {
            Some(said) if said.origin == by => failure.hint(format!("it is named in {by}")),
            _ => failure,
        })?;
        Ok(Target { url: entry.url.clone(), why, entry: Some(entry.clone()), context: Some((name.clone(), by)) })
    }

    /// The user's contexts.
    pub(super) fn contexts(&self) -> Result<Contexts, Failure> {
        Contexts::read(&self.contexts)
    }

    /// Where they are kept.
    pub(super) fn contexts_file(&self) -> &Path {
        &self.contexts
    }

    /// The user's editor, with its options.
    pub(super) fn editor(&self) -> Option<&str> {
        self.editor.as_deref()
    }

    /// The user's own configuration.
    pub(super) fn own_config(&self) -> Option<&Path> {
        self.said.user.as_deref()
    }

    /// Asks at the terminal for something that is not to be seen.
    pub(super) async fn ask(&self, what: &str) -> io::Result<SecretString> {
        let (ask, what, interrupt) = (self.ask, what.to_owned(), self.interrupt.clone());
        let asked = tokio::task::spawn_blocking(move || ask(&what, &interrupt)).await;
        asked.unwrap_or_else(|error| Err(io::Error::other(error))).map(SecretString::from)
    }

    fn token(&self, entry: &Entry) -> Result<Option<SecretString>, Failure> {
        let of_file = |file: &Path| {
            warn_of_open(self, file);
            read_token(file).map(Some).map_err(|e| unreadable("the token", file, &e))
        };
        if let Some(file) = &self.common.credential.file {
            return of_file(file);
        }
        if let Some(token) = &self.common.credential.token {
            return Ok(Some(token.clone()));
        }
        if let Some(token) = &entry.token {
            warn_of_open(self, &self.contexts);
            return Ok(Some(token.clone()));
        }
        if let Some(file) = &entry.token_file {
            return of_file(file);
        }
        if !loopback(&entry.url) {
            return Ok(None);
        }
        let file = self.data_dir.join("admin-token");
        match read_token(&file) {
            Ok(token) => Ok(Some(token)),
            // Another user's server, or none at all: the server's answer tells what is needed.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => Ok(None),
            Err(error) => Err(unreadable("the token", &file, &error)),
        }
    }

    /// The time now.
    pub(crate) fn now(&self) -> Timestamp {
        crate::wire::timestamp(self.clock.now())
    }

    /// A fresh idempotency key.
    pub(crate) fn key(&self) -> uuid::Uuid {
        self.rng.uuid()
    }

    /// Chance.
    pub(crate) fn rng(&self) -> &dyn Rng {
        &*self.rng
    }

    /// Where the command was typed.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// How to print data.
    pub(crate) fn format(&self) -> Format {
        self.asked().unwrap_or_default()
    }

    /// How data is to be printed, where that was said.
    pub(crate) fn asked(&self) -> Option<Format> {
        self.common.jq.as_ref().map(|_| Format::Json).or(self.common.output)
    }

    /// Reads a file that the user named; `-` is standard input.
    pub(crate) async fn read(&self, file: &Path) -> Result<Vec<u8>, Failure> {
        if file == Path::new("-") {
            let mut bytes = Vec::new();
            let read = self.stdin.lock().await.read_to_end(&mut bytes).await;
            return read.map(|_| bytes).map_err(|e| Failure::new(Exit::Error, format!("cannot read standard input: {e}")));
        }
        tokio::fs::read(file).await.map_err(|e| unreadable("the file", file, &e))
    }

    /// A line that the user types.
    pub(crate) async fn line(&self) -> Result<String, Failure> {
        let (mut stdin, mut line) = (self.stdin.lock().await, Vec::new());
        let failed = |e: io::Error| Failure::new(Exit::Error, format!("cannot read standard input: {e}"));
        while line.len() < MAX_LINE && !line.ends_with(b"\n") {
            match stdin.read_u8().await {
                Ok(byte) => line.push(byte),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// Sets what is said should the user interrupt from now on.
    pub(crate) fn on_interrupt(&self, farewell: impl Into<String>) {
        *self.farewell.lock().unwrap_or_else(PoisonError::into_inner) = Some(farewell.into());
    }

    /// What to say to a user who interrupts now.
    pub(crate) fn farewell(&self) -> Option<String> {
        self.farewell.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A server that is meant.
pub(super) struct Target {
    pub(super) url: String,
    /// Why it is this one.
    pub(super) why: String,
    /// What is kept of it.
    pub(super) entry: Option<Entry>,
    /// The context that it is of, and who named that one.
    pub(super) context: Option<(String, Origin)>,
}

fn read_token(file: &Path) -> io::Result<SecretString> {
    Ok(std::fs::read_to_string(file)?.trim().to_owned().into())
}

fn unreadable(what: &str, file: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Usage, format!("cannot read {what} {}: {error}", file.display()))
}

#[cfg(test)]
mod tests;
