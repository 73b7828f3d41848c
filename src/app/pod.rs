//! The pod that a server runs in. Its label `slipway.dev/server` says whether the server serves or stands by, and a Service goes by it.
//! So a pod that stands by may be ready like any other: whoever installs, replaces, drains or counts pods need know nothing of it.

use super::surroundings;
use crate::{client::authorities, domain::pod::LABEL_SERVER};
use anyhow::{Context, Result, anyhow};
use serde_json::json;
use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What a pod finds of its cluster.
pub(super) const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// After which a call that failed is made again.
const SOON: Duration = Duration::from_millis(500);
/// After which it is said again, should somebody have changed the label.
const AGAIN: Duration = Duration::from_secs(30);

/// What a server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    StandsBy,
    Serves,
}

/// The pod of this process, which is told what its server does until `stop`.
#[derive(Clone, Debug)]
pub(super) struct Pod {
    part: watch::Sender<Part>,
    /// What its label says, as far as known.
    told: watch::Receiver<Option<Part>>,
}

impl Pod {
    /// The pod that `SLIPWAY_POD` names, which stands by; none where nothing is named.
    ///
    /// # Errors
    /// The process is in no pod, or the pod has no token of a service account.
    pub(super) fn find(stop: &CancellationToken) -> Result<Option<Self>> {
        let Some(name) = surroundings::variable("SLIPWAY_POD") else { return Ok(None) };
        let server = surroundings::variable("KUBERNETES_SERVICE_HOST").zip(surroundings::variable("KUBERNETES_SERVICE_PORT"));
        let found = || {
            let (host, port) = server.context("this is no pod of a cluster")?;
            Label::new(&base(&host, &port), Path::new(ACCOUNT), &name)
        };
        let label = found().with_context(|| format!("SLIPWAY_POD={name}: cannot set that pod's label: unset it outside of a cluster, or give the pod a service account that may patch it"))?;
        Ok(Some(Self::labelled(label, stop)))
    }

    fn labelled(label: Label, stop: &CancellationToken) -> Self {
        let (part, parts) = watch::channel(Part::StandsBy);
        let (said, told) = watch::channel(None);
        tokio::spawn(keep(label, parts, said, stop.clone()));
        Self { part, told }
    }

    /// Says from now on that its server serves.
    pub(super) fn serves(&self) {
        self.part.send_replace(Part::Serves);
    }

    /// Whether its label says that its server stands by, so that no Service leads to it.
    pub(super) fn is_known_to_stand_by(&self) -> bool {
        *self.told.borrow() == Some(Part::StandsBy)
    }
}

/// Where a cluster's API is, by what pods find in their environment.
fn base(host: &str, port: &str) -> String {
    match host.parse() {
        Ok(IpAddr::V6(address)) => format!("https://[{address}]:{port}"),
        _ => format!("https://{host}:{port}"),
    }
}

/// Keeps the label as the server is.
async fn keep(label: Label, mut parts: watch::Receiver<Part>, said: watch::Sender<Option<Part>>, stop: CancellationToken) {
    let mut failed = String::new();
    loop {
        let part = *parts.borrow_and_update();
        let pause = match label.set(part).await {
            Ok(()) => {
                said.send_replace(Some(part));
                failed.clear();
                AGAIN
            }
            Err(error) => {
                let error = format!("{error:#}");
                if failed != error {
                    tracing::error!(%error, label = LABEL_SERVER, "the pod's label cannot be set, so no Service finds out what this server does");
                    failed = error;
                }
                SOON
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            changed = parts.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// The label of one pod.
struct Label {
    http: reqwest::Client,
    url: String,
    token: PathBuf,
}

impl Label {
    /// Of a pod of the own namespace, as the service account whose files are in `account`.
    fn new(server: &str, account: &Path, pod: &str) -> Result<Self> {
        let read = |name: &str| {
            let path = account.join(name);
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let trusted = authorities(&read("ca.crt")?).map_err(|why| anyhow!("the cluster's authorities: {why}"))?;
        // Nobody stands between a pod and its cluster, whatever the environment says of proxies.
        let builder = reqwest::Client::builder().no_proxy().tls_certs_only(trusted).timeout(PATIENCE);
        let http = builder.user_agent(concat!("slipway-server/", env!("CARGO_PKG_VERSION"))).build().context("cannot set up HTTP")?;
        let url = format!("{server}/api/v1/namespaces/{}/pods/{pod}", read("namespace")?.trim());
        Ok(Self { http, url, token: account.join("token") })
    }

    async fn set(&self, part: Part) -> Result<()> {
        let value = match part {
            Part::StandsBy => "standby",
            Part::Serves => "active",
        };
        // It is replaced now and then.
        let token = tokio::fs::read_to_string(&self.token).await.with_context(|| format!("cannot read {}", self.token.display()))?;
        let body = json!({"metadata": {"labels": {LABEL_SERVER: value}}}).to_string();
        let call = self.http.patch(&self.url).bearer_auth(token.trim()).header("content-type", "application/merge-patch+json");
        let answer = call.body(body).send().await?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        Err(anyhow!("the API server answers {status} to a patch of {}: may the server's service account patch this pod?", self.url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_is_where_the_environment_says() {
        assert_eq!(base("10.96.0.1", "443"), "https://10.96.0.1:443");
        assert_eq!(base("fd00::1", "6443"), "https://[fd00::1]:6443");
        assert_eq!(base("kubernetes.default.svc", "443"), "https://kubernetes.default.svc:443");
    }

    #[test]
    fn what_a_pod_lacks_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = Label::new("https://a", dir.path(), "p").map(drop).unwrap_err();
        assert!(format!("{error:#}").contains("ca.crt"), "{error:#}");
    }
}
