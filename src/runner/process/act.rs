//! Carrying out what was planned, and starting what was claimed.

use super::{
    attempts::Meta,
    desk::Desk,
    gpus,
    plan::{Action, Observed},
};
use crate::{
    client::Error,
    crash_point,
    wire::{
        Assignment, AttemptRef, ClaimedTask, FailureClass, Hold, Proof, Reason, ReportItem, ReportKind, Resources,
        handoff::{MARKER, files},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::OpenOptions,
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::Stdio,
};
use tokio::process::Command;
use uuid::Uuid;

/// An attempt to begin, from whichever answer of the server it became known.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) of: AttemptRef,
    claim: Uuid,
    start_token: String,
    resources: Resources,
}

impl From<ClaimedTask> for Order {
    fn from(c: ClaimedTask) -> Self {
        let of = AttemptRef { task: c.task, attempt: c.attempt };
        Self { of, claim: c.claim, start_token: c.start_token, resources: c.resources }
    }
}

impl From<Hold> for Order {
    fn from(h: Hold) -> Self {
        let of = AttemptRef { task: h.task, attempt: h.attempt };
        Self { of, claim: h.claim, start_token: h.start_token.unwrap_or_default(), resources: h.resources }
    }
}

impl Desk {
    /// Carries out a plan. `true` where it changed what the next look will see.
    pub(super) async fn act(&mut self, actions: Vec<Action>, observed: &[Observed]) -> Result<bool, Error> {
        let (mut changed, mut reports) = (false, Vec::new());
        self.strange.clear();
        for action in actions {
            match action {
                Action::Begin(hold) => self.begin((*hold).into(), &mut reports),
                Action::Relaunch(of, token) => self.relaunch(of, &token, &mut reports),
                Action::Kill(of) => {
                    tracing::warn!(attempt = %of, "killing what is left of it");
                    let attempts = self.attempts.clone();
                    changed |= tokio::task::spawn_blocking(move || attempts.kill(of)).await.unwrap_or(false);
                    crash_point!("runner.killed");
                }
                Action::Report(item) => reports.push(*item),
                Action::Remove(of) => {
                    self.children.remove(&of);
                    if let Err(error) = self.attempts.remove(of) {
                        tracing::warn!(attempt = %of, %error, "its directory cannot be removed");
                    }
                    crash_point!("runner.removed");
                }
                Action::Strange(of) => {
                    if self.warned.insert(of) {
                        tracing::warn!(attempt = %of, dir = %self.attempts.path(of).display(), "the server does not know it; left alone");
                    }
                    if observed.iter().any(|o| o.of == of && !o.locked && !o.processes) {
                        self.strange.insert(of);
                    }
                }
            }
        }
        Ok(self.report(reports).await? || changed)
    }

    /// Starts an agent for an attempt that has no directory yet. What cannot be started is reported.
    pub(super) fn begin(&mut self, order: Order, reports: &mut Vec<ReportItem>) {
        let Order { of, claim, start_token, resources } = order;
        let metas = self.metas();
        if metas.iter().any(|meta| meta.of() == of) {
            // The server told us twice: in the claim's answer and in what it holds.
            return;
        }
        let used: BTreeSet<u32> = metas.iter().flat_map(|meta| meta.gpus.iter().copied()).collect();
        let room = metas.len() < self.config.slots as usize;
        let Some(gpus) = gpus::choose(self.config.gpus, &used, resources.gpus).filter(|_| room) else {
            tracing::info!(attempt = %of, "no room for it; given back");
            reports.push(ReportItem::new(of.task, of.attempt, claim, ReportKind::Returned { reason: None }));
            return;
        };
        let (task, attempt) = (of.task, of.attempt);
        let uid = self.link.rng.uuid().to_string();
        let meta = Meta { task, attempt, claim, uid, boot_id: self.attempts.boot_id.clone(), gpus, launches: 1 };
        let made = self.attempts.make(&meta, &self.assignment(&meta, &start_token));
        crash_point!("runner.dir");
        self.launch(&meta, made, reports);
    }

    /// Starts another agent for an attempt whose last one ended before it could start it.
    fn relaunch(&mut self, of: AttemptRef, start_token: &str, reports: &mut Vec<ReportItem>) {
        let Some(meta) = self.attempts.meta(of) else { return };
        let meta = Meta { launches: meta.launches + 1, boot_id: self.attempts.boot_id.clone(), ..meta };
        tracing::warn!(attempt = %of, launch = meta.launches, "its agent did not start it; starting another");
        let renewed = self.attempts.renew(&meta, &self.assignment(&meta, start_token));
        self.launch(&meta, renewed, reports);
    }

    fn launch(&mut self, meta: &Meta, made: io::Result<std::path::PathBuf>, reports: &mut Vec<ReportItem>) {
        let of = meta.of();
        match made.and_then(|dir| self.spawn(meta, &dir)) {
            Ok(pid) => {
                crash_point!("runner.spawned");
                self.known.insert(of);
                tracing::info!(attempt = %of, pid, "started its agent");
            }
            Err(error) => {
                tracing::error!(attempt = %of, %error, "its agent cannot be started");
                let message = format!("the agent cannot be started: {error}");
                let kind = ReportKind::Ended { class: FailureClass::Infra, reason: Reason::AgentNotStarted, message, proof: Proof::Seen };
                reports.push(ReportItem::new(of.task, of.attempt, meta.claim, kind));
            }
        }
    }

    fn assignment(&self, meta: &Meta, start_token: &str) -> Assignment {
        let mut env = BTreeMap::new();
        if self.config.gpus > 0 {
            // Also where it is given none: then it must see none.
            let list: Vec<_> = meta.gpus.iter().map(u32::to_string).collect();
            env.insert("CUDA_VISIBLE_DEVICES".to_owned(), list.join(","));
        }
        Assignment {
            url: self.config.url.clone(),
            ca: self.config.ca.clone(),
            task: meta.task,
            attempt: meta.attempt,
            start_token: start_token.to_owned().into(),
            uid: meta.uid.clone(),
            env,
            cache: Some(self.config.dir.join("cache")),
            times: self.link.times.clone(),
        }
    }

    /// Starts the agent so that it lives on without us: nothing of ours is its input or output, and it makes itself a
    /// session of its own. Our credentials are not for it.
    fn spawn(&mut self, meta: &Meta, dir: &Path) -> io::Result<u32> {
        let [program, args @ ..] = self.config.agent.as_slice() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no agent program is configured"));
        };
        let log = OpenOptions::new().append(true).create(true).mode(0o600).open(dir.join(files::AGENT_LOG))?;
        let mut child = Command::new(program)
            .args(args)
            .arg(dir)
            .current_dir(dir)
            .env(MARKER, meta.marker())
            .env_remove("SLIPWAY_TOKEN")
            .env_remove("SLIPWAY_TOKEN_FILE")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let (pid, of, exits) = (child.id().unwrap_or_default(), meta.of(), self.exits.clone());
        self.children.insert(of);
        tokio::spawn(async move {
            let status = child.wait().await;
            tracing::debug!(attempt = %of, ?status, "its agent ended");
            // Nobody listens any more where the runner ends.
            let _ = exits.send(of);
        });
        Ok(pid)
    }

    /// Tells the server. `true` where a report changed anything there.
    pub(super) async fn report(&mut self, items: Vec<ReportItem>) -> Result<bool, Error> {
        if items.is_empty() {
            return Ok(false);
        }
        let became = self.link.report(items).await?;
        for one in &became {
            tracing::info!(task = %one.task, attempt = %one.attempt, applied = one.applied, verdict = ?one.verdict, "reported its end");
        }
        Ok(became.iter().any(|one| one.applied))
    }
}
