//! What of ours is left in a cluster once all is over.

use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        batch::v1::Job,
        core::v1::{Pod, Secret},
    },
};
use kube::{Api, Client, api::ListParams};
use slipway::domain::pod::LABEL_INSTANCE;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What of ours is left in these namespaces, once nothing is or it has had its time.
pub(crate) async fn cleared(client: &Client, namespaces: &[String], limit: Duration) -> Vec<String> {
    let until = Instant::now() + limit;
    loop {
        let mut left = Vec::new();
        for namespace in namespaces {
            left.extend(of::<Job>(client, namespace, "Job").await);
            left.extend(of::<Secret>(client, namespace, "Secret").await);
            left.extend(of::<Pod>(client, namespace, "pod").await);
        }
        if left.is_empty() || Instant::now() > until {
            return left;
        }
        sleep(Duration::from_millis(500)).await;
    }
}

async fn of<K>(client: &Client, namespace: &str, kind: &str) -> Vec<String>
where
    K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let list = api.list_metadata(&ListParams::default().labels(LABEL_INSTANCE)).await.expect("the list").items;
    list.into_iter().map(|object| format!("{kind} {}", object.metadata.name.unwrap_or_default())).collect()
}
