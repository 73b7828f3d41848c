//! A fleet of simulated pods: this module is kubelet and agent for every pod in some namespaces.
//!
//! Server, glue, API server and controllers are the real ones. What is played is what fake nodes cannot do: it binds each
//! pod to a node, takes the agent's assignment from the pod's Secret, speaks the agent's protocol over HTTP with the
//! product's own client, and tells the API server what a kubelet would. What a task "does" is in its command
//! ([`deed::Deed`]), and what it did it writes to the recorder, after the first heartbeat was answered and not before. A pod that
//! bears the label [`TASK`] has no agent, and is carried in the same way.

mod agent;
mod deed;
mod kubelet;
mod node;
mod pen;
mod plain;

pub(crate) use deed::Deed;
pub(crate) use pen::Pen;
pub(crate) use plain::TASK;

use self::kubelet::Seat;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt,
    runtime::{WatchStreamExt, watcher, watcher::Event},
};
use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// What every pod of the fleet shares.
pub(crate) struct Yard {
    client: Client,
    pen: Pen,
    /// How long each container takes to start.
    container: Duration,
    /// Those that wait for it (`hold`) go on once it is set.
    go: watch::Sender<bool>,
    /// One connection pool for all agents of a server.
    server: OnceLock<slipway::client::Client>,
    pub(crate) counts: Counts,
}

/// What the fleet saw; all grow only, but `running`.
#[derive(Default)]
pub(crate) struct Counts {
    /// Pods that were taken.
    pub(crate) pods: AtomicU64,
    /// Commands that run now.
    pub(crate) running: AtomicU64,
    /// Starts that were refused: another pod of the attempt had it, or it was superseded.
    pub(crate) refused: AtomicU64,
    /// Pods that somebody deleted while their command ran.
    pub(crate) disturbed: AtomicU64,
    /// Results that no server took in time, left in the termination message.
    pub(crate) untold: AtomicU64,
}

impl Counts {
    fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// What one of the counters says.
    pub(crate) fn of(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }
}

/// The pods at work; dropping it ends them all at once, as a power cut would.
pub(crate) struct Fleet {
    pub(crate) yard: Arc<Yard>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Fleet {
    /// Plays kubelet and agent in `namespaces`, and the node that the pods are on. Each `container` takes so long to start.
    pub(crate) async fn start(client: Client, namespaces: &[String], pen: Pen, container: Duration) -> Self {
        let (go, server, counts) = (watch::Sender::new(false), OnceLock::new(), Counts::default());
        let yard = Arc::new(Yard { client: client.clone(), pen, container, go, server, counts });
        let stop = CancellationToken::new();
        node::join(&client).await;
        let mut tasks = vec![tokio::spawn(stop.clone().run_until_cancelled_owned(node::live(client)).map_done())];
        for namespace in namespaces {
            let watch = watch_pods(yard.clone(), namespace.clone(), stop.clone());
            tasks.push(tokio::spawn(stop.clone().run_until_cancelled_owned(watch).map_done()));
        }
        Self { yard, stop, tasks }
    }

    /// Lets go of all that hold, and of all that will.
    pub(crate) fn go(&self) {
        self.yard.go.send_replace(true);
    }
}

/// A future whose outcome is of no interest.
trait Done: Future + Sized {
    async fn map_done(self) {
        self.await;
    }
}

impl<F: Future> Done for F {}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.stop.cancel();
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Takes every pod of a namespace, and tells it when somebody wants it gone.
async fn watch_pods(yard: Arc<Yard>, namespace: String, stop: CancellationToken) {
    let api: Api<Pod> = Api::namespaced(yard.client.clone(), &namespace);
    let config = watcher::Config::default().page_size(500);
    let mut stream = pin!(watcher(api, config).default_backoff());
    // By UID, how each is told to go.
    let mut seated: BTreeMap<String, CancellationToken> = BTreeMap::new();
    while let Some(event) = stream.next().await {
        match event {
            Ok(Event::Apply(pod) | Event::InitApply(pod)) => {
                let uid = pod.uid().unwrap_or_default();
                let going = pod.metadata.deletion_timestamp.is_some();
                let told = seated.entry(uid).or_insert_with(|| {
                    let told = CancellationToken::new();
                    Counts::add(&yard.counts.pods);
                    let seat = Seat::new(yard.clone(), pod, told.clone());
                    tokio::spawn(stop.clone().run_until_cancelled_owned(seat.occupy()).map_done());
                    told
                });
                if going {
                    told.cancel();
                }
            }
            Ok(Event::Delete(pod)) => {
                // Without its object nobody can end it any more but its own kubelet.
                if let Some(told) = seated.remove(&pod.uid().unwrap_or_default()) {
                    told.cancel();
                }
            }
            Ok(Event::Init | Event::InitDone) => {}
            Err(error) => eprintln!("fleet: the watch of pods in {namespace}: {error}"),
        }
    }
}
