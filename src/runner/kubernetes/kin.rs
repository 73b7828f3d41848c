//! Pods that bear no label of ours, because the controller of their object makes them of templates of its own: a `TrainJob`'s of
//! its runtime's. Whose they are is told by what owns them, step by step up to the object.
//!
//! What was found is kept for as long as the object or a pod of it is there: once an object is deleted, nobody else can tell any more
//! whose pods are still about to end.

use super::{
    cluster::{Cluster, Failed},
    facts::{Mark, SeenJob, SeenPod},
    object::Kind,
};
use crate::domain::{
    ObjectKind,
    pod::{self, LABEL_ROLE, LABEL_RUNNER},
};
use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::Pod,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::{Api, api::ListParams};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How a `JobSet` marks its pods: its own name, and which of its Jobs they are of.
const JOB_SET_NAME: &str = "jobset.sigs.k8s.io/jobset-name";
const JOB_SET_ROLE: &str = "jobset.sigs.k8s.io/replicatedjob-name";

/// How many owners stand one above the other at most.
const STEPS: usize = 4;
/// How many owners are asked about for one list of pods; the rest is for the next one.
const ASKS: usize = 200;

/// An object whose controller makes pods that bear no label of ours.
#[derive(Clone, Debug)]
struct Head {
    kind: Kind,
    name: String,
    created_at: Option<Timestamp>,
    mark: Mark,
    /// Whether the last list of its kind was without it.
    gone: bool,
}

impl Head {
    /// Whether its pods are those of a `JobSet` that bears its name.
    fn makes_job_set(&self) -> bool {
        ObjectKind::of(&self.kind.version, &self.kind.kind) == Some(ObjectKind::TrainJob)
    }
}

/// Which pods may be of ours.
struct Search {
    selector: String,
    /// An object makes none before it is there itself.
    since: Option<Timestamp>,
    /// The objects that were gone before.
    gone: BTreeSet<String>,
}

/// To whom an owner leads.
#[derive(Clone, Debug)]
enum Leads {
    /// To the object of ours with this UID.
    To(String),
    /// To nobody of ours.
    Astray,
}

/// What is known in one namespace.
#[derive(Debug, Default)]
struct Family {
    /// By UID.
    heads: BTreeMap<String, Head>,
    /// By UID: the owners that were asked about.
    owners: BTreeMap<String, Leads>,
    /// Grows with every object that comes to be known.
    births: u64,
}

impl Family {
    /// Where an owner is known to lead.
    fn leads(&self, owner: &OwnerReference) -> Option<Leads> {
        if self.heads.contains_key(&owner.uid) {
            return Some(Leads::To(owner.uid.clone()));
        }
        if let Some(known) = self.owners.get(&owner.uid) {
            return Some(known.clone());
        }
        // The glue has no right to read these; the name says enough, being that of one attempt's object alone.
        if owner.kind != "JobSet" || !owner.api_version.starts_with("jobset.x-k8s.io/") {
            return None;
        }
        self.heads.iter().find(|(_, head)| head.makes_job_set() && head.name == owner.name).map(|(uid, _)| Leads::To(uid.clone()))
    }

    /// What to look for; none where there is nobody to whom pods could belong.
    fn search(&self) -> Option<Search> {
        let narrow = self.heads.values().all(Head::makes_job_set);
        let others = format!("!{LABEL_RUNNER}");
        (!self.heads.is_empty()).then(|| Search {
            selector: if narrow { format!("{JOB_SET_NAME},{others}") } else { others },
            since: self.heads.values().filter_map(|head| head.created_at).min(),
            gone: self.heads.iter().filter(|(_, head)| head.gone).map(|(uid, _)| uid.clone()).collect(),
        })
    }

    /// Reads a pod as what it is to the object that it belongs to.
    fn read(&self, mut pod: Pod) -> Option<SeenPod> {
        let Leads::To(uid) = self.leads(controller(&pod.metadata)?)? else { return None };
        let head = self.heads.get(&uid)?;
        let labels = pod.metadata.labels.get_or_insert_default();
        let Mark { instance, runner, of, queue, claim } = &head.mark;
        labels.extend(pod::labels(instance, runner, *of, queue, *claim).map(|(key, value)| (key.to_owned(), value)));
        if let Some(role) = labels.get(JOB_SET_ROLE).and_then(|role| pod::sanitised(role)) {
            labels.entry(LABEL_ROLE.to_owned()).or_insert(role);
        }
        Some(SeenPod { unlabelled: true, ..SeenPod::read(pod)? })
    }
}

/// Who owns whose pods, by namespace.
#[derive(Debug, Default)]
pub(super) struct Kin(Mutex<BTreeMap<String, Family>>);

impl Kin {
    fn families(&self) -> MutexGuard<'_, BTreeMap<String, Family>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn family<T>(&self, namespace: &str, look: impl FnOnce(&Family) -> T) -> Option<T> {
        self.families().get(namespace).map(look)
    }

    /// Takes note of an object that was seen.
    pub(super) fn know(&self, seen: &SeenJob) {
        let Some(object) = seen.object.as_ref().filter(|object| object.unlabelled) else { return };
        let (kind, name) = (object.kind.clone(), seen.facts.name.clone());
        let head = Head { kind, name, created_at: seen.created_at, mark: seen.mark.clone(), gone: false };
        let mut families = self.families();
        let family = families.entry(seen.facts.namespace.clone()).or_default();
        if family.heads.insert(seen.facts.uid.clone(), head).is_none() {
            // What led to nobody before may lead to this one.
            family.owners.retain(|_, leads| matches!(leads, Leads::To(_)));
            family.births += 1;
        }
    }

    /// Takes note of which objects of a kind are not there any more.
    pub(super) fn listed(&self, kind: &Kind, namespace: &str, list: &[SeenJob]) {
        let mut families = self.families();
        let heads = families.get_mut(namespace).into_iter().flat_map(|family| &mut family.heads);
        for (uid, head) in heads.filter(|(_, head)| head.kind == *kind) {
            head.gone = !list.iter().any(|job| job.facts.uid == *uid);
        }
    }

    /// Reads a pod: as what its labels say, else as what its owners are known to be.
    pub(super) fn read(&self, namespace: &str, pod: Pod) -> Option<SeenPod> {
        if labelled(&pod.metadata) {
            return SeenPod::read(pod);
        }
        self.family(namespace, |family| family.read(pod)).flatten()
    }

    /// Forgets the objects that are gone with all their pods, and owners that lead to nobody and own no pod.
    fn keep(&self, namespace: &str, gone: &BTreeSet<String>, owners: &BTreeSet<String>, pods: &[SeenPod]) {
        let mut families = self.families();
        let Some(Family { heads, owners: known, .. }) = families.get_mut(namespace) else { return };
        heads.retain(|uid, head| !gone.contains(uid) || pods.iter().any(|pod| pod.mark == head.mark));
        known.retain(|uid, leads| match leads {
            Leads::To(head) => heads.contains_key(head),
            Leads::Astray => owners.contains(uid),
        });
    }
}

fn labelled(meta: &ObjectMeta) -> bool {
    meta.labels.as_ref().is_some_and(|labels| labels.contains_key(LABEL_RUNNER))
}

fn controller(meta: &ObjectMeta) -> Option<&OwnerReference> {
    meta.owner_references.as_ref()?.iter().find(|owner| owner.controller == Some(true))
}

impl Cluster {
    /// The pods in a namespace that belong to the objects known of, and bear no label of ours; live.
    pub(super) async fn unlabelled_pods(&self, namespace: &str) -> Result<Vec<SeenPod>, Failed> {
        let Some(Search { selector, since, gone }) = self.kin.family(namespace, Family::search).flatten() else { return Ok(Vec::new()) };
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let list = self.read("list", "pods", api.list(&ListParams::default().labels(&selector))).await?;
        let (mut owners, mut found, mut asks) = (BTreeSet::new(), Vec::new(), ASKS);
        for pod in list.items {
            let Some(owner) = controller(&pod.metadata).cloned() else { continue };
            if pod.metadata.creation_timestamp.as_ref().is_some_and(|at| Some(at.0) < since) {
                continue;
            }
            self.trace(namespace, &owner, &mut asks).await?;
            owners.insert(owner.uid);
            found.extend(self.kin.read(namespace, pod));
        }
        self.kin.keep(namespace, &gone, &owners, &found);
        Ok(found)
    }

    /// Finds out, and keeps, to whom the owner of a pod leads.
    async fn trace(&self, namespace: &str, owner: &OwnerReference, asks: &mut usize) -> Result<(), Failed> {
        let births = self.kin.family(namespace, |family| family.births);
        let (mut way, mut owner) = (Vec::new(), owner.clone());
        let leads = loop {
            if let Some(known) = self.kin.family(namespace, |family| family.leads(&owner)).flatten() {
                break known;
            }
            if way.len() == STEPS {
                break Leads::Astray;
            }
            *asks = asks.checked_sub(1).ok_or_else(|| Failed::Later("get owners: more than are asked about at once".to_owned()))?;
            let kind = Kind { version: owner.api_version.clone(), kind: owner.kind.clone() };
            let meta = match self.meta(&kind, namespace, &owner.name).await {
                Ok(Some(meta)) if meta.uid.as_ref() == Some(&owner.uid) => meta,
                // What it owns goes with it.
                Ok(_) => return Ok(()),
                Err(Failed::Refused(refusal)) => {
                    tracing::debug!(%kind, namespace, name = owner.name, message = refusal.message, "what owns pods cannot be read");
                    ObjectMeta::default()
                }
                Err(later) => return Err(later),
            };
            way.push(owner.uid);
            match controller(&meta) {
                Some(next) => owner = next.clone(),
                None => break Leads::Astray,
            }
        };
        let mut families = self.kin.families();
        if let Some(family) = families.get_mut(namespace).filter(|family| Some(family.births) == births) {
            family.owners.extend(way.into_iter().map(|uid| (uid, leads.clone())));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
