//! The node that simulated pods are on: an object that says it is ready, and a lease that is renewed.

use k8s_openapi::api::{coordination::v1::Lease, core::v1::Node};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use slipway::{app::ambient::SystemClock, domain::Clock};
use std::time::Duration;

/// Its name.
pub(super) const NODE: &str = "fleet";
/// How often the lease is renewed; a node is given up after 12 s in the test cluster.
const RENEW: Duration = Duration::from_secs(2);

/// Now, as Kubernetes writes a time in whole seconds.
pub(super) fn now() -> String {
    stamp("%Y-%m-%dT%H:%M:%SZ")
}

fn stamp(format: &str) -> String {
    let now = jiff::Timestamp::from_millisecond(SystemClock.now().0).expect("a time");
    now.strftime(format).to_string()
}

/// Creates an object unless it is there.
async fn make<K>(api: &Api<K>, object: Value)
where
    K: kube::Resource + serde::Serialize + serde::de::DeserializeOwned + Clone + std::fmt::Debug,
{
    let object: K = serde_json::from_value(object).expect("an object of the kind");
    match api.create(&PostParams::default(), &object).await {
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        made => drop(made.expect("the object is created")),
    }
}

/// Makes the node. It is tainted, so that only what is put there is there.
pub(super) async fn join(client: &Client) {
    let at = now();
    let size = json!({"cpu": "100000", "memory": "1Pi", "pods": "20000"});
    let ready = json!({"type": "Ready", "status": "True", "reason": "Played", "message": "by the fleet",
        "lastHeartbeatTime": at, "lastTransitionTime": at});
    let node = json!({
        "metadata": {"name": NODE, "labels": {"kubernetes.io/hostname": NODE}},
        "spec": {"taints": [{"key": "slipway.test/fleet", "effect": "NoSchedule"}]},
        "status": {"allocatable": size, "capacity": size, "conditions": [ready]},
    });
    make(&Api::<Node>::all(client.clone()), node).await;
    let lease = json!({
        "metadata": {"name": NODE, "namespace": "kube-node-lease"},
        "spec": {"holderIdentity": NODE, "leaseDurationSeconds": 40, "renewTime": stamp("%Y-%m-%dT%H:%M:%S.000000Z")},
    });
    make(&leases(client), lease).await;
}

fn leases(client: &Client) -> Api<Lease> {
    Api::namespaced(client.clone(), "kube-node-lease")
}

/// Renews its lease for ever.
pub(super) async fn live(client: Client) {
    let leases = leases(&client);
    loop {
        let renewed = json!({"spec": {"renewTime": stamp("%Y-%m-%dT%H:%M:%S.000000Z")}});
        if let Err(error) = leases.patch(NODE, &PatchParams::default(), &Patch::Merge(renewed)).await {
            eprintln!("fleet: the node's lease: {error}");
        }
        tokio::time::sleep(RENEW).await;
    }
}
