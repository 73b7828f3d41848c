//! Whose certificates a client trusts.

use super::{Cause, Error};
use reqwest::{Certificate, ClientBuilder};

/// Builds a client for https that trusts the authorities in `ca` (PEM) and no others; else those of the system; and where the
/// system has none, as an image that holds a single program does, those that browsers trust.
///
/// `builder` begins a client; it may be asked twice.
pub(super) fn build(builder: impl Fn() -> ClientBuilder, ca: Option<&str>) -> Result<reqwest::Client, Error> {
    let cannot = |e: reqwest::Error| Error::Config(format!("cannot set up HTTPS: {}", Cause::from(e)));
    let own = ca.map(|pem| Certificate::from_pem_bundle(pem.as_bytes())).transpose().map_err(cannot)?;
    match own {
        Some(own) if own.is_empty() => Err(Error::Config("there is no certificate in what the server's authority is to be".into())),
        Some(own) => builder().tls_certs_only(own).build().map_err(cannot),
        None => builder().build().or_else(|_| builder().tls_certs_only(browsers()).build().map_err(cannot)),
    }
}

/// What Mozilla trusts.
fn browsers() -> impl Iterator<Item = Certificate> {
    webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().filter_map(|der| Certificate::from_der(der).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_no_certificate_is_no_authority() {
        assert!(matches!(build(reqwest::Client::builder, Some("")), Err(Error::Config(_))));
    }

    #[test]
    fn browsers_trust_many_and_all_of_them_can_be_read() {
        assert_eq!(browsers().count(), webpki_root_certs::TLS_SERVER_ROOT_CERTS.len());
        let builder = || reqwest::Client::builder().tls_certs_only(browsers());
        assert!(browsers().count() > 50 && builder().build().is_ok());
    }
}
