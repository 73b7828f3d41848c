//! `slipway-agent result|progress|phase|resume|stopping|status`: the words that a script says to its agent.

use super::{Answer, Counted, MAX_LINE, Said, reachable};
use crate::agent::Vars;
use serde_json::Value;
use std::{
    ffi::OsStr,
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::ExitCode,
    time::Duration,
};

/// How long the agent may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How it is used, a line each.
pub const USAGE: &str = "\
inside a task:
  slipway-agent result set NAME=VALUE...    keep results with the attempt; a value that is JSON is kept as such
  slipway-agent result get [NAME]           print one, or all as JSON
  slipway-agent progress 42% [MESSAGE]      say how far it is; also as 160/1281
  slipway-agent phase NAME                  say what it does now
  slipway-agent resume set TEXT             leave word for the next attempt (also in its SLIPWAY_RESUME)
  slipway-agent resume get                  print what an earlier attempt left; exit code 1 where none did
  slipway-agent stopping                    print the seconds left; exit code 1 where the command is not to stop
  slipway-agent status                      print all of it as JSON";

/// What is printed of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Show<'a> {
    Nothing,
    Results,
    Result(&'a str),
    Resume,
    Stopping,
    All,
}

/// Says what `words` say to the agent of the task that this runs in; none where they are no such words.
#[must_use]
pub fn say(words: &[&str], env: &Vars) -> Option<ExitCode> {
    let (said, show) = match read(words)? {
        Ok(read) => read,
        Err(wrong) => return Some(complain(&wrong, 2)),
    };
    let Some(socket) = env.get(OsStr::new(super::SOCKET)) else {
        return Some(complain("SLIPWAY_SOCKET is not set: this works inside a task that Slipway runs", 1));
    };
    let answer = match ask(Path::new(socket), &said) {
        Ok(answer) => answer,
        Err(error) => return Some(complain(&format!("the task's agent cannot be asked: {error}"), 1)),
    };
    if let Some(error) = answer.error {
        return Some(complain(&error, 1));
    }
    let Some(text) = shown(show, &answer) else { return Some(ExitCode::FAILURE) };
    let mut out = io::stdout().lock();
    let printed = if text.is_empty() { Ok(()) } else { writeln!(out, "{text}") };
    Some(printed.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS))
}

/// Lets people read what is wrong.
fn complain(wrong: &str, code: u8) -> ExitCode {
    let _ = writeln!(io::stderr(), "slipway-agent: {wrong}");
    ExitCode::from(code)
}

/// What words mean; none where they mean nothing here.
fn read<'a>(words: &[&'a str]) -> Option<Result<(Said, Show<'a>), String>> {
    let said = Said::default();
    Some(Ok(match words {
        ["result", "set", pairs @ ..] if !pairs.is_empty() => {
            let results = pairs.iter().map(|pair| {
                let (name, text) = pair.split_once('=').ok_or_else(|| format!("{pair:?} is not NAME=VALUE"))?;
                Ok((name.to_owned(), serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))))
            });
            match results.collect() {
                Ok(results) => (Said { results, ..said }, Show::Nothing),
                Err(wrong) => return Some(Err(wrong)),
            }
        }
        ["result", "get"] => (said, Show::Results),
        ["result", "get", name] => (said, Show::Result(name)),
        ["progress", part, rest @ ..] => match counted(part, rest) {
            Some(progress) => (Said { progress: Some(progress), ..said }, Show::Nothing),
            None => return Some(Err(format!("{part:?} is no progress: give per cent (42%) or a part of a whole (160/1281)"))),
        },
        ["phase", name] => (Said { phase: Some((*name).to_owned()), ..said }, Show::Nothing),
        ["resume", "set", text] => (Said { resume: Some((*text).to_owned()), ..said }, Show::Nothing),
        ["resume", "get"] => (said, Show::Resume),
        ["stopping"] => (said, Show::Stopping),
        ["status"] => (said, Show::All),
        _ => return None,
    }))
}

/// `42%`, `42.5%`, `160/1281`, and what is said with it.
fn counted(part: &str, message: &[&str]) -> Option<Counted> {
    let (done, total) = match (part.strip_suffix('%'), part.split_once('/')) {
        (Some(percent), _) => match percent.split_once('.') {
            None => (percent.parse().ok()?, 100),
            Some((whole, tenths)) if tenths.len() == 1 => {
                (whole.parse::<u64>().ok()?.checked_mul(10)? + tenths.parse::<u64>().ok()?, 1_000)
            }
            Some(_) => return None,
        },
        (None, Some((done, total))) => (done.parse().ok()?, total.parse().ok()?),
        (None, None) => return None,
    };
    (done <= total && total > 0).then(|| Counted { done, total, message: (!message.is_empty()).then(|| message.join(" ")) })
}

fn ask(socket: &Path, said: &Said) -> io::Result<Answer> {
    let dir = File::open(socket.parent().unwrap_or(Path::new("/")))?;
    let mut stream = UnixStream::connect(reachable(&dir))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(said)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = Vec::new();
    BufReader::new(stream.take(2 * MAX_LINE)).read_until(b'\n', &mut answer)?;
    Ok(serde_json::from_slice(&answer)?)
}

/// What is printed; none where there is nothing of it.
fn shown(show: Show<'_>, answer: &Answer) -> Option<String> {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    match show {
        Show::Nothing => Some(String::new()),
        Show::Results => serde_json::to_string(&answer.results).ok(),
        Show::Result(name) => answer.results.get(name).map(plain),
        Show::Resume => answer.resume.clone(),
        Show::Stopping => answer.stopping.map(|told| told.seconds_left.to_string()),
        Show::All => serde_json::to_string(answer).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_mean_what_they_say() {
        let said = |words: &[&str]| read(words).map(|read| read.map(|(said, _)| json!(said)));
        let is = |words: &[&str], meant: Value| assert_eq!(said(words), Some(Ok(meant)), "{words:?}");
        is(
            &["result", "set", "acc=0.9", "name=resnet", "note=a=b", "best={\"epoch\":3}", "empty=", "yes=true"],
            json!({"results": {"acc": 0.9, "name": "resnet", "note": "a=b", "best": {"epoch": 3}, "empty": "", "yes": true}}),
        );
        is(&["progress", "42%"], json!({"progress": {"done": 42, "total": 100}}));
        is(&["progress", "42.5%", "half", "way"], json!({"progress": {"done": 425, "total": 1000, "message": "half way"}}));
        is(&["progress", "160/1281"], json!({"progress": {"done": 160, "total": 1281}}));
        is(&["phase", "warm up"], json!({"phase": "warm up"}));
        is(&["resume", "set", "s3://b/ckpt"], json!({"resume": "s3://b/ckpt"}));
        is(&["status"], json!({}));
        for bad in [&["progress", "101%"][..], &["progress", "x"], &["progress", "1/0"], &["progress", "-1%"], &["result", "set", "acc"]] {
            assert!(matches!(said(bad), Some(Err(_))), "{bad:?}");
        }
        assert_eq!(said(&["result"]), None);
        assert_eq!(said(&["phase"]), None);
    }
}
