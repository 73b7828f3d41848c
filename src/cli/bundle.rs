//! `slipway admin support-bundle`: handled here, hung into the command line by `app`. What helps to find a fault, in one file, and
//! nothing that is anybody's secret.

use super::{
    context::{Common, Context},
    doctor,
    exit::{Exit, Failure},
};
use crate::{
    client::{Client, Error},
    wire::{Event, EventQuery, ProblemCode, TaskQuery},
};
use flate2::{Compression, write::GzEncoder};
use reqwest::Method;
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Examples for the help of `admin support-bundle`.
pub const EXAMPLES: &str = "\
Examples:
  slipway admin support-bundle                    slipway-support.tar.gz here
  slipway admin support-bundle --to - | tar tz    what would be in it

In it is what doctor, health, version, metrics, queues, runners and nodes say, and the last 200 events of the newest tasks. Not in it:
tokens, values of variables, commands, scripts and logs. Look at it before you pass it on: names of users, queues, nodes and images stay.";

/// The arguments of `admin support-bundle`.
#[derive(Clone, Debug, clap::Args)]
pub struct BundleArgs {
    /// The file to write, which must not be there yet; - is standard output
    #[arg(long, value_name = "FILE", default_value = "slipway-support.tar.gz")]
    to: PathBuf,
    #[command(flatten)]
    pub(super) common: Common,
}

/// What stands in the place of what nobody else should see.
const LEFT_OUT: &str = "(left out)";
/// Of how many tasks events are looked at, and how many are kept.
const TASKS: u32 = 50;
const EVENTS: usize = 200;

/// One file of the bundle.
struct Part {
    name: &'static str,
    text: String,
    fault: Option<String>,
}

/// Gathers what can be had, and says what that is.
pub(super) async fn run(args: BundleArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let mut parts = vec![part("doctor.json", Box::pin(doctor::examined(context)).await)];
    for (name, path) in [
        ("version.json", "version"),
        ("health.json", "api/v1/health"),
        ("queues.json", "api/v1/queues"),
        ("runners.json", "api/v1/runners"),
        ("nodes.json", "api/v1/nodes"),
    ] {
        parts.push(part(name, client.call(Method::GET, path).send::<Value>().await.map_err(Failure::from)));
    }
    parts.push(part("events.json", events(&client).await.map_err(Failure::from)));
    parts.push(metrics(&client).await);
    write(&args.to, &parts, context)?;
    for part in &parts {
        let fault = part.fault.as_ref().map(|fault| format!("  {fault}")).unwrap_or_default();
        context.console.note(format_args!("  {:<14}{:>8} bytes{fault}", part.name, part.text.len()));
    }
    if args.to != Path::new("-") {
        context.console.note(format_args!("Written to {}. Look at it before you pass it on.", args.to.display()));
    }
    Ok(Exit::Ok)
}

fn part<T: Serialize>(name: &'static str, found: Result<T, Failure>) -> Part {
    let (value, fault) = match found {
        Ok(found) => (cleaned(serde_json::to_value(found).unwrap_or_default()), None),
        Err(failure) => {
            let fault = failure.message.unwrap_or_default();
            (json!({"error": fault}), Some(fault))
        }
    };
    Part { name, text: format!("{value:#}\n"), fault }
}

async fn metrics(client: &Client) -> Part {
    let said = async {
        let answer = client.call(Method::GET, "metrics").response().await?;
        answer.text().await.map_err(crate::client::cut_off)
    };
    match said.await {
        Ok(text) => Part { name: "metrics.txt", text, fault: None },
        Err(error) => Part { name: "metrics.txt", text: String::new(), fault: Some(error.to_string()) },
    }
}

/// The last events of the newest tasks.
async fn events(client: &Client) -> Result<Vec<Event>, Error> {
    let newest = client.tasks(&TaskQuery { limit: Some(TASKS), ..TaskQuery::default() }).await?.items;
    let mut all = Vec::new();
    for task in newest {
        let query = EventQuery { limit: Some(1_000), ..EventQuery::default() };
        match client.events(task.id, &query).await {
            Ok(list) => all.extend(list.items),
            // It is gone by now.
            Err(error) if error.code() == Some(ProblemCode::TaskNotFound) => {}
            Err(error) => return Err(error),
        }
    }
    all.sort_by_key(|event| event.id);
    let old = all.len().saturating_sub(EVENTS);
    Ok(all.split_off(old))
}

/// The words of names whose values are secret.
const SECRETS: [&str; 7] = ["token", "secret", "passw", "credential", "apikey", "accesskey", "privatekey"];
/// What is the users' own, whatever is in it.
const OWN: [&str; 6] = ["command", "args", "script", "setupScript", "checkpoint", "importedFrom"];

/// A document without what is secret in it.
fn cleaned(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name.clone(), field(&name, value))).collect(),
        Value::Array(items) => items.into_iter().map(cleaned).collect(),
        Value::String(text) => Value::String(without_user(&text)),
        other => other,
    }
}

fn field(name: &str, value: Value) -> Value {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let is_text = value.is_string() || value.is_number();
    match value {
        _ if OWN.contains(&name) => LEFT_OUT.into(),
        Value::Object(fields) if name == "env" => fields.into_iter().map(|(name, _)| (name, Value::from(LEFT_OUT))).collect(),
        Value::Array(items) if name == "env" => items.into_iter().map(variable).collect(),
        _ if is_text && SECRETS.iter().any(|word| plain.contains(word)) => LEFT_OUT.into(),
        value => cleaned(value),
    }
}

/// A variable of a container: a reference to a Secret is none, a value is.
fn variable(value: Value) -> Value {
    match value {
        Value::Object(mut fields) => {
            if let Some(value) = fields.get_mut("value") {
                *value = LEFT_OUT.into();
            }
            Value::Object(fields)
        }
        _ => LEFT_OUT.into(),
    }
}

/// An address without the user and password in it.
fn without_user(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    match host.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{host}{path}"),
        None => text.to_owned(),
    }
}

fn write(path: &Path, parts: &[Part], context: &Context) -> Result<(), Failure> {
    let packed = packed(parts, context.now().as_second()).map_err(|e| Failure::new(Exit::Error, format!("cannot pack the bundle: {e}")))?;
    if path == Path::new("-") {
        return context.console.bytes(&packed);
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(&packed)).map_err(|e| {
        let failure = Failure::new(Exit::Error, format!("cannot write {}: {e}", path.display()));
        if e.kind() == io::ErrorKind::AlreadyExists { failure.hint("name another: --to FILE") } else { failure }
    })
}

fn packed(parts: &[Part], at: i64) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for part in parts {
        let mut header = tar::Header::new_gnu();
        header.set_size(part.text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(at).unwrap_or_default());
        archive.append_data(&mut header, format!("slipway-support/{}", part.name), part.text.as_bytes())?;
    }
    archive.into_inner()?.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_stays_at_home() {
        let document = json!({
            "name": "gpu", "token": "slw_x", "secretKey": "abc", "proxy": {"https": "http://me:pw@proxy:3128/x"},
            "defaults": {"env": {"HF": "hf_x"}, "image": "img:1"}, "importedFrom": {"clearml": {"secret_key": "deep"}},
            "podTemplate": {"spec": {"imagePullSecrets": [{"name": "pull"}], "containers": [{
                "command": ["sh", "-c", "curl -H 'x: pw'"], "args": ["pw"],
                "env": [{"name": "A", "value": "pw"}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
            }]}},
            "counts": {"queued": 3},
        });
        let clean = cleaned(document);
        assert_eq!(
            clean,
            json!({
                "name": "gpu", "token": LEFT_OUT, "secretKey": LEFT_OUT, "proxy": {"https": "http://proxy:3128/x"},
                "defaults": {"env": {"HF": LEFT_OUT}, "image": "img:1"}, "importedFrom": LEFT_OUT,
                "podTemplate": {"spec": {"imagePullSecrets": [{"name": "pull"}], "containers": [{
                    "command": LEFT_OUT, "args": LEFT_OUT,
                    "env": [{"name": "A", "value": LEFT_OUT}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
                }]}},
                "counts": {"queued": 3},
            })
        );
    }
}
