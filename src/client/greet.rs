//! The first words with a server: what it is, what its clock says, and with which certificate it speaks.

use super::{Client, Error, no_answer};
use crate::wire::{Health, Timestamp, Version};
use jiff::fmt::rfc2822;
use reqwest::{Method, header, tls::TlsInfo};

/// What the first words tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// The server's version.
    pub version: Version,
    /// What the clock of whoever answered says, to the second: the server's, or that of a proxy before it.
    pub date: Option<Timestamp>,
    /// The certificate that the connection rests on, as DER; none without TLS.
    pub certificate: Option<Vec<u8>>,
}

impl Client {
    /// Asks for the server's version and tells what the answer shows besides; needs no credential.
    pub async fn greet(&self) -> Result<Greeting, Error> {
        let call = self.call(Method::GET, "version");
        let url = call.url.clone();
        let response = call.response().await?;
        let date = response.headers().get(header::DATE).and_then(|date| date.to_str().ok()).and_then(date_of);
        let certificate = response.extensions().get::<TlsInfo>().and_then(|tls| tls.peer_certificate().map(<[u8]>::to_vec));
        let status = response.status().as_u16();
        let body = response.bytes().await.map_err(|error| no_answer(&url, error))?;
        let version = serde_json::from_slice(&body).map_err(|error| Error::Foreign { url, status, what: error.to_string() })?;
        Ok(Greeting { version, date, certificate })
    }

    /// Whether the server says that it is ready; needs no credential.
    pub async fn ready(&self) -> Result<(), Error> {
        self.call(Method::GET, "readyz").send_empty().await
    }

    /// How the server is.
    pub async fn health(&self) -> Result<Health, Error> {
        self.call(Method::GET, "api/v1/health").send().await
    }
}

/// A `Date` header: `Fri, 20 Nov 2026 09:22:41 GMT`.
fn date_of(text: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_an_answer_is_read() {
        let at = date_of("Fri, 20 Nov 2026 09:22:41 GMT").unwrap();
        assert_eq!(at.to_string(), "2026-11-20T09:22:41Z");
        assert_eq!(date_of("yesterday"), None);
    }
}
