//! A queue that people would pick instead, in a process that speaks JSON lines and uses its public interface alone.

use crate::{
    Failure,
    driver::{BODY, DRAIN, Done, Driver, Load, Parts, Processes},
};
use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// A peer from the npm registry; its versions are pinned in its lock file.
pub(crate) struct Peer {
    name: &'static str,
    child: Child,
    to: ChildStdin,
    from: Lines<BufReader<ChildStdout>>,
    database: Vec<u32>,
    submitted: HashSet<String>,
    drained: HashSet<String>,
}

/// What it did; the ids as the peer shows them.
#[derive(Deserialize)]
struct Answer {
    seconds: f64,
    ids: Vec<String>,
}

impl Peer {
    /// Installs it into the user's cache, where it is not yet, and starts it on a database.
    pub(crate) async fn open(name: &'static str, url: &str, tuned: bool, database: Vec<u32>) -> Result<Self, Failure> {
        let dir = installed(name).await?;
        let mut child = Command::new(dir.join("node_modules/.bin/node"))
            .arg("peer.mjs")
            .current_dir(&dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (to, from) = child.stdin.take().zip(child.stdout.take()).ok_or("no pipes")?;
        let mut peer =
            Self { name, child, to, from: BufReader::new(from).lines(), database, submitted: HashSet::new(), drained: HashSet::new() };
        let payload: Value = serde_json::from_str(BODY)?;
        peer.ask(&json!({"op": "setup", "url": url, "tuned": tuned, "payload": payload})).await?;
        Ok(peer)
    }

    async fn ask(&mut self, question: &Value) -> Result<Value, Failure> {
        self.to.write_all(format!("{question}\n").as_bytes()).await?;
        let line = self.from.next_line().await?.ok_or_else(|| format!("{} ended", self.name))?;
        let answer: Value = serde_json::from_str(&line)?;
        match answer.get("error").and_then(Value::as_str) {
            Some(error) => Err(format!("{}: {error}", self.name).into()),
            None => Ok(answer),
        }
    }

    /// Submits in step, every `period` milliseconds, to a worker that waits; how long each took until its job began, in ms.
    pub(crate) async fn latency(&mut self, count: usize, period: u128) -> Result<Vec<f64>, Failure> {
        let answer = self.ask(&json!({"op": "latency", "count": count, "period": period})).await?;
        let times: Vec<f64> = serde_json::from_value(answer["times"].clone())?;
        if times.len() == count { Ok(times) } else { Err(format!("{}: {} of {count} jobs began", self.name, times.len()).into()) }
    }

    async fn work(&mut self, op: &str, load: Load) -> Result<Answer, Failure> {
        let question = json!({"op": op, "connections": load.connections, "batch": load.batch, "seconds": load.time.as_secs_f64()});
        Ok(serde_json::from_value(self.ask(&question).await?)?)
    }
}

impl Driver for Peer {
    fn name(&self) -> &'static str {
        self.name
    }

    fn submit(&mut self, load: Load) -> BoxFuture<'_, Result<Done, Failure>> {
        Box::pin(async move {
            let answer = self.work("submit", load).await?;
            let done = Done { tasks: answer.ids.len(), seconds: answer.seconds };
            for id in answer.ids {
                if !self.submitted.insert(id) {
                    return Err(format!("{}: an id was acknowledged twice", self.name).into());
                }
            }
            Ok(done)
        })
    }

    fn drain(&mut self, load: Load) -> BoxFuture<'_, Result<Parts, Failure>> {
        Box::pin(async move {
            let answer = self.work("drain", load).await?;
            let done = Done { tasks: answer.ids.len(), seconds: answer.seconds };
            for id in answer.ids {
                if !self.submitted.contains(&id) || !self.drained.insert(id) {
                    return Err(format!("{}: a job was done that was not submitted, or twice", self.name).into());
                }
            }
            Ok(vec![(DRAIN, done)])
        })
    }

    fn processes(&self) -> Processes {
        Processes { queue: self.child.id().into_iter().collect(), database: self.database.clone() }
    }

    fn verify(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            let left = self.ask(&json!({"op": "left"})).await?["left"].as_u64().ok_or("no number left")?;
            let expected = self.submitted.len() - self.drained.len();
            if usize::try_from(left)? == expected {
                return Ok(());
            }
            Err(format!("{}: {left} jobs are left, not {expected}", self.name).into())
        })
    }
}

/// Its program beside its packages, in the user's cache.
async fn installed(name: &str) -> Result<PathBuf, Failure> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers").join(name);
    let target = cache()?.join(name);
    std::fs::create_dir_all(&target)?;
    let lock = "package-lock.json";
    let fresh = std::fs::read(source.join(lock))? == std::fs::read(target.join(lock)).unwrap_or_default();
    for file in ["package.json", lock, "peer.mjs"] {
        std::fs::copy(source.join(file), target.join(file))?;
    }
    if !fresh || !target.join("node_modules/.bin/node").exists() {
        let status = Command::new("npm").args(["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(&target).status().await;
        let status = status.map_err(|error| format!("npm: {error}; install the Debian package `npm`"))?;
        if !status.success() {
            std::fs::remove_file(target.join(lock))?;
            return Err(format!("npm ci for {name} ended with {status}").into());
        }
    }
    Ok(target)
}

#[expect(clippy::disallowed_methods, reason = "where a user keeps caches is the user's choice")]
fn cache() -> Result<PathBuf, Failure> {
    let xdg = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    Ok(xdg.or(home).ok_or("neither XDG_CACHE_HOME nor HOME is set")?.join("slipway-bench"))
}
