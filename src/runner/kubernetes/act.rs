//! Carrying out in the cluster what was planned. Every act runs beside the loop and may be cut anywhere: what it did is
//! seen by the watches, and what it did not is planned again.

mod object;
mod refused;
mod room;
mod secrets;

use self::{
    refused::{foreign, uncreated, vain},
    room::Room,
    secrets::{claim, claims},
};
use super::{
    barred::Barred,
    cluster::{Cluster, Failed},
    config::Config,
    facts::{SeenJob, SeenPod},
    metrics::Metrics,
    objects::{Objects, objects},
    sight::{Hopeless, Look, Observed},
};
use crate::{
    crash_point,
    domain::{
        evidence::{ApiRefusal, ContainerFacts, ContainerRole, ContainerState},
        pod,
    },
    wire::{AttemptRef, Hold, ReportItem, Times},
};
use k8s_openapi::api::core::v1::Secret;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tokio::sync::mpsc;

/// What became of an act.
#[derive(Debug)]
pub(super) enum Done {
    /// Its Job is there; whether the Secret goes with it.
    Created(Box<SeenJob>, bool),
    /// The Job is not there, and why, where the API server said so.
    Uncreated(Option<ApiRefusal>),
    /// Its Job can never be.
    Hopeless(Hopeless),
    /// No object of its kind can be made here, and how that was said.
    Unserved(ApiRefusal),
    /// What it looks like, when the cache stood at that revision.
    Looked(Look, u64),
    /// The Job with this UID is on its way out; what to tell the server now.
    Deleted(String, Option<Box<ReportItem>>),
    /// The pods with these UIDs are gone, or on their way out.
    DeletedPods(BTreeSet<String>),
    /// Its Secret goes with its Job.
    Adopted,
    /// No Secret of it is left without an owner.
    Searched,
    /// Done, and nothing to note.
    Idle,
    /// It could not be done now.
    Vain,
    /// Its log was sent, with length and CRC-32C; none where that is not possible now.
    Followed(Option<(u64, u32)>),
}

/// Namespace and UID of an object.
type About = (String, String);

/// What acts need.
#[derive(Clone)]
pub(super) struct Hands {
    pub(super) cluster: Cluster,
    pub(super) config: Arc<Config>,
    /// The installation.
    pub(super) instance: String,
    /// The installation of attempts that began under another one.
    inherited: Arc<BTreeMap<AttemptRef, String>>,
    pub(super) times: Times,
    pub(super) metrics: Metrics,
    pub(super) barred: Barred,
    pub(super) done: mpsc::UnboundedSender<(AttemptRef, Done)>,
    room: Room,
}

impl Hands {
    pub(super) fn new(cluster: Cluster, config: Arc<Config>, metrics: Metrics, done: mpsc::UnboundedSender<(AttemptRef, Done)>) -> Self {
        Self {
            cluster,
            config,
            instance: String::new(),
            inherited: Arc::default(),
            times: Times::default(),
            metrics,
            barred: Barred::default(),
            done,
            room: Room::new(),
        }
    }

    /// The installation whose name the objects of an attempt bear.
    pub(super) fn instance_of(&self, of: AttemptRef) -> &str {
        self.inherited.get(&of).unwrap_or(&self.instance)
    }

    /// Takes note of attempts that began before a restore of the server. They stay known beyond their end, for as long as
    /// this process lives: their Jobs are to be removed.
    pub(super) fn inherit<'a>(&mut self, holds: impl Iterator<Item = &'a Hold>) {
        for (hold, instance) in holds.filter_map(|hold| Some((hold, hold.instance.as_ref()?))) {
            if self.inherited.get(&hold.attempt_ref()) != Some(instance) {
                Arc::make_mut(&mut self.inherited).insert(hold.attempt_ref(), instance.clone());
            }
        }
    }

    /// Runs an act beside the loop; its outcome comes through `done`.
    fn run<F>(&self, of: AttemptRef, act: impl FnOnce() -> F + Send + 'static)
    where
        F: Future<Output = Done> + Send + 'static,
    {
        let (room, done) = (self.room.clone(), self.done.clone());
        tokio::spawn(in_turn(async move { room.enter().await }, act, move |outcome| done.send((of, outcome)).is_ok()));
    }

    /// The same of what is over, after what is about to begin.
    fn run_removal<F>(&self, of: AttemptRef, act: impl FnOnce() -> F + Send + 'static)
    where
        F: Future<Output = Done> + Send + 'static,
    {
        let (room, done) = (self.room.clone(), self.done.clone());
        tokio::spawn(in_turn(async move { room.enter_to_remove().await }, act, move |outcome| done.send((of, outcome)).is_ok()));
    }

    /// Asks whether the API server is at work again; the meter hears the answer.
    pub(super) fn probe(&self) {
        let cluster = self.cluster.clone();
        tokio::spawn(async move { cluster.probe().await });
    }

    pub(super) fn create(&self, hold: Hold) {
        let hands = self.clone();
        let of = hold.attempt_ref();
        self.run(of, move || async move {
            match objects(&hold, hands.instance_of(of), &hands.config, &hands.times) {
                Ok(objects) => hands.create_both(&hold, of, &objects).await,
                Err(fault) => {
                    tracing::error!(attempt = %of, queue = %hold.queue, fault, "the Job that the server rendered cannot be completed");
                    Done::Hopeless(Hopeless::Unrenderable)
                }
            }
        });
    }

    async fn create_both(&self, hold: &Hold, of: AttemptRef, objects: &Objects) -> Done {
        let Objects { namespace, name, secret, job } = objects;
        crash_point!("glue.create");
        match self.cluster.create_secret(namespace, secret).await {
            Err(failed) if failed.exists() => match self.cluster.secret(namespace, name).await {
                Ok(Some(there)) if claims(&there, hold) => {}
                Ok(Some(_)) => return Done::Hopeless(foreign("Secret", namespace, name)),
                Ok(None) => return Done::Uncreated(None),
                Err(failed) => return uncreated(of, failed),
            },
            Err(failed) => return uncreated(of, failed),
            Ok(()) => {}
        }
        crash_point!("glue.secret");
        let made = match self.cluster.create_job(namespace, job).await {
            Ok(made) => made,
            // A create whose answer was lost, or another replica's.
            Err(failed) if failed.exists() => match self.cluster.job(namespace, name).await {
                Ok(Some(there)) => there,
                Ok(None) => return Done::Uncreated(None),
                Err(failed) => return uncreated(of, failed),
            },
            Err(failed) => return uncreated(of, failed),
        };
        crash_point!("glue.job");
        let Some(seen) = SeenJob::read(made).filter(|seen| seen.mark.claim == hold.claim) else {
            return Done::Hopeless(foreign("Job", namespace, name));
        };
        self.metrics.created.inc();
        tracing::info!(attempt = %of, job = name, namespace, "created its Job");
        let owned = match self.cluster.own_secret(namespace, name, &seen.facts.uid).await {
            Ok(()) => true,
            Err(failed) => {
                tracing::debug!(attempt = %of, %failed, "its Secret is made to go with the Job later");
                false
            }
        };
        crash_point!("glue.owned");
        Done::Created(Box::new(seen), owned)
    }

    /// Looks live at everything that is known, or may be there, of an attempt. `wanted` is the pod that started it.
    pub(super) fn look(&self, seen: &Observed, wanted: Option<String>, revision: u64, log: bool) {
        let (hands, of) = (self.clone(), seen.of);
        let (job, pods) = (seen.job.clone(), seen.pods.clone());
        self.explain(of, revision, move || async move { hands.looked(of, job, pods, wanted.as_deref(), log).await });
    }

    /// Looks in a place of its own, and then, where others need none, asks for the events of the object that says most.
    fn explain<F>(&self, of: AttemptRef, revision: u64, look: impl FnOnce() -> F + Send + 'static)
    where
        F: Future<Output = Result<(Look, Option<About>), Failed>> + Send,
    {
        let hands = self.clone();
        tokio::spawn(async move {
            let place = hands.room.enter().await;
            let looked = Box::pin(look()).await;
            drop(place);
            let explained = match looked {
                Ok((look, Some((namespace, uid)))) => match hands.cluster.events(&namespace, &uid).await {
                    Ok(events) => Ok(Look { events, ..look }),
                    // They only explain; without the right to them the rest still counts.
                    Err(Failed::Refused(refusal)) => {
                        tracing::debug!(attempt = %of, message = refusal.message, "no events");
                        Ok(look)
                    }
                    Err(later @ Failed::Later(_)) => Err(later),
                },
                Ok((look, None)) => Ok(look),
                Err(failed) => Err(failed),
            };
            let done = match explained {
                Ok(look) => Done::Looked(look, revision),
                Err(failed) => {
                    tracing::debug!(attempt = %of, %failed, "cannot look at it now");
                    Done::Vain
                }
            };
            let _ = hands.done.send((of, done));
        });
    }

    async fn looked(
        &self,
        of: AttemptRef,
        job: Option<Arc<SeenJob>>,
        pods: Vec<Arc<SeenPod>>,
        wanted: Option<&str>,
        log: bool,
    ) -> Result<(Look, Option<About>), Failed> {
        crash_point!("glue.look");
        let labels = [
            (pod::LABEL_INSTANCE, self.instance_of(of).to_owned()),
            (pod::LABEL_RUNNER, self.config.name.to_string()),
            (pod::LABEL_TASK, of.task.to_string()),
            (pod::LABEL_ATTEMPT, of.attempt.to_string()),
        ];
        let labels = labels.map(|(key, value)| format!("{key}={value}")).join(",");
        let mut look = Look::default();
        // Pods stand where their Job does.
        let namespaces = job.as_ref().map_or_else(|| self.config.namespaces.clone(), |job| vec![job.facts.namespace.clone()]);
        if let Some(known) = job {
            let there = self.cluster.job(&known.facts.namespace, &known.facts.name).await?.and_then(SeenJob::read);
            look.job = there.filter(|job| job.facts.uid == known.facts.uid).map(Arc::new);
        } else {
            for namespace in &namespaces {
                look.job = look.job.or(self.cluster.jobs(namespace, &labels).await?.into_iter().next().map(Arc::new));
            }
        }
        if pods.is_empty() || wanted.is_some_and(|uid| !pods.iter().any(|pod| pod.facts.uid == uid)) {
            for namespace in &namespaces {
                look.pods.extend(self.cluster.pods(namespace, &labels).await?.into_iter().map(Arc::new));
            }
            look.pods.sort_by_key(|pod| pod.facts.created_at);
        } else {
            for known in pods {
                let there = self.cluster.pod(&known.namespace, &known.facts.name).await?;
                look.pods.extend(there.filter(|pod| pod.facts.uid == known.facts.uid).map(Arc::new));
            }
        }
        if let Some(pod) = look.pods.last().filter(|pod| log && pod.facts.is_terminal() && pod.testament().is_none())
            && let Some(container) = spoke(pod)
        {
            // It may be gone with its node, which is no reason to wait.
            look.log_tail = self.cluster.log_tail(&pod.namespace, &pod.facts.name, &container.name).await.ok().filter(|t| !t.is_empty());
        }
        let about = look.pods.last().map(|pod| (pod.namespace.clone(), pod.facts.uid.clone()));
        let about = about.or_else(|| look.job.as_ref().map(|job| (job.facts.namespace.clone(), job.facts.uid.clone())));
        Ok((look, about))
    }

    /// Deletes a Job with its pods, after one more live look at who it is. Where its Secret is not known to be `owned` by it, that
    /// is seen to first: nobody would look for it afterwards.
    pub(super) fn delete(&self, job: &SeenJob, owned: bool, then: Option<Box<ReportItem>>) {
        let (hands, job) = (self.clone(), job.clone());
        let (facts, of) = (job.facts.clone(), job.mark.of);
        self.run_removal(of, move || async move {
            let cluster = &hands.cluster;
            crash_point!("glue.delete");
            if let Some(object) = job.object.as_ref().filter(|object| !object.kind.is_job()) {
                return hands.delete_custom(&object.kind, &job, then).await;
            }
            let gone = Done::Deleted(facts.uid.clone(), then);
            match cluster.job(&facts.namespace, &facts.name).await {
                Ok(Some(job)) if job.metadata.uid.as_ref() == Some(&facts.uid) => {}
                Ok(_) => return gone,
                Err(failed) => return vain(of, "its Job cannot be looked at now", &failed),
            }
            if !owned && let Err(failed) = hands.own(&job).await {
                return vain(of, "its Secret cannot be seen to now", &failed);
            }
            match cluster.delete_job(&facts.namespace, &facts.name, &facts.uid).await {
                Ok(()) => {
                    crash_point!("glue.deleted");
                    hands.metrics.deleted.inc();
                    tracing::info!(attempt = %of, job = facts.name, "deleted its Job");
                    gone
                }
                Err(failed) if failed.gone() => gone,
                Err(failed) => vain(of, "its Job cannot be deleted now", &failed),
            }
        });
    }

    pub(super) fn delete_pods(&self, of: AttemptRef, pods: Vec<Arc<SeenPod>>) {
        let hands = self.clone();
        self.run_removal(of, move || async move {
            let mut gone = BTreeSet::new();
            for pod in pods.iter().filter(|pod| !pod.facts.deleting) {
                match hands.cluster.delete_pod(&pod.namespace, &pod.facts.name, &pod.facts.uid).await {
                    Ok(()) => tracing::info!(attempt = %of, pod = pod.facts.name, "deleted a pod that no Job owns"),
                    Err(failed) if failed.gone() => {}
                    Err(failed) => return vain(of, "its pod cannot be deleted now", &failed),
                }
                gone.insert(pod.facts.uid.clone());
                // It lost its owner when the pod did.
                let left = |secret: &Secret| claim(secret).is_some_and(|of| of == pod.mark.claim);
                if let Some(name) = &pod.secret {
                    hands.drop_named(of, &pod.namespace, name, left).await;
                }
            }
            Done::DeletedPods(gone)
        });
    }
}

/// Begins an act once it has its place, and tells what became of it; nobody listens any more where the glue ends. An act takes much
/// memory, and thousands may wait for their places, so that it is made then, and lies in a box.
async fn in_turn<F: Future>(place: impl Future, act: impl FnOnce() -> F, tell: impl FnOnce(F::Output) -> bool) {
    let _place = place.await;
    tell(Box::pin(act()).await);
}

/// The container whose own log explains most: the last that failed, else the task's.
fn spoke(pod: &SeenPod) -> Option<&ContainerFacts> {
    let failed = |c: &&ContainerFacts| {
        c.role != ContainerRole::Sidecar && matches!(c.state, ContainerState::Terminated { exit_code, .. } if exit_code != 0)
    };
    pod.facts.containers.iter().rfind(failed).or(pod.facts.task())
}

#[cfg(test)]
mod tests;
