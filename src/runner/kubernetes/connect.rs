//! Finding the cluster, and who it is.

use super::config::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use uuid::Uuid;

/// Which cluster.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// A kubeconfig; none is the one that kubectl takes.
    pub kubeconfig: Option<PathBuf>,
    /// Its context; none is its current one.
    pub context: Option<String>,
    /// Whether this process runs in a pod: then its own cluster, unless one of the others is named.
    pub in_pod: bool,
}

/// A cluster that was found, and not called yet.
pub struct Found {
    pub(super) config: kube::Config,
    /// Whether it is the one that this process runs in.
    pub in_pod: bool,
}

impl Found {
    /// The namespace of the context, or the pod's own.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.config.default_namespace
    }

    /// The API server's address.
    #[must_use]
    pub fn server(&self) -> String {
        self.config.cluster_url.to_string()
    }

    /// The instance that a glue registers with: the same for all replicas, and another one in another cluster. It is made
    /// from the runner's name and the cluster's certificate authority, or its address where there is none.
    #[must_use]
    pub fn instance(&self, config: &Config) -> Uuid {
        let mut hash = Sha256::new();
        hash.update(config.name.as_str());
        hash.update([0]);
        match &self.config.root_cert {
            Some(certificates) => certificates.iter().for_each(|certificate| hash.update(certificate)),
            None => hash.update(self.server()),
        }
        let digest: [u8; 32] = hash.finalize().into();
        uuid::Builder::from_custom_bytes(*digest.first_chunk().unwrap_or(&[0; 16])).into_uuid()
    }
}

/// Finds the cluster.
///
/// # Errors
/// What cannot be read, and what to name instead.
pub async fn find(reach: &Reach) -> Result<Found, String> {
    if reach.in_pod && reach.kubeconfig.is_none() && reach.context.is_none() {
        let config =
            kube::Config::incluster().map_err(|e| format!("cannot use the pod's own cluster: {e}; name another with --kubeconfig"))?;
        return Ok(Found { config, in_pod: true });
    }
    let file = match &reach.kubeconfig {
        Some(path) => Kubeconfig::read_from(path).map_err(|e| format!("cannot use the kubeconfig {}: {e}", path.display())),
        None => Kubeconfig::read().map_err(|e| format!("cannot find a cluster: {e}; name a kubeconfig with --kubeconfig")),
    }?;
    let options = KubeConfigOptions { context: reach.context.clone(), ..KubeConfigOptions::default() };
    let config = kube::Config::from_custom_kubeconfig(file, &options).await;
    let config = config.map_err(|e| format!("cannot use the kubeconfig: {e}; name a context with --context"))?;
    Ok(Found { config, in_pod: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::kubernetes::examples;

    #[test]
    fn replicas_are_one_instance_and_another_cluster_is_not() {
        let found = |url: &str, authority: Option<&[u8]>| {
            let mut config = kube::Config::new(url.parse().unwrap());
            config.root_cert = authority.map(|certificate| vec![certificate.to_vec()]);
            Found { config, in_pod: false }.instance(&examples::config())
        };
        let inside = found("https://10.96.0.1", Some(b"ca"));
        assert_eq!(inside, found("https://api.example:6443", Some(b"ca")));
        assert_ne!(inside, found("https://10.96.0.1", Some(b"other")));
        assert_ne!(found("http://a:1", None), found("http://b:1", None));
        assert_eq!(inside.get_version_num(), 8);
    }
}
