//! Removing what a glue leaves alone because the server does not know it. People do that, once they have looked.

use super::{
    cluster::Cluster,
    config::Config,
    connect::Found,
    facts::{Mark, SeenJob},
    metrics::Metrics,
};
use crate::{
    client::Client,
    domain::{Clock, pod},
    wire::{AttemptRef, CheckItem, CheckRequest, Verdict},
};
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};

/// The most attempts that one check asks about.
const AT_ONCE: usize = 1_000;

/// A Job that bears a glue's name and that the server does not know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UnknownJob {
    /// Where.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The installation that made it.
    pub installation: String,
    /// Whether that is the installation of the server that was asked.
    pub is_own: bool,
    /// Its own identity: what is deleted is this object and none that has taken its name.
    pub uid: String,
}

/// A cluster to look for unknown Jobs in, with the server that may know them.
pub struct Reaper {
    cluster: Cluster,
    config: Config,
    server: Client,
}

impl Reaper {
    /// With the glue's own configuration and a credential of a runner.
    ///
    /// # Errors
    /// The connection to the cluster cannot be set up.
    pub fn new(config: Config, found: Found, server: Client, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let cluster = Cluster::new(found.config, (config.qps, config.burst), Metrics::new(), clock);
        let cluster = cluster.map_err(|error| format!("cannot set up the connection to the cluster: {error}"))?;
        Ok(Self { cluster, config, server })
    }

    /// The Jobs under the glue's name that are of no attempt which the server knows, by namespace and name.
    ///
    /// # Errors
    /// What the API server or the server says.
    pub async fn find(&self) -> Result<Vec<UnknownJob>, String> {
        let labels = format!("{}={}", pod::LABEL_RUNNER, self.config.name);
        let mut jobs = Vec::new();
        for namespace in &self.config.namespaces {
            let found = self.cluster.jobs(namespace, &labels).await;
            jobs.extend(found.map_err(|failed| format!("cannot list the Jobs in {namespace}: {failed}"))?);
        }
        let (mut verdicts, mut own) = (BTreeMap::new(), String::new());
        for part in jobs.chunks(AT_ONCE) {
            let item = |Mark { of, claim, .. }: &Mark| CheckItem { task: of.task, attempt: of.attempt, claim: *claim };
            let request = CheckRequest { items: part.iter().map(|job| item(&job.mark)).collect() };
            let answer = self.server.check(&request).await.map_err(|error| format!("cannot ask the server: {error}"))?;
            own = answer.installation;
            // Verdicts come in the order of the request; one that is not of the Job at its place condemns nothing.
            let told =
                part.iter().zip(answer.items).filter(|(job, one)| job.mark.of == AttemptRef { task: one.task, attempt: one.attempt });
            verdicts.extend(told.map(|(job, one)| (job.facts.uid.clone(), one.verdict)));
        }
        if own.is_empty() && !jobs.is_empty() {
            return Err("the server does not say which installation it is: it is older than this program".to_owned());
        }
        let unknown = |job: &SeenJob| is_unknown(&job.mark, verdicts.get(&job.facts.uid).copied(), &own);
        let mut found: Vec<_> = jobs.into_iter().filter(unknown).map(|job| UnknownJob::of(job, &own)).collect();
        found.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        Ok(found)
    }

    /// Deletes one with its pods, and what belongs to it.
    ///
    /// # Errors
    /// What the API server says. Gone is no error.
    pub async fn remove(&self, job: &UnknownJob) -> Result<(), String> {
        match self.cluster.delete_job(&job.namespace, &job.name, &job.uid).await {
            Err(failed) if !failed.gone() => Err(failed.to_string()),
            _ => Ok(()),
        }
    }
}

impl UnknownJob {
    fn of(job: SeenJob, own: &str) -> Self {
        let (mark, facts) = (job.mark, job.facts);
        let is_own = mark.instance == own;
        Self { namespace: facts.namespace, name: facts.name, installation: mark.instance, is_own, uid: facts.uid }
    }
}

/// Whether a Job is of no attempt that the server knows. What it holds by this claim is known, whichever installation began it; what
/// has ended in its own installation is the glue's to remove. Another installation's numbers mean nothing here.
fn is_unknown(mark: &Mark, verdict: Option<Verdict>, own: &str) -> bool {
    match verdict {
        None | Some(Verdict::Live) => false,
        Some(Verdict::Unknown) => true,
        Some(Verdict::Ended | Verdict::Superseded) => mark.instance != own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::kubernetes::examples::job;

    #[test]
    fn unknown_is_what_the_server_has_never_heard_of_or_another_installation_left() {
        let of = |instance: &str, verdict| is_unknown(&Mark { instance: instance.into(), ..job(1).mark }, verdict, "k3f9a");
        for verdict in [None, Some(Verdict::Live)] {
            assert!(!of("k3f9a", verdict) && !of("other", verdict), "it may be held, also one that began before a restore");
        }
        for verdict in [Verdict::Ended, Verdict::Superseded] {
            assert!(!of("k3f9a", Some(verdict)), "the glue removes it in its time");
            assert!(of("other", Some(verdict)), "the number is another task's");
        }
        assert!(of("k3f9a", Some(Verdict::Unknown)) && of("other", Some(Verdict::Unknown)));
    }
}
