//! Where the code and the packages of a queue's tasks are taken from, and where they are kept: settings of the queue, which
//! tasks cannot change.

use super::{pem::certificates, pod::is_dns_label, quantity::Memory};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How git is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GitSource {
    /// The Kubernetes Secret with what git needs, in the namespace of the pods: `.git-credentials` (a line
    /// `https://user:token@host` for each host), or `ssh-privatekey` and `known_hosts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<String>,
    /// Beginnings of addresses, and what stands in their place: `{"https://github.com/": "https://mirror.example.com/github/"}`.
    /// Beside https and ssh, a replacement may be `http://` or `file://`, for a mirror in the cluster or on a volume.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub instead_of: BTreeMap<String, String>,
}

/// Where Python packages come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Indexes {
    /// The index in place of the public one, as `https://pypi.example.com/simple`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Further ones, looked at before it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra: Vec<String>,
}

/// The proxy of pods that reach nothing without one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Proxy {
    /// For http: `http://proxy.example.com:3128`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// For https.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub https: Option<String>,
    /// Hosts that are reached without it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub no: Vec<String>,
}

/// Where repositories, packages and environments are kept from task to task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CacheSource {
    /// A `PersistentVolumeClaim` in the namespace of the pods; this or `path`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// Where the template itself mounts a volume for it; on a process runner a directory of the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How large the environments in it may grow, as `50Gi`; what was not used for longest goes. Default 20Gi.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub size: Option<Memory>,
    /// Whether tasks only read what is there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Sources {
    /// How git is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git: Option<GitSource>,
    /// Where Python packages come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub indexes: Option<Indexes>,
    /// The proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Proxy>,
    /// Certificates (PEM) of authorities that are trusted beside those of the image, by git, pip and uv.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// Where things are kept from task to task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheSource>,
}

/// What of it stands in the pods of a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Mounts {
    /// The Secret with what git needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_secret: Option<String>,
    /// The `PersistentVolumeClaim` of the cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_claim: Option<String>,
    /// Whether that one is only read.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cache_read_only: bool,
}

impl Mounts {
    /// Nothing.
    pub const NONE: Self = Self { git_secret: None, cache_claim: None, cache_read_only: false };

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Sources {
    /// What pods get of it.
    #[must_use]
    pub fn mounts(&self) -> Mounts {
        let cache = self.cache.as_ref();
        Mounts {
            git_secret: self.git.as_ref().and_then(|git| git.secret_ref.clone()),
            cache_claim: cache.and_then(|cache| cache.claim.clone()),
            cache_read_only: cache.is_some_and(|cache| cache.read_only && cache.claim.is_some()),
        }
    }

    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is wrong: a pointer into the queue, and why. No text of an address is repeated, it may hold a password.
    #[must_use]
    pub fn faults(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut check = |ok: bool, pointer: &str, why: &'static str| {
            if !ok {
                found.push((pointer.to_owned(), why));
            }
        };
        let secretless = |url: &str| !url.split('/').nth(2).unwrap_or_default().contains('@');
        let web = |url: &str| (url.starts_with("https://") || url.starts_with("http://")) && plain(url);
        if let Some(git) = &self.git {
            let name = git.secret_ref.as_deref();
            check(name.is_none_or(|name| name.split('.').all(is_dns_label)), "/git/secretRef", "that is no name of a Secret");
            for (from, to) in &git.instead_of {
                check(
                    plain(from) && from.contains(':'),
                    "/git/insteadOf",
                    "what is replaced is the beginning of an address, as https://github.com/",
                );
                let known = ["https://", "ssh://", "http://", "file:///"].iter().any(|scheme| to.starts_with(scheme));
                check(known && plain(to), "/git/insteadOf", "the replacement begins with https://, ssh://, http:// or file:///");
                check(
                    to.starts_with("ssh://") || secretless(to),
                    "/git/insteadOf",
                    "no user name or password in an address: put it into the Secret",
                );
            }
        }
        for url in self.indexes.iter().flat_map(|i| i.url.iter().chain(&i.extra)) {
            check(web(url), "/indexes", "an index is reached by https:// or http://");
            check(secretless(url), "/indexes", "no user name or password in an address: give it in the pod's environment, from a Secret");
        }
        for url in self.proxy.iter().flat_map(|p| p.http.iter().chain(&p.https)) {
            check(web(url), "/proxy", "a proxy is reached by https:// or http://");
            check(secretless(url), "/proxy", "no user name or password in an address: give it in the pod's environment, from a Secret");
        }
        for host in self.proxy.iter().flat_map(|p| &p.no) {
            check(plain(host) && !host.contains(','), "/proxy/no", "a host, or the end of its name, each an entry of its own");
        }
        if let Some(bundle) = &self.ca_bundle {
            check(bundle.len() <= MAX_BUNDLE, "/caBundle", "certificates in PEM form, at most 256 KiB");
        }
        if let Some(cache) = &self.cache {
            check(
                cache.claim.is_some() != cache.path.is_some(),
                "/cache",
                "either claim, a PersistentVolumeClaim, or path, where the template mounts a volume",
            );
            let claim = cache.claim.as_deref();
            check(claim.is_none_or(|name| name.split('.').all(is_dns_label)), "/cache/claim", "that is no name of a PersistentVolumeClaim");
            let path = cache.path.as_deref();
            check(
                path.is_none_or(|p| p.starts_with('/') && plain(p) && !p.split('/').any(|part| part == "..")),
                "/cache/path",
                "an absolute path",
            );
        }
        let mut found: Vec<_> = found.into_iter().map(|(pointer, why)| (pointer, why.to_owned())).collect();
        if let Some(fault) = self.ca_bundle.as_deref().and_then(|bundle| certificates(bundle).err()) {
            found.push(("/caBundle".to_owned(), fault.to_string()));
        }
        found
    }
}

/// The longest bundle of certificates, in bytes.
const MAX_BUNDLE: usize = 256 << 10;

fn plain(text: &str) -> bool {
    !text.is_empty() && text.len() <= 2_000 && !text.chars().any(|c| c.is_control() || c == ' ' || c == '"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(of: serde_json::Value) -> Vec<String> {
        serde_json::from_value::<Sources>(of).unwrap().faults().into_iter().map(|(pointer, _)| pointer).collect()
    }

    #[test]
    fn a_queue_says_where_things_come_from() {
        let fine = serde_json::json!({
            "git": {"secretRef": "git-creds", "insteadOf": {"https://github.com/": "file:///mirrors/"}},
            "indexes": {"url": "https://pypi.example.com/simple", "extra": ["http://wheels/simple"]},
            "proxy": {"https": "http://proxy:3128", "no": [".svc", "10.0.0.0/8"]},
            "caBundle": "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
            "cache": {"claim": "slipway-cache", "size": "50Gi"}
        });
        assert_eq!(faults(fine), [""; 0]);
        let wrong = serde_json::json!({
            "git": {"secretRef": "Not_A_Name", "insteadOf": {"https://github.com/": "ext::sh -c id", "git@x:": "https://me:pw@h/"}},
            "indexes": {"url": "ftp://x", "extra": ["https://me:pw@h/simple"]},
            "proxy": {"http": "socks5://x", "no": ["a b"]},
            "caBundle": "-----BEGIN PRIVATE KEY-----",
            "cache": {"claim": "a", "path": "relative"}
        });
        let expected = [
            "/git/secretRef",
            "/git/insteadOf",
            "/git/insteadOf",
            "/indexes",
            "/indexes",
            "/proxy",
            "/proxy/no",
            "/cache",
            "/cache/path",
            "/caBundle",
        ];
        assert_eq!(faults(wrong), expected);
    }
}
