//! Looks at the objects that carry attempts in place of Jobs, again and again: kinds come and go with the queues that name
//! them, so they are listed rather than watched; and so are those of their pods that bear no label to watch for. A kind that
//! cannot be listed keeps nothing else from going on.

use super::{barred::Barred, cluster::Cluster, object::Kind, watch::Cache};
use crate::{domain::pod::LABEL_RUNNER, wire::RunnerName};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::{sync::watch, time::sleep};

/// What is looked at, and how often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Polled {
    /// The kinds of objects that carry attempts.
    pub(super) kinds: BTreeSet<Kind>,
    /// The pause between two looks.
    pub(super) every: Duration,
}

/// Lists all that is to be looked at, for ever, but for what is barred. What is seen comes into the cache.
pub(super) async fn poll(
    cluster: Cluster,
    namespaces: Vec<String>,
    runner: RunnerName,
    cache: Arc<Cache>,
    barred: Barred,
    mut polled: watch::Receiver<Polled>,
) {
    let selector = format!("{LABEL_RUNNER}={runner}");
    loop {
        let Polled { kinds, every } = polled.borrow_and_update().clone();
        for kind in &kinds {
            for namespace in namespaces.iter().filter(|namespace| !barred.bars(kind, namespace)) {
                match cluster.objects(kind, namespace, &selector).await {
                    Ok(list) => {
                        cluster.kin.listed(kind, namespace, &list);
                        cache.listed(kind, namespace, list);
                    }
                    Err(failed) => tracing::debug!(%kind, namespace, %failed, "the objects of this kind cannot be listed now"),
                }
            }
        }
        for namespace in &namespaces {
            match cluster.unlabelled_pods(namespace).await {
                Ok(pods) => cache.unlabelled(namespace, pods),
                Err(failed) => tracing::debug!(namespace, %failed, "the pods without labels cannot be listed now"),
            }
        }
        let more = async {
            if kinds.is_empty() {
                std::future::pending::<()>().await;
            }
            sleep(every).await;
        };
        tokio::select! {
            changed = polled.changed() => if changed.is_err() { return },
            () = more => {}
        }
    }
}
