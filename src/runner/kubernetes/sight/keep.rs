//! What is kept in mind of an attempt from one look to the next.

use super::{Look, Note, Now, backoff};
use crate::{
    domain::{
        evidence::{Evidence, JobFacts, PodFacts},
        reasons::{self, Stage},
    },
    runner::kubernetes::facts::{SeenJob, SeenPod},
    wire::{Hold, Reason, Times},
};
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

impl Note {
    pub(super) fn keep_time(&mut self, hold: Option<&Hold>, job: Option<&SeenJob>, pods: &[Arc<SeenPod>], now: Now, times: &Times) {
        let created = job.and_then(|job| job.created_at);
        if job.is_some_and(|job| job.facts.suspended) {
            self.waiting_since = Some(now.here);
        }
        if self.waiting_since.is_none() && !self.busy() {
            // Another replica has claimed it, or did so before it died: a living one is about to create it.
            self.next_create = now.here + backoff(times, 30, 1);
        }
        self.waiting_since.get_or_insert_with(|| now.back(created));
        if let Some(hold) = hold {
            self.was_held = true;
            let over = hold.finished.then_some(now.here);
            self.ended_since = self.ended_since.filter(|_| hold.finished).or(over);
            self.verdict = None;
        } else {
            let ends = pods.iter().filter_map(|pod| pod.ended_at).max();
            // What ended before this process knew of it, ended when its pod did.
            let first = if self.was_held || ends.is_none() { now.here } else { now.back(ends) };
            self.ended_since.get_or_insert(first);
        }
        let orphaned = job.is_none() && !pods.is_empty();
        self.orphaned_since = if orphaned { self.orphaned_since.or(Some(now.here)) } else { None };
    }

    /// What the course of its object was; an object that is gone tells it no more.
    pub(super) fn keep_course(&mut self, job: Option<&SeenJob>, pods: &[Arc<SeenPod>], now: Now) {
        let began = pods.iter().filter_map(|pod| pod.began_at).min().map(|at| now.back(Some(at)));
        self.began = self.began.into_iter().chain(began).min();
        if let Some(object) = job.and_then(|job| job.object.as_ref()) {
            self.owned = true;
            if object.state.is_over() {
                self.over.get_or_insert_with(|| object.state.clone());
            }
        }
    }

    /// Its patience begins anew with each stage; when a stage began that it was found in, nobody knows.
    pub(super) fn keep_stage(&mut self, now: Duration) {
        let stage = reasons::stage(&self.evidence);
        let before = self.stage.replace(stage).unwrap_or(Stage::Unplaced);
        if before != stage {
            self.waiting_since = Some(now);
        }
    }

    pub(super) fn keep_evidence(&mut self, hold: Option<&Hold>, job: Option<&SeenJob>, pods: &[Arc<SeenPod>], look: Option<&Look>) {
        let uid = hold.and_then(|hold| hold.uid.as_ref());
        let of_object = hold.and_then(|hold| hold.job.as_ref()?.object.as_ref()).is_some() || job.is_some_and(|job| job.object.is_some());
        let pod = if of_object {
            pods.iter().max_by_key(|pod| pod.weight())
        } else {
            pods.iter().find(|pod| Some(&pod.facts.uid) == uid).or(pods.last().filter(|_| uid.is_none()))
        };
        // Evidence tells what others did: where we deleted the Job, that is none.
        let by_others = self.deleted.is_none();
        if let Some(job) = job {
            self.evidence.job = Some(JobFacts { deleting: job.facts.deleting && by_others, ..job.facts.clone() });
        }
        // What our own deletion did to the pods of an object says nothing of the end before it.
        let past = of_object && !by_others && self.evidence.pod.is_some();
        if let Some(pod) = pod.filter(|_| !past) {
            self.evidence.pod = Some(PodFacts { deleting: pod.facts.deleting && by_others, ..pod.facts.clone() });
        }
        if let Some(look) = look {
            if !past {
                self.evidence.events.clone_from(&look.events);
            }
            self.evidence.log_tail = look.log_tail.clone().or(self.evidence.log_tail.take());
        }
        self.evidence.refusal = self.refusal.clone().filter(|_| job.is_none());
    }
}

/// Equal where evidence tells people the same: how far it has come, and what keeps or ended it.
pub(super) fn fingerprint(evidence: &Evidence, ended: bool) -> u64 {
    let mut hash = DefaultHasher::new();
    let pod = evidence.pod.as_ref();
    (ended, evidence.job.is_some(), evidence.job.as_ref().is_some_and(|job| job.suspended)).hash(&mut hash);
    if let Some(pod) = pod {
        (&pod.uid, &pod.node, pod.deleting, &pod.reason, pod.is_terminal()).hash(&mut hash);
        pod.condition("DisruptionTarget").map(|c| (&c.status, &c.reason)).hash(&mut hash);
    }
    for finding in reasons::pending(evidence).iter().filter(|f| f.code != Reason::Starting && f.code != Reason::ImagePulling) {
        (finding.code, &finding.message).hash(&mut hash);
    }
    hash.finish()
}
