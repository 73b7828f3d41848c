//! The server's file, `slipway server --config FILE`: the issuers whose word on who a caller is counts, where their keys come
//! from, and how the server listens.

use super::{file, pod::ACCOUNT};
use crate::{
    blob::Place,
    client::{authorities, authorities_in, trusting},
    domain::{Binding, Issuer, Rates},
    server::{Bounds, Keys, networks},
};
use anyhow::{Context, Result, anyhow, bail, ensure};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::future::BoxFuture;
use ipnet::IpNet;
use reqwest::{Certificate, Url, redirect::Policy};
use serde::Deserialize;
use serde_json::Value;
use std::{
    fs::File,
    io::Read,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// The keys of the cluster that a pod is in. Service accounts may read them (`system:service-account-issuer-discovery`).
const CLUSTER_KEYS: &str = "https://kubernetes.default.svc/openid/v1/jwks";
/// The most bytes of keys, and of the document that says where they are.
const MAX_ANSWER: usize = 1 << 20;

/// The file.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct ServerFile {
    issuers: Vec<IssuerEntry>,
    /// Another file with the queues that it keeps, or a directory of such files.
    queues_file: Option<PathBuf>,
    /// Authorities (PEM) to trust beside the system's, for every issuer that names none.
    ca_file: Option<PathBuf>,
    tls: Option<TlsFiles>,
    connections: Bounds,
    /// Where the first admin token is, or is put.
    admin_token_file: Option<PathBuf>,
    /// How often one caller may call.
    rates: Rates,
    /// Networks of proxies whose `X-Forwarded-For` is believed.
    #[serde(deserialize_with = "networks")]
    trusted_proxies: Vec<IpNet>,
    /// Where the bytes are kept, if not in the data directory.
    blobs: Option<Place>,
}

/// The certificate that the server shows, and its key.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TlsFiles {
    pub(super) cert_file: PathBuf,
    pub(super) key_file: PathBuf,
    /// Where programs on this very machine call it without TLS; nowhere where nothing is said.
    #[serde(default)]
    pub(super) near: Option<SocketAddr>,
}

/// What a server's file says.
#[derive(Default)]
pub(super) struct Said {
    pub(super) issuers: Vec<(Issuer, Arc<dyn Keys>)>,
    pub(super) queues: Option<PathBuf>,
    pub(super) tls: Option<TlsFiles>,
    pub(super) connections: Bounds,
    pub(super) admin_token: Option<PathBuf>,
    pub(super) rates: Rates,
    pub(super) proxies: Vec<IpNet>,
    /// Where the bytes are kept, and what calls it.
    pub(super) blobs: Option<(Place, reqwest::Client)>,
}

/// An issuer in the file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct IssuerEntry {
    name: String,
    /// Its `iss`. Of the own cluster the server knows it.
    #[serde(default)]
    issuer: Option<String>,
    /// It is the Kubernetes cluster that the server runs in.
    #[serde(default)]
    kubernetes: bool,
    /// Where its keys are; default: where `issuer` says (`/.well-known/openid-configuration`).
    #[serde(default)]
    keys_url: Option<String>,
    /// A file with its keys, in place of an address.
    #[serde(default)]
    keys_file: Option<PathBuf>,
    /// Certificates to trust in place of the system's.
    #[serde(default)]
    ca_file: Option<PathBuf>,
    /// A token to ask for the keys with; read each time.
    #[serde(default)]
    token_file: Option<PathBuf>,
    #[serde(default)]
    audience: Option<String>,
    #[serde(default)]
    user_claim: Option<String>,
    #[serde(default)]
    user_prefix: Option<String>,
    #[serde(default)]
    groups_claim: Option<String>,
    roles: Vec<Binding>,
}

/// Reads it. Where it names no authorities, those in the file `ca` are trusted beside the system's.
pub(super) fn read(path: &Path, ca: Option<&Path>) -> Result<Said> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let name = path.display().to_string();
    let file: ServerFile = file::parse(&name, &text)?;
    let more = file.ca_file.as_deref().or(ca).map(authorities_in).transpose().map_err(|why| anyhow!("{name}: caFile: {why}"))?.flatten();
    let more = more.map(|pem| authorities(&pem)).transpose().map_err(|why| anyhow!("{name}: caFile: {why}"))?.unwrap_or_default();
    let all = file.issuers.into_iter().enumerate();
    let issuers = all.map(|(at, entry)| entry.build(&more).with_context(|| format!("{name}: issuers[{at}]"))).collect::<Result<_>>()?;
    if let Some(near) = file.tls.as_ref().and_then(|tls| tls.near).filter(|near| !near.ip().is_loopback()) {
        bail!("{name}: tls.near: {near} is not this machine's alone, as 127.0.0.1:7226 is");
    }
    if let Some(wrong) = file.connections.wrong() {
        bail!("{name}: connections: {wrong}");
    }
    if let Some(wrong) = file.rates.wrong() {
        bail!("{name}: rates.{wrong}");
    }
    if let Some(wrong) = file.blobs.as_ref().and_then(Place::wrong) {
        bail!("{name}: blobs.{wrong}");
    }
    let blobs = file.blobs.map(|place| caller(&more).map(|http| (place, http))).transpose().context("cannot set up HTTP")?;
    let (proxies, mut connections) = (file.trusted_proxies, file.connections);
    connections.shared_addresses.extend(&proxies);
    Ok(Said {
        issuers,
        queues: file.queues_file,
        tls: file.tls,
        connections,
        admin_token: file.admin_token_file,
        rates: file.rates,
        proxies,
        blobs,
    })
}

/// What calls an object store: a call of a few MiB takes so long at most.
fn caller(more: &[Certificate]) -> reqwest::Result<reqwest::Client> {
    let builder = || {
        let builder = reqwest::Client::builder().connect_timeout(Duration::from_secs(5)).timeout(Duration::from_secs(30));
        builder.user_agent(concat!("slipway-server/", env!("CARGO_PKG_VERSION")))
    };
    trusting(builder, more)
}

impl IssuerEntry {
    fn build(self, more: &[Certificate]) -> Result<(Issuer, Arc<dyn Keys>)> {
        let account = Path::new(ACCOUNT);
        ensure!(!(self.kubernetes && (self.keys_file.is_some() || self.keys_url.is_some())), "kubernetes: true knows where the keys are");
        let issuer = match (self.issuer, self.kubernetes) {
            (Some(issuer), _) => issuer,
            (None, true) => own_issuer(&account.join("token")).context("kubernetes: true works in a pod with a service account's token")?,
            (None, false) => bail!("issuer: what its tokens say in their iss"),
        };
        let keys: Arc<dyn Keys> = match (self.keys_file, self.kubernetes) {
            (Some(file), _) => Arc::new(FileKeys(file)),
            (None, true) => {
                let (ca, token) = (account.join("ca.crt"), account.join("token"));
                Arc::new(HttpKeys::new(At::Keys(secure(CLUSTER_KEYS)?), Some(&ca), &[], Some(token))?)
            }
            (None, false) => {
                let at = match &self.keys_url {
                    Some(url) => At::Keys(secure(url).context("keysUrl")?),
                    None => At::Discovery(
                        secure(&format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))).context("issuer")?,
                    ),
                };
                Arc::new(HttpKeys::new(at, self.ca_file.as_deref(), more, self.token_file)?)
            }
        };
        let issuer = Issuer {
            name: self.name,
            issuer,
            audience: self.audience.unwrap_or_else(|| "slipway".to_owned()),
            user_claim: self.user_claim.unwrap_or_else(|| "sub".to_owned()),
            user_prefix: self.user_prefix,
            groups_claim: self.groups_claim.unwrap_or_else(|| "groups".to_owned()),
            roles: self.roles,
        };
        issuer.wrong().map_or(Ok((issuer, keys)), |wrong| Err(anyhow!(wrong)))
    }
}

/// The issuer of the pod's own token. It is what kubelet gave us, so its word is good.
fn own_issuer(token: &Path) -> Result<String> {
    let text = std::fs::read_to_string(token).with_context(|| format!("cannot read {}", token.display()))?;
    let payload = text.split('.').nth(1).context("it is no signed token")?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?;
    Ok(claims["iss"].as_str().context("it names no issuer")?.to_owned())
}

/// An address by which nobody on the way can put keys of their own in.
fn secure(url: &str) -> Result<Url> {
    let url = Url::parse(url).with_context(|| format!("{url:?} is no URL"))?;
    let near = url.host_str().is_some_and(|host| ["localhost", "127.0.0.1", "[::1]"].contains(&host));
    ensure!(url.scheme() == "https" || (url.scheme() == "http" && near), "{url} is not https");
    Ok(url)
}

struct FileKeys(PathBuf);

impl Keys for FileKeys {
    fn fetch(&self) -> BoxFuture<'_, Result<String, String>> {
        let read = || {
            let mut text = String::new();
            File::open(&self.0)?.take(MAX_ANSWER as u64).read_to_string(&mut text)?;
            Ok(text)
        };
        let text = read().map_err(|e: std::io::Error| format!("{}: {e}", self.0.display()));
        Box::pin(async move { text })
    }
}

/// Where keys are asked for.
enum At {
    Keys(Url),
    /// The document that says where.
    Discovery(Url),
}

struct HttpKeys {
    http: reqwest::Client,
    at: At,
    token: Option<PathBuf>,
}

impl HttpKeys {
    fn new(at: At, ca: Option<&Path>, more: &[Certificate], token: Option<PathBuf>) -> Result<Self> {
        let builder = || {
            reqwest::Client::builder()
                .connect_timeout(Duration::from_secs(5))
                .timeout(Duration::from_secs(10))
                .redirect(Policy::none())
                .user_agent(concat!("slipway-server/", env!("CARGO_PKG_VERSION")))
        };
        let http = if let Some(ca) = ca {
            let pem = std::fs::read_to_string(ca).with_context(|| format!("caFile: cannot read {}", ca.display()))?;
            let own = authorities(&pem).map_err(|why| anyhow!("caFile: {}: {why}", ca.display()))?;
            builder().tls_certs_only(own).build()
        } else if matches!(&at, At::Keys(url) | At::Discovery(url) if url.scheme() == "http") {
            builder().tls_certs_only([]).build()
        } else {
            trusting(builder, more)
        };
        Ok(Self { http: http.context("cannot set up HTTP")?, at, token })
    }

    async fn get(&self, url: &Url) -> Result<String> {
        let mut request = self.http.get(url.clone());
        if let Some(path) = &self.token {
            let token = std::fs::read_to_string(path).with_context(|| format!("tokenFile: cannot read {}", path.display()))?;
            request = request.bearer_auth(token.trim());
        }
        let mut response = request.send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(bytes) = response.chunk().await? {
            ensure!(body.len() + bytes.len() <= MAX_ANSWER, "{url} answers with more than {MAX_ANSWER} bytes");
            body.extend_from_slice(&bytes);
        }
        Ok(String::from_utf8(body)?)
    }

    async fn keys(&self) -> Result<String> {
        let url = match &self.at {
            At::Keys(url) => url.clone(),
            At::Discovery(url) => {
                let document: Value = serde_json::from_str(&self.get(url).await?)?;
                secure(document["jwks_uri"].as_str().context("the issuer's document names no jwks_uri")?)?
            }
        };
        self.get(&url).await
    }
}

impl Keys for HttpKeys {
    fn fetch(&self) -> BoxFuture<'_, Result<String, String>> {
        Box::pin(async { self.keys().await.map_err(|error| format!("{error:#}")) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Vec<(Issuer, Arc<dyn Keys>)>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("server.yaml");
        std::fs::write(&path, text).unwrap();
        read(&path, None).map(|said| said.issuers)
    }

    #[test]
    fn a_file_names_issuers_and_its_faults_have_places() {
        let roles = "roles: [{role: viewer, groups: [all]}]";
        let fine = format!(
            "issuers:\n- {{name: corp, issuer: 'https://login.example.com/', {roles}}}\n- {{name: ci, issuer: x, keysFile: /k, {roles}}}\n"
        );
        let issuers = of(&fine).unwrap();
        assert_eq!(issuers[0].0.audience, "slipway");
        assert_eq!((issuers.len(), issuers[1].0.name.as_str()), (2, "ci"));
        assert!(of("{}").unwrap().is_empty());
        for (bad, said) in [
            ("issuers: [{name: a, roles: []}]", "issuer: what its tokens say"),
            ("issuers: [{name: a, issuer: 'http://login.example.com', roles: [{role: viewer, groups: [x]}]}]", "is not https"),
            ("issuers: [{name: a, issuer: x, keysUrl: 'ftp://k', roles: [{role: viewer, groups: [x]}]}]", "is not https"),
            ("issuers: [{name: a, issuer: x, keysFile: k, roles: [{role: admin, groups: ['*']}]}]", "viewer at most"),
            ("issuers: [{name: a, kubernetes: true, keysFile: k, roles: []}]", "knows where the keys are"),
            ("issuers: [{name: a, issuer: x, keyFile: k, roles: []}]", "keyFile"),
            ("issuer: []", "issuer"),
            ("caFile: /nowhere/ca.pem", "caFile: cannot read the authorities in /nowhere/ca.pem"),
            ("tls: {certFile: a}", "keyFile"),
            ("tls: {certFile: a, keyFile: b, near: '10.0.0.1:1'}", "is not this machine's alone"),
            ("connections: {max: 0}", "at least 1"),
            ("rates: {read: {perSecond: 5, burst: 0}}", "rates.read.burst: at least 1"),
            ("blobs: {url: 'gs://bucket'}", "blobs.url: \"gs://bucket\" is neither s3://"),
            ("blobs: {url: 's3://bucket', secretAccessKey: x}", "secretAccessKey"),
            ("connections: {sharedAddresses: [10.0.0.0/99]}", "is no network"),
        ] {
            let error = of(bad).err().map(|error| format!("{error:#}")).unwrap_or_default();
            assert!(error.contains(said) && error.contains("server.yaml"), "{bad}: {error}");
        }
    }
}
