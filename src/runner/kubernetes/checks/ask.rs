//! Asking the API server about one queue: by dry run, and whether what its pods refer to is there.

use super::{
    judge::{Asked, missing, pod, refused},
    refers::{Kind, Reference, references},
};
use crate::{
    domain::{AttemptNumber, AttemptRef, TaskId},
    runner::kubernetes::{
        act::Hands,
        cluster::Failed,
        object::{Made, made},
        objects::{Objects, objects},
    },
    template::pod_templates,
    wire::{Hold, JobOrder, Phase, QueueName, Resources, TemplateFinding},
};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret};
use serde_json::Value;
use uuid::Uuid;

/// The task that no task is: theirs begin at 1.
const NOBODY: AttemptRef = AttemptRef { task: TaskId(0), attempt: AttemptNumber(1) };

impl Hands {
    /// What the cluster would say to a task of a queue, `order` being what is made of it.
    ///
    /// # Errors
    /// [`Failed::Later`] where the API server does not answer now: then nothing is known.
    pub(super) async fn findings(&self, queue: &QueueName, order: JobOrder) -> Result<Vec<TemplateFinding>, Failed> {
        let hold = Hold {
            task: NOBODY.task,
            attempt: NOBODY.attempt,
            claim: Uuid::nil(),
            uid: None,
            instance: None,
            phase: Phase::Claimed,
            start_token: Some(String::new()),
            queue: queue.clone(),
            resources: Resources::default(),
            finished: false,
            job: Some(order),
        };
        let is_object = hold.job.as_ref().is_some_and(|job| job.object.is_some());
        // What cannot be completed the server says of every preview.
        if is_object {
            let Ok(Made { kind, namespace, object, .. }) = made(&hold, &self.instance, &self.config) else { return Ok(Vec::new()) };
            let mut found: Vec<_> =
                heard(&object, Asked::Object, self.cluster.create_object(&kind, &namespace, &object, true).await)?.into_iter().collect();
            for at in pod_templates(&object) {
                found.extend(self.absent(&namespace, &object, &at, None).await?);
            }
            return Ok(found);
        }
        let Ok(Objects { namespace, name, job, .. }) = objects(&hold, &self.instance, &self.config, &self.times) else {
            return Ok(Vec::new());
        };
        let mut found: Vec<_> = heard(&job, Asked::Object, self.cluster.try_job(&namespace, &job).await)?.into_iter().collect();
        if found.iter().any(|finding| finding.code == "NamespaceMissing") {
            return Ok(found);
        }
        if let Some(pod) = pod(&job) {
            let of_pod = heard(&job, Asked::Pod("/spec/template"), self.cluster.try_pod(&namespace, &pod).await)?;
            // What the Job was refused for its pod is refused for again.
            found.extend(of_pod.filter(|of_pod| found.iter().all(|finding| finding.code != of_pod.code)));
        }
        found.extend(self.absent(&namespace, &job, "/spec/template", Some(&name)).await?);
        Ok(found)
    }

    /// What the pods of a template refer to and is not there. `own` is the attempt's own Secret, which comes with it.
    async fn absent(&self, namespace: &str, object: &Value, at: &str, own: Option<&str>) -> Result<Vec<TemplateFinding>, Failed> {
        let mut found = Vec::new();
        let template = object.pointer(at).unwrap_or(&Value::Null);
        for Reference { kind, name, at: place } in references(template).into_iter().filter(|one| own != Some(one.name.as_str())) {
            let there = match kind {
                Kind::Claim => self.cluster.is_there::<PersistentVolumeClaim>("persistentvolumeclaims", namespace, &name).await,
                Kind::ConfigMap => self.cluster.is_there::<ConfigMap>("configmaps", namespace, &name).await,
                Kind::Secret | Kind::PullSecret => self.cluster.is_there::<Secret>("secrets", namespace, &name).await,
            };
            match there {
                Ok(None) => {}
                Ok(Some(said)) => found.push(missing(kind, &format!("{at}{place}"), &name, namespace, said)),
                // Without the right nothing is said of it.
                Err(Failed::Refused(refusal)) => tracing::debug!(name, message = refusal.message, "whether it is there is not known"),
                Err(later @ Failed::Later(_)) => return Err(later),
            }
        }
        Ok(found)
    }
}

/// What follows from an answer; none where the object is taken.
fn heard<T>(object: &Value, asked: Asked<'_>, answer: Result<T, Failed>) -> Result<Option<TemplateFinding>, Failed> {
    match answer {
        Ok(_) => Ok(None),
        Err(failed) if failed.exists() => Ok(None),
        Err(Failed::Refused(refusal)) => Ok(Some(refused(object, asked, refusal))),
        Err(later @ Failed::Later(_)) => Err(later),
    }
}

#[cfg(test)]
mod tests;
