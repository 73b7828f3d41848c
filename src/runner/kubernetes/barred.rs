//! Kinds of objects that cannot be made here: not served, or without the right to it. Claims leave their queues to others until
//! one could be made.

use super::{
    cluster::{Cluster, Failed},
    custom::never,
    object::{Kind, Made},
};
use crate::{
    domain::evidence::ApiRefusal,
    wire::{UnservedKind, limits},
};
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::watch;

/// An object that was refused for its kind, and how.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bar {
    made: Made,
    refusal: ApiRefusal,
}

/// The kinds that are barred, each in a namespace. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Barred(Arc<watch::Sender<BTreeMap<(Kind, String), Bar>>>);

impl Barred {
    /// Bars the kind of an object that was refused for it.
    pub(super) fn bar(&self, made: &Made, refusal: &ApiRefusal) {
        let bar = Bar { made: made.clone(), refusal: refusal.clone() };
        let first = || tracing::warn!(kind = %made.kind, namespace = made.namespace, message = refusal.message, "no object of this kind can be made here: its queues are left to others until one can");
        self.0.send_if_modified(|bars| {
            let new = bars.insert((made.kind.clone(), made.namespace.clone()), bar).is_none();
            if new {
                first();
            }
            new
        });
    }

    /// Whether no object of a kind can be made in a namespace.
    pub(super) fn bars(&self, kind: &Kind, namespace: &str) -> bool {
        self.0.borrow().contains_key(&(kind.clone(), namespace.to_owned()))
    }

    /// What a claim says of it.
    pub(super) fn told(&self) -> Vec<UnservedKind> {
        let told = |((kind, namespace), bar): (&(Kind, String), &Bar)| UnservedKind {
            api_version: kind.version.clone(),
            kind: kind.kind.clone(),
            namespace: namespace.clone(),
            refusal: bar.refusal.clone(),
        };
        self.0.borrow().iter().take(limits::MAX_UNSERVED).map(told).collect()
    }

    /// Tells when a kind is barred, and when one is no more.
    pub(super) fn changed(&self) -> watch::Receiver<BTreeMap<(Kind, String), Bar>> {
        self.0.subscribe()
    }

    /// Asks for each kind, beside everything else, whether an object could be made by now.
    pub(super) fn ask_again(&self, cluster: &Cluster) {
        let bars: Vec<_> = self.0.borrow().clone().into_iter().collect();
        if bars.is_empty() {
            return;
        }
        let (barred, cluster) = (self.clone(), cluster.clone());
        tokio::spawn(async move {
            for (key, Bar { made, .. }) in bars {
                let Made { kind, namespace, object, .. } = &made;
                let refused = match cluster.create_object(kind, namespace, object, true).await {
                    Err(Failed::Refused(refusal)) if never(&refusal) => true,
                    Err(Failed::Later(_)) => true,
                    Ok(_) | Err(Failed::Refused(_)) => false,
                };
                if !refused {
                    tracing::info!(kind = %key.0, namespace = key.1, "objects of this kind can be made here now");
                    barred.0.send_if_modified(|bars| bars.remove(&key).is_some());
                }
            }
        });
    }
}
