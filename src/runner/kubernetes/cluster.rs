//! The calls to the API server: each has a time limit, writes keep to a rate, and a refusal is told from "later".

use super::{
    custom::Kinds,
    events::Readers,
    facts::{SeenJob, SeenPod, cut},
    kin::Kin,
    meter::{Meter, MeterLayer},
    metrics::Metrics,
};
use crate::domain::{
    Clock,
    evidence::{ApiRefusal, MAX_LOG_TAIL},
};
use futures::AsyncBufRead;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
        batch::v1::Job,
        core::v1::{Pod, Secret},
    },
};
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, ListParams, LogParams, Patch, PatchParams, PostParams, Preconditions},
    client::ClientBuilder,
    core::Status,
};
use serde_json::{Value, json};
use std::{fmt, future::Future, num::NonZeroU32, sync::Arc, time::Duration};

/// The limit on one call that is not a stream.
const CALL_LIMIT: Duration = Duration::from_secs(15);

/// How a call to the API server failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// It was refused.
    Refused(ApiRefusal),
    /// There was no answer, or one that says: not now.
    Later(String),
}

impl Failed {
    fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(refusal) => Some(refusal.status),
            Self::Later(_) => None,
        }
    }

    pub(super) fn exists(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.reason == "AlreadyExists")
    }

    /// Whether nothing is there by this name. A conflict does not say so: it may be another object's UID, and it may be a race.
    pub(super) fn gone(&self) -> bool {
        self.status() == Some(404)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(r) => write!(f, "{} {}: {} {}: {}", r.verb, r.resource, r.status, r.reason, r.message),
            Self::Later(what) => f.write_str(what),
        }
    }
}

/// A cluster, through a client of its own.
#[derive(Clone)]
pub(super) struct Cluster {
    pub(super) client: Client,
    pub(super) meter: Arc<Meter>,
    writes: Arc<DefaultDirectRateLimiter>,
    pub(super) kinds: Arc<Kinds>,
    pub(super) kin: Arc<Kin>,
    pub(super) readers: Arc<Readers>,
}

impl Cluster {
    /// # Errors
    /// TLS or credentials cannot be set up.
    pub(super) fn new(
        config: kube::Config,
        (qps, burst): (u32, u32),
        metrics: Metrics,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, kube::Error> {
        let meter = Meter::new(clock, metrics);
        let client = ClientBuilder::try_from(config)?.with_layer(&MeterLayer(meter.clone())).build();
        Ok(Self::with(client, meter, (qps, burst)))
    }

    /// Through any client.
    pub(super) fn with(client: Client, meter: Arc<Meter>, (qps, burst): (u32, u32)) -> Self {
        let rate = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        let writes = Arc::new(RateLimiter::direct(Quota::per_second(rate(qps)).allow_burst(rate(burst))));
        Self { client, meter, writes, kinds: Arc::default(), kin: Arc::default(), readers: Arc::default() }
    }

    /// Creates a Secret as it is written.
    pub(super) async fn create_secret(&self, namespace: &str, secret: &Value) -> Result<(), Failed> {
        self.create::<Secret>("secrets", namespace, secret, false).await.map(drop)
    }

    /// Creates a Job as it is written: an unknown field is a refusal, never dropped.
    pub(super) async fn create_job(&self, namespace: &str, job: &Value) -> Result<Job, Failed> {
        self.create("jobs", namespace, job, false).await
    }

    /// Asks whether a Job would be taken as it is written.
    pub(super) async fn try_job(&self, namespace: &str, job: &Value) -> Result<(), Failed> {
        self.create::<Job>("jobs", namespace, job, true).await.map(drop)
    }

    /// Asks whether a pod would be taken as it is written.
    pub(super) async fn try_pod(&self, namespace: &str, pod: &Value) -> Result<(), Failed> {
        self.create::<Pod>("pods", namespace, pod, true).await.map(drop)
    }

    /// What the API server says where nothing of this name is there; none where it is. Its metadata alone is asked for, so
    /// that no value ever comes here.
    pub(super) async fn is_there<K>(&self, resource: &'static str, namespace: &str, name: &str) -> Result<Option<String>, Failed>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + serde::de::DeserializeOwned + fmt::Debug,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        match self.read("get", resource, api.get_metadata(name)).await {
            Ok(_) => Ok(None),
            Err(Failed::Refused(refusal)) if refusal.status == 404 => Ok(Some(refusal.message)),
            Err(failed) => Err(failed),
        }
    }

    async fn create<K: Resource<DynamicType = ()> + serde::de::DeserializeOwned>(
        &self,
        resource: &'static str,
        namespace: &str,
        object: &Value,
        dry_run: bool,
    ) -> Result<K, Failed> {
        let broken = |error: &dyn fmt::Display| Failed::Later(format!("cannot make the request: {error}"));
        let path = K::url_path(&(), Some(namespace));
        // The typed call would lose fields that this build does not know, and cannot ask for strictness.
        let bytes = serde_json::to_vec(object).map_err(|e| broken(&e))?;
        let mut request =
            kube::core::Request::new(path).create(&PostParams { dry_run, ..PostParams::default() }, bytes).map_err(|e| broken(&e))?;
        *request.uri_mut() = format!("{}&fieldValidation=Strict", request.uri()).parse().map_err(|e| broken(&e))?;
        self.write("create", resource, self.client.request::<K>(request)).await
    }

    /// Makes a Secret go when its Job does.
    pub(super) async fn own_secret(&self, namespace: &str, name: &str, job_uid: &str) -> Result<(), Failed> {
        let owner = json!({"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": job_uid});
        let patch = Patch::Merge(json!({"metadata": {"ownerReferences": [owner]}}));
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        self.write("patch", "secrets", api.patch(name, &PatchParams::default(), &patch)).await.map(drop)
    }

    pub(super) async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Secret>, Failed> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        self.read("get", "secrets", api.get_opt(name)).await
    }

    pub(super) async fn job(&self, namespace: &str, name: &str) -> Result<Option<Job>, Failed> {
        let api: Api<Job> = Api::namespaced(self.client.clone(), namespace);
        self.read("get", "jobs", api.get_opt(name)).await
    }

    pub(super) async fn pod(&self, namespace: &str, name: &str) -> Result<Option<SeenPod>, Failed> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        Ok(self.read("get", "pods", api.get_opt(name)).await?.and_then(|pod| self.kin.read(namespace, pod)))
    }

    /// Jobs by label, live.
    pub(super) async fn jobs(&self, namespace: &str, labels: &str) -> Result<Vec<SeenJob>, Failed> {
        let api: Api<Job> = Api::namespaced(self.client.clone(), namespace);
        let list = self.read("list", "jobs", api.list(&ListParams::default().labels(labels))).await?;
        Ok(list.items.into_iter().filter_map(SeenJob::read).collect())
    }

    /// Pods by label, live.
    pub(super) async fn pods(&self, namespace: &str, labels: &str) -> Result<Vec<SeenPod>, Failed> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let list = self.read("list", "pods", api.list(&ListParams::default().labels(labels))).await?;
        Ok(list.items.into_iter().filter_map(SeenPod::read).collect())
    }

    /// Whether this glue's own account has a right in a namespace, or in the whole cluster; and what is said of it, which may be
    /// nothing.
    pub(super) async fn may(&self, verb: &str, (group, resource): (&str, &str), namespace: Option<&str>) -> Result<(bool, String), Failed> {
        let (resource, subresource) = resource.split_once('/').map_or((resource, None), |(of, sub)| (of, Some(sub.to_owned())));
        let attributes = ResourceAttributes {
            group: Some(group.to_owned()),
            namespace: namespace.map(str::to_owned),
            resource: Some(resource.to_owned()),
            subresource,
            verb: Some(verb.to_owned()),
            ..ResourceAttributes::default()
        };
        let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..SelfSubjectAccessReviewSpec::default() };
        let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
        let api: Api<SelfSubjectAccessReview> = Api::all(self.client.clone());
        let status = self.read("create", "selfsubjectaccessreviews", api.create(&PostParams::default(), &review)).await?.status;
        let status = status.unwrap_or_default();
        let said = status.evaluation_error.or(status.reason).unwrap_or_default();
        Ok((status.allowed, cut(&said)))
    }

    /// The end of a container's own log.
    pub(super) async fn log_tail(&self, namespace: &str, pod: &str, container: &str) -> Result<String, Failed> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let params = LogParams { container: Some(container.to_owned()), tail_lines: Some(200), ..LogParams::default() };
        let text = self.read("get", "pods/log", api.logs(pod, &params)).await?;
        let from = text.ceil_char_boundary(text.len().saturating_sub(MAX_LOG_TAIL));
        Ok(text.get(from..).unwrap_or_default().to_owned())
    }

    /// A container's own log from its beginning, as it grows; with `times`, each line begins with when it was written. It
    /// ends with the container, or with the connection.
    pub(super) async fn follow(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        times: bool,
    ) -> Result<impl AsyncBufRead + Send + use<>, Failed> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let params = LogParams { container: Some(container.to_owned()), follow: true, timestamps: times, ..LogParams::default() };
        self.read("get", "pods/log", async move { api.log_stream(pod, &params).await }).await
    }

    /// Deletes a Job with its pods, and only the one with this UID.
    pub(super) async fn delete_job(&self, namespace: &str, name: &str, uid: &str) -> Result<(), Failed> {
        let api: Api<Job> = Api::namespaced(self.client.clone(), namespace);
        self.write("delete", "jobs", api.delete(name, &only(uid))).await.map(drop)
    }

    /// Deletes a pod that no Job owns any more, and only the one with this UID.
    pub(super) async fn delete_pod(&self, namespace: &str, name: &str, uid: &str) -> Result<(), Failed> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        self.write("delete", "pods", api.delete(name, &only(uid))).await.map(drop)
    }

    /// Deletes a Secret, and only the one with this UID.
    pub(super) async fn delete_secret(&self, namespace: &str, name: &str, uid: &str) -> Result<(), Failed> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        self.write("delete", "secrets", api.delete(name, &only(uid))).await.map(drop)
    }

    /// Whether the API server is at work.
    pub(super) async fn probe(&self) -> Result<(), Failed> {
        self.read("get", "version", self.client.apiserver_version()).await.map(drop)
    }

    pub(super) async fn write<T>(
        &self,
        verb: &'static str,
        resource: &'static str,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Failed> {
        self.writes.until_ready().await;
        self.read(verb, resource, call).await
    }

    pub(super) async fn read<T>(
        &self,
        verb: &'static str,
        resource: &'static str,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Failed> {
        if let Ok(answer) = tokio::time::timeout(CALL_LIMIT, call).await {
            return answer.map_err(|error| failed(verb, resource, error));
        }
        self.meter.silent();
        Err(Failed::Later(format!("{verb} {resource}: no answer from the API server in {} s", CALL_LIMIT.as_secs())))
    }
}

pub(super) fn only(uid: &str) -> DeleteParams {
    DeleteParams::background().preconditions(Preconditions { uid: Some(uid.to_owned()), resource_version: None })
}

fn failed(verb: &str, resource: &str, error: kube::Error) -> Failed {
    match error {
        kube::Error::Api(status) if !passes(&status) => {
            let Status { code, reason, message, .. } = *status;
            let (verb, resource) = (verb.to_owned(), resource.to_owned());
            Failed::Refused(ApiRefusal { verb, resource, status: code, reason, message: cut(&message) })
        }
        kube::Error::Api(status) => Failed::Later(format!("{verb} {resource}: {} {}", status.code, cut(&status.message))),
        other => {
            let mut inner: &dyn std::error::Error = &other;
            while let Some(source) = inner.source() {
                inner = source;
            }
            Failed::Later(format!("{verb} {resource}: {inner}"))
        }
    }
}

/// Whether the same call may succeed a moment later: overload, faults of the server, a credential in rotation, and the
/// race for a quota's own object, which comes as a conflict.
fn passes(status: &Status) -> bool {
    let quota = status.code == 409 && status.message.contains("Operation cannot be fulfilled on resourcequotas");
    quota || matches!(status.code, 401 | 408 | 429 | 500..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_from_later() {
        let call = |code: u16, reason: &str, message: &str| {
            let status = Status { code, reason: reason.into(), message: message.into(), ..Status::default() };
            failed("create", "jobs", kube::Error::Api(Box::new(status)))
        };
        assert!(call(409, "AlreadyExists", "jobs \"x\" already exists").exists());
        assert!(call(404, "NotFound", "").gone() && !call(409, "Conflict", "the object has been modified").gone());
        assert!(matches!(call(403, "Forbidden", "exceeded quota: q"), Failed::Refused(_)));
        assert!(matches!(call(422, "Invalid", ""), Failed::Refused(_)));
        for later in [
            call(409, "Conflict", "Operation cannot be fulfilled on resourcequotas \"q\": the object has been modified"),
            call(429, "TooManyRequests", ""),
            call(503, "ServiceUnavailable", ""),
            call(401, "Unauthorized", ""),
        ] {
            assert!(matches!(later, Failed::Later(_)), "{later}");
        }
    }
}
