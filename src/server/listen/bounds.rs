//! What one server bears of those who call it.

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de};
use std::{net::IpAddr, time::Duration};

/// Bounds on connections. None of them ends a held call, a followed stream or an upload that goes on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Bounds {
    /// The most connections at once: each live attempt holds one, ten thousand pods that many. Room for another is made by ending the oldest one that has not asked for anything yet.
    pub max: usize,
    /// The most connections of one address (of one /64 of IPv6), but for this machine's own and `shared_addresses`.
    pub per_address: usize,
    /// Whose connections are those of many: proxies, and the addresses behind which a network hides.
    #[serde(deserialize_with = "networks")]
    pub shared_addresses: Vec<IpNet>,
    /// How long a request's head may take, and before the first one the handshake of TLS with it.
    #[serde(rename = "headSeconds", deserialize_with = "seconds")]
    pub head: Duration,
    /// The longest pause within a request's body.
    #[serde(rename = "bodyPauseSeconds", deserialize_with = "seconds")]
    pub body_pause: Duration,
    /// How long a body may take besides what it is given for its bytes.
    #[serde(rename = "bodyStartSeconds", deserialize_with = "seconds")]
    pub body_start: Duration,
    /// The least bytes of a body each second, counted over all of it.
    pub body_bytes_per_second: u32,
    /// How long a connection is kept on which nothing is asked.
    #[serde(rename = "idleSeconds", deserialize_with = "seconds")]
    pub idle: Duration,
    /// How long whoever asked may take none of the answer.
    #[serde(rename = "writeSeconds", deserialize_with = "seconds")]
    pub write: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            max: 65_536,
            per_address: 1_024,
            shared_addresses: Vec::new(),
            head: Duration::from_secs(10),
            body_pause: Duration::from_secs(20),
            body_start: Duration::from_secs(30),
            body_bytes_per_second: 1_024,
            idle: Duration::from_mins(2),
            write: Duration::from_mins(1),
        }
    }
}

impl Bounds {
    /// What is wrong with them.
    #[must_use]
    pub fn wrong(&self) -> Option<&'static str> {
        match self {
            Self { max: 0, .. } | Self { per_address: 0, .. } => Some("max and perAddress: at least 1"),
            Self { body_bytes_per_second: 0, .. } => Some("bodyBytesPerSecond: at least 1"),
            _ => None,
        }
    }

    /// Whether the connections of an address are those of one caller, and so bounded.
    pub(super) fn counts(&self, address: IpAddr) -> bool {
        !address.to_canonical().is_loopback() && !self.shared_addresses.iter().any(|network| network.contains(&address.to_canonical()))
    }

    /// How long after its beginning a body of which `bytes` have come must have ended, or have brought more.
    pub(in crate::server) fn body_until(&self, bytes: usize) -> Duration {
        self.body_start + Duration::from_secs(bytes as u64 / u64::from(self.body_bytes_per_second.max(1)))
    }
}

fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    match f64::deserialize(from)? {
        seconds if (0.01..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(de::Error::custom("between 0.01 and 86400 seconds")),
    }
}

/// Networks as people write them: addresses with a common beginning, as `10.0.0.0/8`, or an address alone.
///
/// # Errors
/// One is neither.
pub fn networks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<IpNet>, D::Error> {
    let read = |text: String| {
        let alone = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse()
            .or_else(|_| alone())
            .map_err(|_| de::Error::custom(format!("{text:?} is no network, as 10.0.0.0/8 is, and no address")))
    };
    Vec::<String>::deserialize(from)?.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Row 20 of the scoreboard, seed 1560925600: at 1,024 connections of one address, and 8,192 in all, no pod began any more.
    #[test]
    fn ten_thousand_agents_have_a_connection_each() {
        let bounds: Bounds = serde_json::from_str(r#"{"sharedAddresses": ["10.88.0.1"]}"#).unwrap();
        assert!(bounds.max >= 20_000, "{}", bounds.max);
        assert!(!bounds.counts("10.88.0.1".parse().unwrap()) && bounds.counts("10.88.0.2".parse().unwrap()));
    }

    #[test]
    fn a_file_sets_some_and_leaves_the_others() {
        let bounds: Bounds = serde_json::from_str(r#"{"headSeconds": 0.5, "sharedAddresses": ["10.0.0.0/8", "192.168.1.9"]}"#).unwrap();
        assert_eq!((bounds.head, bounds.max), (Duration::from_millis(500), 65_536));
        assert!(!bounds.counts("10.1.1.1".parse().unwrap()) && bounds.counts("11.1.1.1".parse().unwrap()));
        assert!(!bounds.counts("192.168.1.9".parse().unwrap()) && bounds.counts("192.168.1.8".parse().unwrap()));
        assert!(!bounds.counts("127.0.0.1".parse().unwrap()));
        assert!(serde_json::from_str::<Bounds>(r#"{"headSeconds": 0}"#).is_err());
        assert!(serde_json::from_str::<Bounds>(r#"{"head": 1}"#).is_err());
        assert_eq!(Bounds { max: 0, ..Bounds::default() }.wrong(), Some("max and perAddress: at least 1"));
    }
}
