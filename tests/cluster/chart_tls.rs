//! The chart with a certificate of a private authority: server, glue, agents and `helm test` speak https, and a new certificate is shown
//! without a restart.

use crate::{
    chart::{CHART, images, pods, written},
    kit::{Scene, tests},
    support::within,
};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{
    ResourceExt,
    api::{Patch, PatchParams},
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use reqwest::{Certificate, Client, tls::TlsInfo};
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tempfile::TempDir;

tests!(Shared: the_parts_of_an_installation_speak_https_and_a_new_certificate_is_shown);

/// An authority, and certificates of it for one name.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    name: String,
}

impl Authority {
    fn new(name: String) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("an authority").pem();
        Self { issuer: Issuer::new(params, key), pem, name }
    }

    /// A new certificate as what a Secret holds, and its bytes.
    fn issue(&self) -> (Value, Vec<u8>) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![self.name.clone()]).expect("a name");
        let cert = params.signed_by(&key, &self.issuer).expect("a certificate");
        (json!({"tls.crt": cert.pem(), "tls.key": key.serialize_pem(), "ca.crt": self.pem}), cert.der().to_vec())
    }
}

/// The certificate that the server's pod shows.
async fn shown(authority: &Authority, pod: &Pod) -> Option<Vec<u8>> {
    let address: SocketAddr = format!("{}:7227", pod.status.as_ref()?.pod_ip.as_ref()?).parse().ok()?;
    let roots = Certificate::from_pem_bundle(authority.pem.as_bytes()).ok()?;
    let client = Client::builder().no_proxy().tls_certs_only(roots).tls_info(true).resolve(&authority.name, address).build().ok()?;
    let answer = client.get(format!("https://{}:7227/livez", authority.name)).send().await.ok()?;
    answer.extensions().get::<TlsInfo>()?.peer_certificate().map(<[u8]>::to_vec)
}

async fn the_parts_of_an_installation_speak_https_and_a_new_certificate_is_shown(scene: Arc<Scene>) {
    let (dir, namespace) = (TempDir::new().expect("a directory"), scene.namespace.as_str());
    let authority = Authority::new(format!("team-slipway-server.{namespace}"));
    let (first, its_bytes) = authority.issue();
    scene.create::<Secret>(json!({"metadata": {"name": "cert"}, "type": "kubernetes.io/tls", "stringData": first})).await;
    let text = format!("{}tls: {{secretName: cert}}\nserver: {{persistence: {{enabled: false}}}}\n", images(&scene));
    let file = written(dir.path(), "values.yaml", &text);
    let helm = |words: &[&str]| scene.cluster.helm("4", &[words, &["--namespace", namespace]].concat());
    helm(&["install", "team", CHART, "-f", &file, "--wait", "--timeout", "180s"]);
    // A task from its submit to its log: by the Service, the glue and an agent.
    helm(&["test", "team", "--timeout", "120s"]);

    let server = async || pods(&scene, "app.kubernetes.io/component=server", "Running").await.into_iter().next();
    let pod = server().await.expect("the server's pod");
    assert_eq!(shown(&authority, &pod).await, Some(its_bytes));
    let (second, new_bytes) = authority.issue();
    let patch = json!({"stringData": second});
    scene.api::<Secret>().patch("cert", &PatchParams::default(), &Patch::Merge(&patch)).await.expect("a new certificate");
    // Kubelet brings a change of a Secret to a pod when it next looks; a change of the pod makes it look.
    let touch = json!({"metadata": {"annotations": {"looked-at": "now"}}});
    scene.api::<Pod>().patch(&pod.name_any(), &PatchParams::default(), &Patch::Merge(&touch)).await.expect("the server's pod");
    let renewed = async || (shown(&authority, &pod).await? == new_bytes).then_some(());
    within(Duration::from_mins(2), "the new certificate", renewed).await;
    let now = server().await.expect("the server's pod");
    let restarts = now
        .status
        .as_ref()
        .and_then(|status| status.container_statuses.as_ref())
        .map_or(0, |all| all.iter().map(|c| c.restart_count).sum());
    assert_eq!((now.uid(), restarts), (pod.uid(), 0), "nothing was started anew");
    helm(&["test", "team", "--timeout", "120s"]);
    helm(&["uninstall", "team", "--wait", "--timeout", "120s"]);
}
