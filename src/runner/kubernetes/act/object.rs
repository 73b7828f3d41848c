//! Acts about objects that carry attempts in place of Jobs.

use super::{About, Done, Failed, Hands, Hopeless, Look, foreign, uncreated, vain};
use crate::{
    client::Client,
    crash_point,
    domain::pod,
    runner::kubernetes::{
        custom::never,
        facts::{SeenJob, SeenPod},
        object::{Kind, Made, made, read},
        sight::Observed,
    },
    wire::{AttemptRef, HeartbeatRequest, Hold, Phase, ReportItem, StartRequest},
};
use std::{sync::Arc, time::Duration};

impl Hands {
    /// Starts an attempt at the server, creates its object, and closes the start. Every part of it may be repeated by
    /// whoever holds the claim, until the start is closed.
    pub(in super::super) fn create_object(&self, hold: Hold, server: Client) {
        let hands = self.clone();
        let of = hold.attempt_ref();
        self.run(of, move || async move {
            match made(&hold, hands.instance_of(of), &hands.config) {
                Ok(made) => hands.start_and_create(&hold, of, &made, &server).await,
                Err(fault) => {
                    tracing::error!(attempt = %of, queue = %hold.queue, fault, "the object that the server rendered cannot be completed");
                    Done::Hopeless(Hopeless::Unrenderable)
                }
            }
        });
    }

    async fn start_and_create(&self, hold: &Hold, of: AttemptRef, made: &Made, server: &Client) -> Done {
        let Made { kind, namespace, name, object } = made;
        crash_point!("glue.object");
        if hold.uid.is_none() {
            // Whatever would refuse it, does so before the start: then it waits, or goes back, as what never began.
            match self.cluster.create_object(kind, namespace, object, true).await {
                Err(failed) if failed.exists() || no_dry_run(&failed) => {}
                Err(Failed::Refused(refusal)) if never(&refusal) => {
                    tracing::warn!(attempt = %of, queue = %hold.queue, %kind, "its object cannot be made here");
                    self.barred.bar(made, &refusal);
                    return Done::Unserved(refusal);
                }
                Err(failed) => return uncreated(of, failed),
                Ok(_) => {}
            }
        }
        let token = hold.start_token.clone().unwrap_or_default();
        // The claim stands for what is not there yet; every replica and every restart of the glue says the same.
        let request = StartRequest { uid: hold.claim.to_string(), nonce: hold.claim };
        let started = match server.with_token(token.into()).start(of, &request).await {
            Ok(started) => started,
            Err(error) => return not_started(of, &error),
        };
        crash_point!("glue.started");
        let there = match self.cluster.create_object(kind, namespace, object, false).await {
            Ok(there) => read(kind, &there),
            // A create whose answer was lost, or another replica's.
            Err(failed) if failed.exists() => match self.cluster.object(kind, namespace, name).await {
                Ok(there) => there,
                Err(failed) => return uncreated(of, failed),
            },
            Err(failed) => return uncreated(of, failed),
        };
        crash_point!("glue.objectMade");
        let Some(seen) = there.filter(|seen| seen.mark.claim == hold.claim) else {
            return Done::Hopeless(foreign(&kind.kind, namespace, name));
        };
        let beat = HeartbeatRequest { phase: Phase::Starting, cancel_known: true, wait_ms: 0, usage: None, progress: None };
        let limit = Duration::from_millis(self.times.call_timeout_ms);
        let agent = server.with_token(started.attempt_token.into());
        if let Err(error) = agent.heartbeat(of, &beat, limit).await {
            return not_started(of, &error);
        }
        self.metrics.created.inc();
        tracing::info!(attempt = %of, kind = %kind, object = name, namespace, "started it and created its object");
        crash_point!("glue.objectClosed");
        Done::Created(Box::new(seen), true)
    }

    /// Looks live at an attempt that an object of this kind carries.
    pub(in super::super) fn look_object(&self, seen: &Observed, kind: Kind, revision: u64) {
        let (hands, of, job) = (self.clone(), seen.of, seen.job.clone());
        self.explain(of, revision, move || async move { hands.looked_at(of, &kind, job).await });
    }

    async fn looked_at(&self, of: AttemptRef, kind: &Kind, known: Option<Arc<SeenJob>>) -> Result<(Look, Option<About>), Failed> {
        let labels = [
            (pod::LABEL_INSTANCE, self.instance_of(of).to_owned()),
            (pod::LABEL_RUNNER, self.config.name.to_string()),
            (pod::LABEL_TASK, of.task.to_string()),
            (pod::LABEL_ATTEMPT, of.attempt.to_string()),
        ];
        let labels = labels.map(|(key, value)| format!("{key}={value}")).join(",");
        let mut look = Look::default();
        match known {
            Some(known) => {
                let there = self.cluster.object(kind, &known.facts.namespace, &known.facts.name).await?;
                look.job = there.filter(|job| job.facts.uid == known.facts.uid).map(Arc::new);
            }
            None => {
                for namespace in &self.config.namespaces {
                    let found = self.cluster.objects(kind, namespace, &labels).await?;
                    look.job = look.job.or(found.into_iter().next().map(Arc::new));
                }
            }
        }
        // All of them, live: its controller may have made some that nobody has seen yet.
        for namespace in &self.config.namespaces {
            let unlabelled = self.cluster.unlabelled_pods(namespace).await?;
            let instance = self.instance_of(of);
            let unlabelled = unlabelled.into_iter().filter(|pod| pod.mark.of == of && pod.mark.instance == instance);
            look.pods.extend(self.cluster.pods(namespace, &labels).await?.into_iter().chain(unlabelled).map(Arc::new));
        }
        look.pods.sort_by_key(|pod| pod.facts.created_at);
        let waits = |pod: &&Arc<SeenPod>| pod.facts.phase == "Pending";
        let about = look.pods.iter().find(waits).map(|pod| (pod.namespace.clone(), pod.facts.uid.clone()));
        let about = about.or_else(|| look.job.as_ref().map(|job| (job.facts.namespace.clone(), job.facts.uid.clone())));
        Ok((look, about))
    }

    /// Deletes an object with its pods, after one more live look at who it is.
    pub(super) async fn delete_custom(&self, kind: &Kind, job: &SeenJob, then: Option<Box<ReportItem>>) -> Done {
        let (facts, of) = (&job.facts, job.mark.of);
        let gone = Done::Deleted(facts.uid.clone(), then);
        match self.cluster.object(kind, &facts.namespace, &facts.name).await {
            Ok(Some(there)) if there.facts.uid == facts.uid => {}
            Ok(_) => return gone,
            Err(failed) => return vain(of, "its object cannot be looked at now", &failed),
        }
        // Once it is gone nobody can tell any more whose its pods are.
        if job.object.as_ref().is_some_and(|object| object.unlabelled)
            && let Err(failed) = self.cluster.unlabelled_pods(&facts.namespace).await
        {
            return vain(of, "its pods cannot be looked at now", &failed);
        }
        match self.cluster.delete_object(kind, &facts.namespace, &facts.name, &facts.uid).await {
            Ok(()) => {
                crash_point!("glue.objectDeleted");
                self.metrics.deleted.inc();
                tracing::info!(attempt = %of, kind = %kind, object = facts.name, "deleted its object");
                gone
            }
            Err(failed) if failed.gone() => gone,
            Err(failed) => vain(of, "its object cannot be deleted now", &failed),
        }
    }
}

/// Whether the object was refused only because somebody cannot judge it without its being made.
fn no_dry_run(failed: &Failed) -> bool {
    matches!(failed, Failed::Refused(refusal) if refusal.status == 400 && refusal.message.contains("dry run"))
}

fn not_started(of: AttemptRef, error: &crate::client::Error) -> Done {
    if error.ends_attempt() {
        tracing::info!(attempt = %of, %error, "the server does not let it start");
    } else {
        tracing::warn!(attempt = %of, %error, "it cannot be started at the server now; trying on");
    }
    Done::Uncreated(None)
}
