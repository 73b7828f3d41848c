//! The Secrets of attempts: each goes with its Job, and one that has none is deleted. They are found by their names alone,
//! since the glue may not list them.

use super::{Done, Failed, Hands, vain};
use crate::{
    crash_point,
    domain::pod,
    runner::kubernetes::{
        facts::{Mark, SeenJob},
        objects::{Objects, objects},
    },
    wire::{AttemptRef, Hold},
};
use k8s_openapi::api::core::v1::Secret;
use std::collections::BTreeMap;

impl Hands {
    /// Sees to it that the Secret goes with the Job.
    pub(in crate::runner::kubernetes) fn adopt(&self, job: &SeenJob) {
        let (hands, job) = (self.clone(), job.clone());
        let of = job.mark.of;
        self.run(of, move || async move {
            crash_point!("glue.adopt");
            match hands.own(&job).await {
                Ok(()) => Done::Adopted,
                Err(failed) => vain(of, "its Secret cannot be seen to now", &failed),
            }
        });
    }

    /// Names the Job as the owner of its Secret, where that has none.
    pub(super) async fn own(&self, job: &SeenJob) -> Result<(), Failed> {
        let (cluster, namespace, name) = (&self.cluster, &job.facts.namespace, &job.facts.name);
        let unowned = |secret: &Secret| secret.metadata.owner_references.is_none() && claim(secret).is_some_and(|of| of == job.mark.claim);
        if !cluster.secret(namespace, name).await?.is_some_and(|secret| unowned(&secret)) {
            return Ok(());
        }
        match cluster.own_secret(namespace, name, &job.facts.uid).await {
            Err(failed) if !failed.gone() => Err(failed),
            _ => Ok(()),
        }
    }

    /// Deletes the Secret of an attempt whose Job never came to be.
    pub(in crate::runner::kubernetes) fn drop_secret(&self, hold: Hold) {
        let hands = self.clone();
        let of = hold.attempt_ref();
        self.run(of, move || async move {
            let Ok(Objects { namespace, name, .. }) = objects(&hold, hands.instance_of(of), &hands.config, &hands.times) else {
                return Done::Idle;
            };
            hands.drop_named(of, &namespace, &name, |secret| claims(secret, &hold)).await
        });
    }

    /// Deletes the Secret of an attempt that is over, where it was left without a Job.
    pub(in crate::runner::kubernetes) fn drop_leftover(&self, of: AttemptRef) {
        let hands = self.clone();
        self.run_removal(of, move || async move {
            let name = pod::object_name(None, hands.instance_of(of), of);
            let left = |secret: &Secret| {
                secret.metadata.owner_references.is_none()
                    && mark(secret).is_some_and(|mark| mark.of == of && mark.runner == hands.config.name)
            };
            for namespace in &hands.config.namespaces {
                if let done @ Done::Vain = hands.drop_named(of, namespace, &name, left).await {
                    return done;
                }
            }
            Done::Searched
        });
    }

    pub(super) async fn drop_named(&self, of: AttemptRef, namespace: &str, name: &str, ours: impl Fn(&Secret) -> bool) -> Done {
        match self.cluster.secret(namespace, name).await {
            Ok(Some(secret)) if ours(&secret) => {
                let uid = secret.metadata.uid.unwrap_or_default();
                match self.cluster.delete_secret(namespace, name, &uid).await {
                    Err(failed) if !failed.gone() => vain(of, "its Secret cannot be deleted now", &failed),
                    _ => Done::Idle,
                }
            }
            Ok(_) => Done::Idle,
            Err(failed) => vain(of, "its Secret cannot be looked at now", &failed),
        }
    }
}

fn mark(secret: &Secret) -> Option<Mark> {
    Mark::read(secret.metadata.labels.as_ref().unwrap_or(&BTreeMap::new()))
}

pub(super) fn claim(secret: &Secret) -> Option<uuid::Uuid> {
    Some(mark(secret)?.claim)
}

pub(super) fn claims(secret: &Secret, hold: &Hold) -> bool {
    claim(secret) == Some(hold.claim)
}
