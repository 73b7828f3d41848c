//! `slipway api`: any call of the API, as this user.

use super::{
    context::{Common, Context},
    exit::{Exit, Failure},
};
use reqwest::Method;
use serde_json::{Map, Value};
use std::{path::PathBuf, str::FromStr, time::Duration};

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway api GET tasks/1042                                   an object as the API gives it
  slipway api GET 'tasks?queue=gpu&limit=5' --jq '.items[].id'
  slipway api POST tasks -f queue=gpu -f 'command=[\"make\"]'    fields that are JSON are taken as such
  slipway api PUT queues/gpu --input queue.json -H 'if-match: \"3\"'
  slipway api GET events -H 'last-event-id: 17'                what happens, as it happens

All calls: docs/openapi.json, and GET /openapi.json of every server.";

/// The arguments of `api`.
#[derive(Clone, Debug, clap::Args)]
pub struct ApiArgs {
    /// GET, POST, PUT, PATCH or DELETE
    #[arg(value_name = "METHOD", value_parser = method, ignore_case = true)]
    method: Method,
    /// What is called: tasks/1042, or with its beginning: /api/v1/tasks/1042, /healthz
    #[arg(value_name = "PATH", value_parser = path)]
    path: String,
    /// A field of the body; what is no JSON is a text
    #[arg(short, long, value_name = "KEY=VALUE", conflicts_with = "input")]
    field: Vec<Field>,
    /// The file that is the body; - is standard input
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// A further header
    #[arg(short = 'H', long, value_name = "NAME: VALUE")]
    header: Vec<Header>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// One field of a body.
#[derive(Clone, Debug)]
struct Field(String, Value);

impl FromStr for Field {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or("write KEY=VALUE")?;
        Ok(Self(key.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| value.into())))
    }
}

/// One header.
#[derive(Clone, Debug)]
struct Header(String, String);

impl FromStr for Header {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once(':').ok_or("write NAME: VALUE")?;
        let (name, value) = (name.trim(), value.trim());
        let sound = reqwest::header::HeaderName::try_from(name).is_ok() && reqwest::header::HeaderValue::try_from(value).is_ok();
        sound.then(|| Self(name.to_owned(), value.to_owned())).ok_or_else(|| format!("{name:?} with {value:?} is no header"))
    }
}

fn method(text: &str) -> Result<Method, String> {
    let known = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let said = text.to_ascii_uppercase();
    known.into_iter().find(|method| method.as_str() == said).ok_or_else(|| "there are GET, POST, PUT, PATCH and DELETE".to_owned())
}

/// The path below the server's address.
fn path(text: &str) -> Result<String, String> {
    if text.contains("://")
        || text.starts_with("//")
        || text.split(['?', '#']).next().unwrap_or_default().split('/').any(|part| part == "..")
    {
        return Err("a path below the server's address, like tasks/1042; --url names another server".to_owned());
    }
    Ok(text.strip_prefix('/').map_or_else(|| format!("api/v1/{text}"), str::to_owned))
}

/// How long the beginning of an answer may take. What follows may take as long as it comes: events, logs.
const BEGINS: Duration = Duration::from_mins(1);
const LASTS: Duration = Duration::from_hours(24);

/// Makes the call, and prints what comes.
pub(super) async fn run(args: ApiArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let posts = args.method == Method::POST;
    let mut call = client.call(args.method, &args.path).timeout(LASTS);
    if let Some(file) = &args.input {
        let bytes = context.read(file).await?;
        call = match serde_json::from_slice::<Value>(&bytes) {
            Ok(json) => call.json(&json),
            Err(_) => call.bytes(bytes.into()),
        };
    } else if !args.field.is_empty() {
        call = call.json(&args.field.into_iter().map(|Field(key, value)| (key, value)).collect::<Map<_, _>>());
    }
    if posts && !args.header.iter().any(|Header(name, _)| name.eq_ignore_ascii_case("idempotency-key")) {
        call = call.idempotent(context.key());
    }
    for Header(name, value) in &args.header {
        call = call.header(name, value);
    }
    let late = |_| Failure::new(Exit::Error, format!("no answer after {} seconds", BEGINS.as_secs()));
    let mut answer = tokio::time::timeout(BEGINS, call.response()).await.map_err(late)??;
    let broken = |error: reqwest::Error| Failure::from(crate::client::cut_off(error));
    let json = answer.headers().get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if json {
        let bytes = answer.bytes().await.map_err(broken)?;
        let value: Value =
            serde_json::from_slice(&bytes).map_err(|error| Failure::new(Exit::Error, format!("the answer is no JSON: {error}")))?;
        context.print(&value, names, |value| format!("{value:#}\n"))?;
        return Ok(Exit::Ok);
    }
    while let Some(piece) = answer.chunk().await.map_err(broken)? {
        context.console.bytes(&piece)?;
    }
    Ok(Exit::Ok)
}

/// The ids, else the names, of the items of a list, or of the object itself.
fn names(value: &Value) -> Vec<String> {
    let items = value.get("items").and_then(Value::as_array).cloned().unwrap_or_else(|| vec![value.clone()]);
    let name = |item: &Value| match item.get("id").or_else(|| item.get("name"))? {
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    items.iter().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_of_the_api_and_of_no_other_server() {
        for (typed, called) in [
            ("tasks/1042", "api/v1/tasks/1042"),
            ("/healthz", "healthz"),
            ("/api/v1/tasks?q=a..b", "api/v1/tasks?q=a..b"),
            ("tasks:batch", "api/v1/tasks:batch"),
        ] {
            assert_eq!(path(typed).as_deref(), Ok(called));
        }
        for bad in ["https://elsewhere/x", "//elsewhere/x", "tasks/../../x", "/.."] {
            assert!(path(bad).is_err(), "{bad}");
        }
        assert_eq!((method("get"), method("TRACE").is_err()), (Ok(Method::GET), true));
    }

    #[test]
    fn fields_are_json_where_they_can_be() {
        let field = |text: &str| text.parse::<Field>().map(|Field(key, value)| format!("{key} {value}"));
        for (typed, sent) in [("a=1", "a 1"), ("a=[\"x\"]", "a [\"x\"]"), ("a=gpu", "a \"gpu\""), ("a=b=c", "a \"b=c\""), ("a=", "a \"\"")]
        {
            assert_eq!(field(typed).as_deref(), Ok(sent));
        }
        assert!(field("=1").is_err() && field("a").is_err());
        assert!("x".parse::<Header>().is_err() && "a b: c".parse::<Header>().is_err());
        assert_eq!(names(&serde_json::json!({"items": [{"id": 7}, {"name": "gpu"}, {}]})), ["7", "gpu"]);
    }
}
