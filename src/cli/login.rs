//! `slipway login` and `slipway logout`

use super::{
    context::{Common, Context},
    contexts::{Entry, is_open, is_token},
    exit::{Exit, Failure},
    style::clean,
};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use std::path::Path;

pub(super) const LOGIN_EXAMPLES: &str = "\
Examples:
  slipway login https://slipway.acme.io                       asks for the token
  pass show slipway | slipway login https://slipway.acme.io   reads it from standard input
  slipway login https://slipway.acme.io --token-file ~/.slipway-token --name prod

The server is asked who you are before anything is kept. A token that was typed is kept in contexts.yaml, which you alone can read;
of a file its place is kept, and it is read for each call.";

pub(super) const LOGOUT_EXAMPLES: &str = "\
Examples:
  slipway logout           forgets the token of the current context
  slipway logout prod

The token itself goes on: slipway token revoke ID ends it.";

/// The arguments of `login`.
#[derive(Clone, Debug, clap::Args)]
pub struct LoginArgs {
    /// The server's address [default: that of the context]
    #[arg(value_name = "SERVER")]
    server: Option<String>,
    /// What to call it [default: its host's name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// The arguments of `logout`.
#[derive(Clone, Debug, clap::Args)]
pub struct LogoutArgs {
    /// The context [default: the current one]
    #[arg(value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Asks the server who the caller is, and keeps how it is reached.
pub(super) async fn login(args: LoginArgs, context: &Context) -> Result<Exit, Failure> {
    let (mut contexts, target) = (context.contexts()?, context.target()?);
    let url = args.server.unwrap_or(target.url);
    let known = contexts.of_url(&url).cloned();
    let named = Url::parse(&url).ok().and_then(|url| Some((url.host_str()?.to_owned(), url.port())));
    let (host, port) = named.ok_or_else(|| Failure::usage(format!("{url:?} is no address of a server: https://HOST")))?;
    let name = args.name.unwrap_or_else(|| port.map_or_else(|| host.clone(), |port| format!("{host}:{port}")));
    let (token, token_file) = match &context.common.credential.file {
        Some(file) => (None, Some(std::path::absolute(file).unwrap_or_else(|_| file.clone()))),
        None => (Some(secret(context, &host).await?), None),
    };
    let entry = Entry {
        url,
        token,
        token_file,
        ca_file: context.common.ca_file.clone().or_else(|| known.as_ref().and_then(|known| known.ca_file.clone())),
        allow_plain_http: context.common.allow_plain_http || known.is_some_and(|known| known.allow_plain_http),
    };
    let ca_file = entry.ca_file.as_ref().map(|file| std::path::absolute(file).unwrap_or_else(|_| file.clone()));
    let entry = Entry { ca_file, ..entry };
    let client = context.reach(&entry)?;
    let me = client.whoami().await?;
    contexts.contexts.insert(name.clone(), Entry { url: client.base().to_owned(), ..entry });
    contexts.current = Some(name.clone());
    contexts.write(context.contexts_file())?;
    context.console.line(format_args!("{}, {} at {}, context {}", clean(&me.user), me.role, client.base(), clean(&name)))?;
    Ok(Exit::Ok)
}

/// The token: of the variable, asked for at a terminal, else read from standard input.
async fn secret(context: &Context, host: &str) -> Result<SecretString, Failure> {
    let given = match &context.common.credential.token {
        Some(token) => token.clone(),
        None if context.console.terminal().stdin => {
            let asked = context.ask(&format!("Token for {}: ", clean(host))).await;
            asked.map_err(|error| Failure::new(Exit::Error, format!("cannot ask for the token: {error}")))?
        }
        None => String::from_utf8_lossy(&context.read(Path::new("-")).await?).into_owned().into(),
    };
    let text = given.expose_secret().trim();
    if !is_token(text) {
        return Err(Failure::new(Exit::Authentication, "that is no token: it is one word, and begins with slw_ where the server made it")
            .hint("ask an admin for one: slipway token create NAME --role submitter"));
    }
    Ok(text.to_owned().into())
}

/// Forgets the token of a context.
pub(super) fn logout(args: LogoutArgs, context: &Context) -> Result<Exit, Failure> {
    let mut contexts = context.contexts()?;
    let named = args.name.or_else(|| context.common.place.context.clone()).or_else(|| contexts.current.clone());
    let name = named.ok_or_else(|| Failure::new(Exit::NotFound, "there is no current context"))?;
    let entry = Entry { token: None, token_file: None, ..contexts.named(&name)?.clone() };
    contexts.contexts.insert(name.clone(), entry);
    contexts.write(context.contexts_file())?;
    context.console.line(format_args!("{} has no token any more", clean(&name)))?;
    Ok(Exit::Ok)
}

/// Warns of files with tokens that others can read.
pub(super) fn warn_of_open(context: &Context, file: &Path) {
    if is_open(file) {
        context.console.note(format_args!("others on this machine can read the token in {0}: chmod 600 {0}", file.display()));
    }
}
