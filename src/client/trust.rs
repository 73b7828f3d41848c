//! Whose certificates a client trusts, and where a token may travel in clear.

use super::{Cause, Error};
use crate::domain::certificates;
use reqwest::{Certificate, ClientBuilder, Url};
use std::{fs, io, path::Path};

/// Builds a client for https that trusts the system's authorities and those in `ca` (PEM); where the system has none, as an image
/// that holds a single program does, those that browsers trust and those in `ca`.
///
/// `builder` begins a client; it may be asked more than once.
pub(super) fn build(builder: impl Fn() -> ClientBuilder, ca: Option<&str>) -> Result<reqwest::Client, Error> {
    let own = ca.map(authorities).transpose().map_err(|why| Error::Config(format!("the authorities to trust: {why}")))?;
    with(builder, &own.unwrap_or_default()).map_err(|e| Error::Config(format!("cannot set up HTTPS: {}", Cause::from(e))))
}

/// The same with authorities that [`authorities`] found.
///
/// # Errors
/// TLS cannot be set up at all.
pub fn with(builder: impl Fn() -> ClientBuilder, own: &[Certificate]) -> reqwest::Result<reqwest::Client> {
    let usual = builder().tls_certs_merge(own.iter().cloned()).build();
    usual.or_else(|_| builder().tls_certs_only(browsers().chain(own.iter().cloned())).build())
}

/// The authorities in a text (PEM), at least one, each of which can be trusted.
///
/// # Errors
/// What is wrong, with the line.
pub fn authorities(pem: &str) -> Result<Vec<Certificate>, String> {
    let mut all = Vec::new();
    for found in certificates(pem).map_err(|fault| fault.to_string())? {
        let trusted = Certificate::from_der(&found.der)
            .and_then(|one| reqwest::Client::builder().tls_certs_only([one.clone()]).build().map(|_| one))
            .map_err(|error| format!("line {}: the certificate that begins here cannot be used: {}", found.line, Cause::from(error)))?;
        all.push(trusted);
    }
    Ok(all)
}

/// The authorities in a file (PEM), or in the files of a directory that end in `.crt` or `.pem`, as one text; nothing where a directory
/// holds none.
///
/// # Errors
/// What is wrong with which file, with the line.
pub fn authorities_in(path: &Path) -> Result<Option<String>, String> {
    let cannot = |path: &Path, error: &io::Error| format!("cannot read the authorities in {}: {error}", path.display());
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        let listed: io::Result<Vec<_>> = fs::read_dir(path).and_then(|all| all.map(|entry| entry.map(|entry| entry.path())).collect());
        files = listed.map_err(|error| cannot(path, &error))?;
        files.retain(|file| file.extension().is_some_and(|end| end == "crt" || end == "pem"));
        files.sort();
    }
    let mut all = Vec::new();
    for file in &files {
        let text = fs::read_to_string(file).map_err(|error| cannot(file, &error))?;
        certificates(&text).map_err(|fault| format!("{}:{}: {}", file.display(), fault.line, fault.what))?;
        all.push(text);
    }
    Ok(Some(all.join("\n")).filter(|text| !text.is_empty()))
}

/// What Mozilla trusts.
fn browsers() -> impl Iterator<Item = Certificate> {
    webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().filter_map(|der| Certificate::from_der(der).ok())
}

/// Whether whoever is on the way to this address reads what is sent there: it is plain http, and not this machine's own.
#[must_use]
pub fn in_clear(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| is_in_clear(&url))
}

pub(super) fn is_in_clear(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let near = host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
    url.scheme() == "http" && !near
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_no_certificate_is_no_authority() {
        assert!(matches!(build(reqwest::Client::builder, Some("")), Err(Error::Config(_))));
        let hollow = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        let Err(Error::Config(why)) = build(reqwest::Client::builder, Some(hollow)) else { panic!("it is none") };
        assert!(why.contains("line 1: the certificate that begins here cannot be used"), "{why}");
    }

    #[test]
    fn browsers_trust_many_and_all_of_them_can_be_read() {
        assert_eq!(browsers().count(), webpki_root_certs::TLS_SERVER_ROOT_CERTS.len());
        let builder = || reqwest::Client::builder().tls_certs_only(browsers());
        assert!(browsers().count() > 50 && builder().build().is_ok());
    }

    #[test]
    fn a_directory_is_all_certificates_in_it() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(authorities_in(dir.path()), Ok(None));
        let pem = |n: u8| format!("-----BEGIN CERTIFICATE-----\nMAMCAQ{}=\n-----END CERTIFICATE-----\n", ["A", "E", "I"][usize::from(n)]);
        fs::write(dir.path().join("b.crt"), pem(1)).unwrap();
        fs::write(dir.path().join("a.pem"), pem(0)).unwrap();
        fs::write(dir.path().join("notes.txt"), "nothing").unwrap();
        assert_eq!(authorities_in(dir.path()).unwrap().unwrap(), pem(0) + "\n" + &pem(1));
        assert_eq!(authorities_in(&dir.path().join("b.crt")).unwrap().unwrap(), pem(1));
        fs::write(dir.path().join("c.crt"), "-----BEGIN RSA PRIVATE KEY-----").unwrap();
        assert!(authorities_in(dir.path()).unwrap_err().contains("c.crt:1: there is a private key"));
        assert!(authorities_in(Path::new("/nowhere")).unwrap_err().contains("/nowhere: No such file"));
    }

    #[test]
    fn only_this_machine_is_near_without_tls() {
        for near in ["http://127.0.0.1:7227", "http://localhost", "http://[::1]:1/x", "https://slipway.acme.io", "http://LOCALHOST:1"] {
            assert!(!in_clear(near), "{near}");
        }
        for far in ["http://10.0.0.1", "http://localhost.example.org", "http://slipway.slipway.svc:7227", "http://0.0.0.0:1"] {
            assert!(in_clear(far), "{far}");
        }
    }
}
