//! Hosts by name, resolved as the machine says and by nobody else.
//!
//! The resolver is written in Rust, because a static program cannot load that of the system's C library. It goes by
//! `/etc/hosts` and `/etc/resolv.conf`, with `search` and `ndots`. Where the latter cannot be read only `/etc/hosts`
//! counts: names of a private network are not told to a public resolver.

use hickory_resolver::{
    TokioResolver,
    config::{LookupIpStrategy, ResolverConfig, ResolverOpts},
    net::{NetError, runtime::TokioRuntimeProvider},
    system_conf::read_system_conf,
};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

type System = fn() -> Result<(ResolverConfig, ResolverOpts), NetError>;

/// The resolver of one client. What it read of the system's configuration once it keeps; what it could not read it
/// tries anew with every name.
#[derive(Clone, Debug)]
pub(super) struct Names {
    system: System,
    resolver: Arc<OnceLock<TokioResolver>>,
}

/// The machine does not say whom to ask.
#[derive(Debug, thiserror::Error)]
#[error(
    "the name {name} cannot be resolved, because /etc/resolv.conf names nobody to ask ({why}); use an address, or name the host in /etc/hosts"
)]
pub(super) struct Unconfigured {
    name: String,
    why: String,
}

impl Names {
    /// The machine's own.
    pub(super) fn of_system() -> Self {
        Self { system: read_system_conf, resolver: Arc::default() }
    }

    async fn lookup(&self, name: &str) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let (resolver, broken) = match self.resolver.get() {
            Some(resolver) => (resolver.clone(), None),
            None => match (self.system)() {
                Ok((config, options)) => {
                    let resolver = build(config, options)?;
                    (self.resolver.get_or_init(|| resolver).clone(), None)
                }
                Err(error) => (build(ResolverConfig::from_parts(None, vec![], vec![]), ResolverOpts::default())?, Some(error.to_string())),
            },
        };
        match (resolver.lookup_ip(name).await, broken) {
            // The port is the caller's to set.
            (Ok(found), _) => Ok(found.iter().map(|ip| SocketAddr::new(ip, 0)).collect()),
            (Err(_), Some(why)) => Err(Unconfigured { name: name.to_owned(), why }.into()),
            (Err(error), None) => Err(error.into()),
        }
    }
}

fn build(config: ResolverConfig, mut options: ResolverOpts) -> Result<TokioResolver, NetError> {
    options.ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options).build()
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let names = self.clone();
        Box::pin(async move { Ok(Box::new(names.lookup(name.as_str()).await?.into_iter()) as Addrs) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_is_asked_whom_the_machine_does_not_name() {
        let broken = || Err(std::io::Error::other("gone").into());
        let names = Names { system: broken, resolver: Arc::default() };
        let error = names.lookup("slipway.example").await.unwrap_err();
        assert!(error.downcast_ref::<Unconfigured>().unwrap().to_string().contains("gone"), "{error}");
        assert!(names.lookup("localhost").await.unwrap().iter().all(|a| a.ip().is_loopback()));
    }
}
