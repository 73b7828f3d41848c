//! Where the object store is: `blobs` in the server's file.

use serde::Deserialize;
use std::time::Duration;

/// An object store, and how often open logs go there. It holds no credentials: those come from the usual variables of AWS, from
/// a web identity, or from the instance.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Place {
    /// `s3://bucket/prefix`, or `file:///directory` for one that servers share. One installation to a prefix.
    pub url: String,
    /// The address of the store, where it is not AWS's own.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The bucket's region; else what `AWS_REGION` says.
    #[serde(default)]
    pub region: Option<String>,
    /// Whether `endpoint` may be plain http, where everybody on the way can read the bytes.
    #[serde(default)]
    pub allow_http: bool,
    /// How long new bytes of a log wait at most, in seconds.
    #[serde(default = "flush_seconds")]
    pub flush_seconds: u64,
    /// With so many new bytes a log waits no longer.
    #[serde(default = "flush_bytes")]
    pub flush_bytes: u64,
}

fn flush_seconds() -> u64 {
    5
}

fn flush_bytes() -> u64 {
    1 << 20
}

/// What an address names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    Bucket { name: &'a str, prefix: &'a str },
    Directory(&'a str),
}

/// When new bytes of a log go to the object store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// The longest wait.
    pub(super) every: Duration,
    /// Enough to wait no longer.
    pub(super) bytes: u64,
}

impl Place {
    /// What is wrong with it, with the place in the file.
    #[must_use]
    pub fn wrong(&self) -> Option<String> {
        let wrong = |text: &str| Some(text.to_owned());
        if self.kind().is_none() {
            return Some(format!("url: {:?} is neither s3://bucket/prefix nor file:///directory", self.url));
        }
        match self.endpoint.as_deref() {
            Some(at) if at.contains('@') => return wrong("endpoint: credentials belong into the environment (AWS_ACCESS_KEY_ID)"),
            Some(at) if at.starts_with("http://") && !self.allow_http => {
                return wrong("endpoint: plain http shows the bytes to everybody on the way; allowHttp: true permits it");
            }
            Some(at) if !at.starts_with("http://") && !at.starts_with("https://") => return wrong("endpoint: an address with https://"),
            _ => {}
        }
        if !(1..=300).contains(&self.flush_seconds) {
            return wrong("flushSeconds: from 1 to 300");
        }
        if !(1 << 10..=64 << 20).contains(&self.flush_bytes) {
            return wrong("flushBytes: from 1024 to 67108864");
        }
        None
    }

    pub(super) fn kind(&self) -> Option<Kind<'_>> {
        if let Some(path) = self.url.strip_prefix("file://") {
            return path.starts_with('/').then_some(Kind::Directory(path));
        }
        let rest = self.url.strip_prefix("s3://")?;
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._/".contains(c);
        (!name.is_empty() && rest.chars().all(plain)).then_some(Kind::Bucket { name, prefix })
    }

    pub(super) fn pace(&self) -> Pace {
        Pace { every: Duration::from_secs(self.flush_seconds), bytes: self.flush_bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_named() {
        let of = |text: &str| serde_json::from_str::<Place>(text).unwrap();
        let fine = of(r#"{"url": "s3://logs/a/b", "endpoint": "http://127.0.0.1:9000", "allowHttp": true}"#);
        assert_eq!((fine.wrong(), fine.kind()), (None, Some(Kind::Bucket { name: "logs", prefix: "a/b" })));
        assert_eq!(of(r#"{"url": "file:///srv/blobs"}"#).kind(), Some(Kind::Directory("/srv/blobs")));
        for (text, said) in [
            (r#"{"url": "s3:///a"}"#, "neither s3"),
            (r#"{"url": "s3://key:secret@logs"}"#, "neither s3"),
            (r#"{"url": "gs://logs"}"#, "neither s3"),
            (r#"{"url": "s3://logs", "endpoint": "http://minio:9000"}"#, "allowHttp"),
            (r#"{"url": "s3://logs", "endpoint": "minio:9000"}"#, "https://"),
            (r#"{"url": "s3://logs", "endpoint": "https://me:secret@minio"}"#, "environment"),
            (r#"{"url": "s3://logs", "flushSeconds": 0}"#, "flushSeconds"),
            (r#"{"url": "s3://logs", "flushBytes": 5}"#, "flushBytes"),
        ] {
            let wrong = of(text).wrong().unwrap_or_default();
            assert!(wrong.contains(said), "{text}: {wrong}");
        }
        assert!(serde_json::from_str::<Place>(r#"{"url": "s3://logs", "secretKey": "x"}"#).is_err());
    }
}
