//! The cluster, as its administrator sees it.

use super::testbed::{STATE, script};
use axum::http::Request;
use base64::{Engine, engine::general_purpose::STANDARD};
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api, Client, Config,
    api::{Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};

/// The real node.
pub(crate) const NODE: &str = "node-1";
/// Where pods reach this machine.
pub(crate) const HOST: [u8; 4] = [10, 88, 0, 1];

/// A cluster with the rights of an administrator.
pub(crate) struct Cluster {
    pub(crate) client: Client,
    pub(crate) kubeconfig: Kubeconfig,
    path: PathBuf,
    agent_image: OnceLock<Result<String, String>>,
    program_image: OnceLock<Result<String, String>>,
}

impl Cluster {
    pub(crate) async fn connect(path: &Path) -> Result<Self, String> {
        let error = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let kubeconfig = Kubeconfig::read_from(path).map_err(|e| error(&e))?;
        let config = Config::from_custom_kubeconfig(kubeconfig.clone(), &KubeConfigOptions::default()).await;
        let mut config = config.map_err(|e| error(&e))?;
        config.read_timeout = Some(Duration::from_secs(20));
        let client = Client::try_from(config).map_err(|e| error(&e))?;
        Ok(Self { client, kubeconfig, path: path.to_owned(), agent_image: OnceLock::new(), program_image: OnceLock::new() })
    }

    /// Whether its processes are this machine's, so that they may be harmed.
    pub(crate) fn is_ours(&self) -> bool {
        self.path.starts_with(STATE)
    }

    /// The image with the agent of this build, loaded once.
    pub(crate) fn agent_image(&self) -> String {
        let load = || {
            let name = format!("slipway.test/agent:{}", std::process::id());
            let file = concat!(env!("CARGO_BIN_EXE_slipway-agent"), ":/slipway-agent");
            let (status, said) =
                script("image.sh", &["pack", &name, "--strip", "--user", "65532", "--entrypoint", "/slipway-agent", file])?;
            if status.success() { Ok(name) } else { Err(said) }
        };
        let image = self.agent_image.get_or_init(load);
        image.clone().expect("the agent's image")
    }

    /// The image with server and glue of this build, loaded once.
    pub(crate) fn program_image(&self) -> String {
        let load = || {
            let name = format!("slipway.test/slipway:{}", std::process::id());
            let file = concat!(env!("CARGO_BIN_EXE_slipway"), ":/usr/bin/slipway");
            let volume = ["--volume", "/var/lib/slipway", "--env", "SLIPWAY_DATA_DIR=/var/lib/slipway", "--env", "PATH=/usr/bin"];
            let words =
                [&["pack", name.as_str(), "--strip", "--user", "65532", "--entrypoint", "/usr/bin/slipway"][..], &volume, &[file]].concat();
            let (status, said) = script("image.sh", &words)?;
            if status.success() { Ok(name) } else { Err(said) }
        };
        let image = self.program_image.get_or_init(load);
        image.clone().expect("the program's image")
    }

    /// Helm of a major version, with the rights of an administrator; what it said.
    pub(crate) fn helm(&self, version: &str, words: &[&str]) -> String {
        let (fine, said) = self.try_helm(version, words);
        assert!(fine, "helm {words:?}: {said}");
        said
    }

    /// The same where it may refuse: whether it did not.
    pub(crate) fn try_helm(&self, version: &str, words: &[&str]) -> (bool, String) {
        assert!(self.path.exists(), "the cluster is there");
        let (status, said) = script("helm.sh", &[&[version], words].concat()).expect("helm runs");
        (status.success(), said)
    }

    /// Where its API is, and the certificates that vouch for it.
    pub(crate) fn address(&self) -> (String, Vec<u8>) {
        let cluster = self.kubeconfig.clusters.first().and_then(|named| named.cluster.clone()).expect("a cluster");
        let authority = cluster.certificate_authority_data.map(|data| STANDARD.decode(data).expect("base64"));
        let of_file = || std::fs::read(cluster.certificate_authority.as_ref().expect("an authority")).expect("a file");
        (cluster.server.expect("an address"), authority.unwrap_or_else(of_file))
    }

    /// What its tokens say in their `iss`.
    pub(crate) async fn issuer(&self) -> String {
        let request = Request::get("/.well-known/openid-configuration").body(Vec::new()).expect("a request");
        let document: Value = self.client.request(request).await.expect("the cluster's own document");
        document["issuer"].as_str().expect("an issuer").to_owned()
    }

    /// Gives the node `count` of an extended resource.
    pub(crate) async fn offer(&self, resource: &str, count: u32) {
        let path = format!("/status/capacity/{}", resource.replace('/', "~1"));
        self.patch_capacity(json!([{"op": "add", "path": path, "value": count.to_string()}])).await;
    }

    /// Takes an extended resource from the node.
    pub(crate) async fn withdraw(&self, resource: &str) {
        let escaped = resource.replace('/', "~1");
        let gone = |part: &str| json!({"op": "remove", "path": format!("/status/{part}/{escaped}")});
        self.patch_capacity(json!([gone("capacity"), gone("allocatable")])).await;
    }

    async fn patch_capacity(&self, patch: Value) {
        let patch = serde_json::from_value(patch).expect("a patch");
        let nodes: Api<Node> = Api::all(self.client.clone());
        nodes.patch_status(NODE, &PatchParams::default(), &Patch::<()>::Json(patch)).await.expect("the node takes the patch");
    }

    /// Sees to `count` nodes that kwok plays; only what tolerates their taint goes there.
    pub(crate) fn fake_nodes(&self, count: u32) {
        assert!(self.is_ours(), "only our own cluster gets nodes");
        let (status, said) = script("fake.sh", &[&count.to_string()]).expect("the script runs");
        assert!(status.success(), "{said}");
    }

    /// Signals a program of the cluster, such as `kubelet`.
    pub(crate) fn signal(&self, program: &str, signal: Signal) {
        assert!(self.is_ours(), "only our own cluster is harmed");
        let pid = fs::read_to_string(Path::new(STATE).join(format!("{program}.pid"))).expect("its pid");
        let pid = nix::unistd::Pid::from_raw(pid.trim().parse().expect("a number"));
        nix::sys::signal::kill(pid, signal).expect("a living program");
    }
}
