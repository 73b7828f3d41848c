//! One test's part of the cluster: its namespaces and its resources on the node.

use super::cluster::Cluster;
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        batch::v1::Job,
        core::v1::{Event, Namespace, Pod},
    },
};
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU32, Ordering},
};

/// A test's own part of the cluster.
pub(crate) struct Scene {
    pub(crate) cluster: Arc<Cluster>,
    /// Its first namespace, in which Pod Security `restricted` is enforced.
    pub(crate) namespace: String,
    namespaces: Mutex<Vec<String>>,
    resources: Mutex<Vec<String>>,
}

/// Different for every run and every call, and short.
fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Scene {
    pub(crate) async fn open(cluster: Arc<Cluster>, test: &str) -> Self {
        let word = test.rsplit("::").next().unwrap_or_default().replace('_', "-");
        let namespace = format!("{:.40}-{}", word, unique()).replace("--", "-");
        let scene = Self { cluster, namespace: namespace.clone(), namespaces: Mutex::default(), resources: Mutex::default() };
        scene.make_namespace(&namespace, json!({"pod-security.kubernetes.io/enforce": "restricted"})).await;
        scene
    }

    /// The same namespace in another cluster.
    pub(crate) async fn mirrored(&self, cluster: Arc<Cluster>) -> Self {
        let scene = Self { cluster, namespace: self.namespace.clone(), namespaces: Mutex::default(), resources: Mutex::default() };
        scene.make_namespace(&self.namespace, json!({"pod-security.kubernetes.io/enforce": "restricted"})).await;
        scene
    }

    pub(crate) fn client(&self) -> Client {
        self.cluster.client.clone()
    }

    /// Objects of the first namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client(), &self.namespace)
    }

    /// Makes another namespace of the scene.
    pub(crate) async fn make_namespace(&self, name: &str, labels: Value) {
        let namespaces: Api<Namespace> = Api::all(self.client());
        let new = serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}})).expect("a namespace");
        namespaces.create(&PostParams::default(), &new).await.expect("a namespace");
        self.namespaces.lock().unwrap_or_else(PoisonError::into_inner).push(name.to_owned());
    }

    /// Gives the node `count` of a MIG slice that nobody else asks for, and answers its resource name.
    pub(crate) async fn slices(&self, count: u32) -> String {
        let name = format!("nvidia.com/mig-1g.10gb-{}", unique());
        self.cluster.offer(&name, count).await;
        self.resources.lock().unwrap_or_else(PoisonError::into_inner).push(name.clone());
        name
    }

    /// Creates an object from JSON in the first namespace.
    pub(crate) async fn create<K>(&self, object: Value) -> K
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + serde::Serialize + DeserializeOwned + Clone + std::fmt::Debug,
    {
        let object: K = serde_json::from_value(object).expect("an object of the kind");
        self.api::<K>().create(&PostParams::default(), &object).await.expect("the object is created")
    }

    /// Lets pods of the namespace do what a template says, as an admin would who trusts its queues.
    pub(crate) async fn trust(&self) {
        let label = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}});
        let namespaces = Api::<Namespace>::all(self.client());
        namespaces.patch(&self.namespace, &PatchParams::default(), &Patch::Merge(&label)).await.expect("the namespace");
    }

    /// Gives everything back; what is deleted may take its time.
    pub(crate) async fn close(&self) {
        let resources = std::mem::take(&mut *self.resources.lock().unwrap_or_else(PoisonError::into_inner));
        for resource in resources {
            self.cluster.withdraw(&resource).await;
        }
        let names = std::mem::take(&mut *self.namespaces.lock().unwrap_or_else(PoisonError::into_inner));
        let namespaces: Api<Namespace> = Api::all(self.client());
        for name in names {
            if let Err(error) = namespaces.delete(&name, &DeleteParams::background()).await {
                eprintln!("namespace {name} stays: {error}");
            }
            let pods: Api<Pod> = Api::namespaced(self.client(), &name);
            // No test waits for another one's grace periods.
            let _ = pods.delete_collection(&DeleteParams::default().grace_period(0), &ListParams::default()).await;
        }
    }

    /// What stands in the test's namespaces, for whoever looks into a failure.
    pub(crate) async fn tell(&self, test: &str) {
        let names = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for name in names {
            eprintln!("--- {test}: namespace {name}");
            let list = ListParams::default();
            for job in Api::<Job>::namespaced(self.client(), &name).list(&list).await.into_iter().flatten() {
                eprintln!("job {}: {}", job.metadata.name.unwrap_or_default(), json!(job.status));
            }
            for pod in Api::<Pod>::namespaced(self.client(), &name).list(&list).await.into_iter().flatten() {
                eprintln!("pod {}: {}", pod.metadata.name.unwrap_or_default(), json!(pod.status));
            }
            for event in Api::<Event>::namespaced(self.client(), &name).list(&list).await.into_iter().flatten() {
                let about = event.involved_object.name.unwrap_or_default();
                eprintln!("event {about}: {} {}", event.reason.unwrap_or_default(), event.message.unwrap_or_default());
            }
        }
    }
}
