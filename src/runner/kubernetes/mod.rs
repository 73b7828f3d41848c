//! The glue: every attempt is a Job in a Kubernetes cluster.
//!
//! It keeps nothing on disk. What it does follows from what stands in the cluster and at the server, compared by one pure
//! function ([`plan`]) whenever a watch tells of a change, and at least once in each sweep; so it may be killed at any
//! moment and started again, and pods do not notice. Replicas share one name.
//!
//! # Guarantees
//! - Objects are created under names that only their attempt has. One that is there already is ours only where it bears
//!   our claim; it is never changed into ours.
//! - The caches of the watches suggest and never decide: before a deletion, and before an attempt is said to be dead, the
//!   objects are looked at live, and their UIDs compared.
//! - Of an attempt that has started only the pod that started it is spoken of.
//! - What the server does not know is left alone.
//! - No counter of attempts is kept: room is counted from what is there.
//! - Ending the glue ends no attempt.

mod act;
mod barred;
mod capacity;
mod checks;
mod claims;
mod cluster;
mod compare;
mod config;
mod connect;
mod custom;
mod desk;
mod events;
#[cfg(test)]
mod examples;
mod facts;
mod follow;
mod footing;
mod health;
mod kin;
mod leftovers;
mod meter;
mod metrics;
mod nodes;
mod object;
mod objects;
mod pace;
mod plan;
mod poll;
pub mod rbac;
mod reap;
#[cfg(test)]
mod scripted;
mod sight;
mod states;
mod voices;
mod watch;

pub use config::{Config, File, LayerFile, PullPolicy, Queues, Surrounding};
pub use connect::{Found, Reach, find};
pub use reap::{Reaper, UnknownJob};

use super::Refusal;
use crate::{
    client::Client,
    domain::{Clock, Rng},
};
use std::{io, sync::Arc};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// Why a glue ends.
#[derive(Debug, thiserror::Error)]
pub enum GlueError {
    /// The cluster's client cannot be set up.
    #[error("cannot set up the connection to the cluster: {0}")]
    Cluster(String),
    /// Health and metrics cannot be served.
    #[error("cannot listen on {address} for health and metrics: {source}; choose another address with listen")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The server does not work with it.
    #[error(transparent)]
    Server(#[from] Refusal),
}

/// Time and randomness.
#[derive(Clone)]
pub struct Ambient {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The randomness.
    pub rng: Arc<dyn Rng>,
}

/// Claims attempts and carries them in the cluster until `stop`. Pods run on after it and are found again by the next glue
/// of the same name.
///
/// # Errors
/// [`GlueError`] where it cannot begin or go on. A server or a cluster out of reach is no error: both are tried for ever.
pub async fn run(config: Config, found: Found, server: Client, ambient: Ambient, stop: CancellationToken) -> Result<(), GlueError> {
    let config = Arc::new(config);
    let Ambient { clock, rng } = ambient;
    let instance = found.instance(&config);
    let metrics = metrics::Metrics::new();
    let cluster = cluster::Cluster::new(found.config, (config.qps, config.burst), metrics.clone(), clock.clone());
    let cluster = cluster.map_err(|error| GlueError::Cluster(error.to_string()))?;
    let (cache, pulse) = (watch::Cache::new(), health::Pulse::new(clock.clone()));
    let health = health::Health { pulse: pulse.clone(), meter: cluster.meter.clone(), cache: cache.clone(), metrics: metrics.clone() };
    let listener = TcpListener::bind(config.listen).await.map_err(|source| GlueError::Listen { address: config.listen, source })?;
    let local = listener.local_addr().map_err(|source| GlueError::Listen { address: config.listen, source })?;
    tracing::info!(address = %local, "health and metrics");
    let _health = AbortOnDropHandle::new(tokio::spawn(async move { axum::serve(listener, health::router(health)).await }));
    let _watches: Vec<_> = config.namespaces.iter().map(|namespace| watch::watch(&cluster, namespace, &config.name, &cache)).collect();
    let told = nodes::tell(cluster.clone(), server.clone(), config.name.clone(), instance);
    let _nodes = config.read_nodes.then(|| AbortOnDropHandle::new(tokio::spawn(told)));
    let around = desk::Around { clock, rng, pulse, metrics };
    let mut desk = desk::Desk::new(config, instance, server, cluster, cache, around);
    tokio::select! {
        // Every step may be cut anywhere: what was begun is found again in the cluster and at the server.
        () = stop.cancelled() => Ok(()),
        end = desk.serve() => Ok(end?),
    }
}
