//! The certificate that the server shows, which may be replaced while it runs.

use super::validity::not_after;
use crate::{
    domain::{Clock, Sha256, UnixMs},
    server::metrics::Metrics,
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    },
};
use tokio_util::sync::CancellationToken;

/// The pause between two looks at the files. Kubelet brings a change of a Secret within a minute or so.
const PAUSE: Duration = Duration::from_secs(5);
/// Certificate and key are two files: one that was changed may be seen before the other.
const SETTLE: Duration = Duration::from_secs(1);
/// With less left a certificate is complained of.
const SHORT: Duration = Duration::from_hours(7 * 24);

/// TLS with the certificate and the key of two files (PEM). Clones share it.
#[derive(Clone)]
pub struct Tls {
    cert: PathBuf,
    key: PathBuf,
    shown: Arc<Shown>,
    acceptor: TlsAcceptor,
}

/// What is shown to whoever connects now.
#[derive(Debug)]
struct Shown(RwLock<Loaded>);

#[derive(Clone, Debug)]
struct Loaded {
    key: Arc<CertifiedKey>,
    ends: Option<UnixMs>,
    sum: Sha256,
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).key.clone())
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("cert", &self.cert).field("key", &self.key).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the certificate with those that vouch for it, and its key.
    ///
    /// # Errors
    /// What is wrong with which file, in words for people.
    pub fn open(cert: &Path, key: &Path) -> Result<Self, String> {
        let (chain, secret) = read(cert, key)?;
        let shown = Arc::new(Shown(RwLock::new(load(cert, key, &chain, &secret)?)));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider())).with_safe_default_protocol_versions();
        let mut config =
            config.map_err(|error| format!("cannot set up TLS: {error}"))?.with_no_client_auth().with_cert_resolver(shown.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { cert: cert.to_owned(), key: key.to_owned(), shown, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    fn loaded(&self) -> Loaded {
        self.shown.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Shows what the files hold from the time on at which they hold something new, until `stop`. What cannot be used is complained
    /// of once, and what was shown before goes on.
    pub(super) async fn follow(self, clock: Arc<dyn Clock>, metrics: Arc<Metrics>, stop: CancellationToken) {
        let mut complained = None;
        self.tell(&*clock, &metrics);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
            let mut seen = self.look().await;
            if seen.is_err() {
                tokio::time::sleep(SETTLE).await;
                seen = self.look().await;
            }
            match seen {
                Ok(None) => complained = None,
                Ok(Some(loaded)) => {
                    *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = loaded;
                    tracing::info!(cert = %self.cert.display(), "a new certificate is shown");
                    complained = None;
                    self.tell(&*clock, &metrics);
                }
                Err(why) => {
                    if complained.as_ref() != Some(&why) {
                        tracing::error!("the new certificate cannot be used, the old one goes on: {why}");
                        complained = Some(why);
                    }
                }
            }
            metrics.certificate_stale.set(i64::from(complained.is_some()));
        }
    }

    /// What the files hold, where it is not what is shown.
    async fn look(&self) -> Result<Option<Loaded>, String> {
        let (own, shown) = (self.clone(), self.loaded().sum);
        let look = move || {
            let (chain, secret) = read(&own.cert, &own.key)?;
            if sum(&chain, &secret) == shown { Ok(None) } else { load(&own.cert, &own.key, &chain, &secret).map(Some) }
        };
        tokio::task::spawn_blocking(look).await.unwrap_or_else(|error| Err(error.to_string()))
    }

    fn tell(&self, clock: &dyn Clock, metrics: &Metrics) {
        let Some(ends) = self.loaded().ends else { return };
        metrics.certificate_ends.set(ends.0 / 1000);
        let left = ends.0.saturating_sub(clock.now().0);
        let ends = jiff::Timestamp::from_millisecond(ends.0).map(|at| at.to_string()).unwrap_or_default();
        if left < i64::try_from(SHORT.as_millis()).unwrap_or(i64::MAX) {
            tracing::warn!(cert = %self.cert.display(), %ends, "the certificate {}", if left < 0 { "has expired" } else { "ends soon" });
        } else {
            tracing::info!(cert = %self.cert.display(), %ends, "TLS");
        }
    }
}

fn read(cert: &Path, key: &Path) -> Result<(Vec<u8>, Vec<u8>), String> {
    let read = |path: &Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    Ok((read(cert)?, read(key)?))
}

fn sum(chain: &[u8], key: &[u8]) -> Sha256 {
    Sha256::of(&[Sha256::of(chain).to_string(), Sha256::of(key).to_string()].concat().into_bytes())
}

fn load(cert: &Path, key: &Path, chain: &[u8], secret: &[u8]) -> Result<Loaded, String> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{}: it is no PEM: {error}", cert.display()))?;
    let first = certificates.first().ok_or_else(|| format!("{}: there is no certificate in it", cert.display()))?;
    let ends = not_after(first);
    let private =
        PrivateKeyDer::from_pem_slice(secret).map_err(|error| format!("{}: there is no private key in it: {error}", key.display()))?;
    let both = CertifiedKey::from_der(certificates, private, &aws_lc_rs::default_provider())
        .map_err(|error| format!("{} and {} do not go together: {error}", cert.display(), key.display()))?;
    Ok(Loaded { key: Arc::new(both), ends, sum: sum(chain, secret) })
}
