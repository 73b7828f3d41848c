//! What may be done to our own cluster: its API server taken away, its node paused, cordoned or labelled.

use super::{
    cluster::{Cluster, NODE},
    testbed::script,
};
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

impl Cluster {
    /// `kill -9` for the API server.
    pub(crate) fn kill_api(&self) {
        self.part("kill");
    }

    /// Starts a killed API server, and waits until it is ready.
    pub(crate) fn start_api(&self) {
        self.part("start");
    }

    fn part(&self, what: &str) {
        assert!(self.is_ours(), "only our own cluster is harmed");
        let (status, said) = script("part.sh", &[what, "apiserver"]).expect("the script runs");
        assert!(status.success(), "{said}");
    }

    /// Lays this over the real node.
    pub(crate) async fn patch_node(&self, patch: Value) {
        let nodes: Api<Node> = Api::all(self.client.clone());
        nodes.patch(NODE, &PatchParams::default(), &Patch::Merge(patch)).await.expect("the node takes the patch");
    }

    /// Lets no further pod onto the real node, or lets them again.
    pub(crate) async fn cordon(&self, closed: bool) {
        self.patch_node(json!({"spec": {"unschedulable": closed}})).await;
    }

    /// Stops every process of every pod, and the kubelet, as a machine that is suspended does, for as long as the answer lives.
    pub(crate) fn pause(&self) -> Paused<'_> {
        let paused = Paused(self);
        self.signal("kubelet", Signal::SIGSTOP);
        freeze(true);
        paused
    }
}

/// A node that stands still.
pub(crate) struct Paused<'a>(&'a Cluster);

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        freeze(false);
        self.0.signal("kubelet", Signal::SIGCONT);
    }
}

/// Both versions of cgroups can stop all that is below a group.
fn freeze(stop: bool) {
    let first = PathBuf::from("/sys/fs/cgroup/freezer/kubepods/freezer.state");
    let second = PathBuf::from("/sys/fs/cgroup/kubepods/cgroup.freeze");
    let (file, word) =
        if first.exists() { (first, if stop { "FROZEN" } else { "THAWED" }) } else { (second, if stop { "1" } else { "0" }) };
    let written = fs::write(&file, word);
    // Whoever lets go while a test dies has nothing better to do.
    assert!(written.is_ok() || std::thread::panicking(), "{}: {written:?}", file.display());
}
