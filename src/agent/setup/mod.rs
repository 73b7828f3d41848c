//! What is set up before the command starts: its code, and the environment that it runs in.
//!
//! Everything runs under the task's user, in its container, after the exclusive start. Each step says in the log what it
//! does and how long it took, and the output of its programs goes there too; the steps are kept with the attempt as well. A
//! step that fails ends the attempt with its reason ([`Fault`]); the command never begins then. Programs are called by their
//! arguments, never through a shell, and one that the image lacks is named.

mod archive;
mod cache;
mod detect;
mod environment;
mod fetch;
mod git;
mod gitconfig;
mod python;
mod record;
mod tools;

pub(super) use git::forget_credentials;

use super::{command::Prepared, environment::Vars, link::Link, log::Log, place::Place};
use crate::wire::{EnvironmentKind, Reason, Setup, Sources, handoff::files};
use std::{fs, io, path::PathBuf, sync::Arc, time::Duration};
use tools::Tools;

/// Why code or environment could not be prepared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// One of those for which [`Reason::is_of_setup`] holds.
    pub(super) reason: Reason,
    /// One line for people.
    pub(super) message: String,
}

impl Fault {
    fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    /// The machine refused.
    fn io(what: &str, error: &io::Error) -> Self {
        Self::new(Reason::SetupFailed, format!("cannot {what}: {error}"))
    }
}

/// What a set-up works with.
pub(super) struct Site<'a> {
    pub(super) place: &'a Place,
    pub(super) link: &'a Link,
    pub(super) log: &'a Arc<Log>,
    pub(super) sources: &'a Sources,
    /// Where things are kept from task to task, where anything is.
    pub(super) cache: Option<cache::Cache>,
}

/// Keeps what a set-up lent the command for as long as it runs.
#[derive(Debug, Default)]
pub(super) struct Lent(#[expect(dead_code, reason = "it keeps repository and environment from being removed")] [Option<cache::Use>; 2]);

impl<'a> Site<'a> {
    /// Where an attempt is set up.
    pub(super) fn new(place: &'a Place, link: &'a Link, log: &'a Arc<Log>, sources: &'a Sources, runners_cache: Option<&PathBuf>) -> Self {
        let settings = sources.cache.clone();
        let cache = place.cache(settings.as_ref(), runners_cache).map(|dir| cache::Cache::new(dir, &settings.unwrap_or_default()));
        Self { place, link, log, sources, cache }
    }

    /// Says what is done, does it, and says how long it took.
    async fn step<T>(&self, what: &str, doing: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        self.log.notice(&format!("set-up: {what}"));
        let began = self.link.clock.monotonic();
        let done = doing.await;
        let took = self.link.clock.monotonic().saturating_sub(began);
        let how = if done.is_ok() { "done in" } else { "failed after" };
        self.log.notice(&format!("set-up: {what}: {how} {}", seconds(took)));
        record::step(self, what, took, done.is_err());
        done
    }
}

/// `0.4 s`.
fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// Sets up what `setup` asks for and lets the prepared command run in it.
pub(super) async fn set_up(setup: &Setup, site: &Site<'_>, command: &mut Prepared) -> Result<Lent, Fault> {
    let mut lent = [None, None];
    let code = site.place.at(files::CODE);
    let extra = gitconfig::environment(site).map_err(|e| Fault::io("write the settings of git and of certificates", &e))?;
    let mut tools = Tools::new(command.env.clone(), site.log.clone());
    tools.set(extra.clone());
    if let Some(proxied) = gitconfig::proxy(site.sources) {
        tools.set(proxied.clone());
        keep_own(&mut command.env, proxied);
    }
    if let Some(of) = &setup.code {
        fs::create_dir_all(&code).map_err(|e| Fault::io("make the directory of the code", &e))?;
        if let Some(git) = &of.git {
            let short: String = git.commit.chars().take(7).collect();
            let what = format!("git {} @ {short}", git.url);
            lent[0] = site.step(&what, git::check_out(git, &code, site, &tools)).await?;
        }
        if let Some(sum) = &of.upload {
            site.step("unpack the files", archive::unpack(sum, &code, site)).await?;
        }
        for (path, text) in &of.inline {
            let to = code.join(path);
            let written = to.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&to, text));
            written.map_err(|e| Fault::io(&format!("write {path}"), &e))?;
        }
        command.cwd = setup.working_dir.as_ref().map_or(code.clone(), |dir| code.join(dir));
        if !command.cwd.is_dir() {
            let dir = setup.working_dir.as_deref().unwrap_or_default();
            return Err(Fault::new(Reason::SetupFailed, format!("the code has no directory {dir}, which is the task's workingDir")));
        }
    }
    let asked = setup.environment.clone().unwrap_or_default();
    if let Some(script) = &asked.setup_script {
        let path = site.place.at(files::TMP).join("setup-script");
        site.step("the set-up script", tools.script(script, &path, &command.cwd)).await?;
    }
    // Without code and without a word of the user's nothing is touched.
    if setup.environment.is_some() || (setup.code.is_some() && asked.kind == EnvironmentKind::Auto) {
        let made = environment::make(&asked, &command.cwd, &code, site, &tools).await?;
        if let Some(made) = made {
            made.activate(&mut command.env);
            lent[1] = made.lent;
        }
    }
    Ok(Lent(lent))
}

/// Adds variables that the task and its image do not set themselves.
fn keep_own(env: &mut Vars, more: Vars) {
    for (name, value) in more {
        env.entry(name).or_insert(value);
    }
}

/// The files of the set-up itself, which the command does not need.
fn scratch(site: &Site<'_>, name: &str) -> PathBuf {
    site.place.at(files::SETUP).join(name)
}
