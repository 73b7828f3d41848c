//! The user's file of contexts: servers by name, each with how it is reached. Nobody else may read it, since it holds tokens.

use super::{
    exit::{Exit, Failure},
    file,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// The file.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Contexts {
    /// The one that is used where none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) current: Option<String>,
    pub(super) contexts: BTreeMap<String, Entry>,
}

/// One server.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) url: String,
    /// The token itself; at most one of the two.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "exposed")]
    pub(super) token: Option<SecretString>,
    /// The file that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) token_file: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ca_file: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) allow_plain_http: bool,
}

#[expect(clippy::ref_option, reason = "serde hands it over like this")]
fn exposed<S: Serializer>(token: &Option<SecretString>, to: S) -> Result<S::Ok, S::Error> {
    token.as_ref().map(ExposeSecret::expose_secret).serialize(to)
}

impl Contexts {
    /// What is in the file; nothing where there is none.
    ///
    /// # Errors
    /// It cannot be read, or holds something else.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let cannot = |error: &dyn std::fmt::Display| Failure::usage(format!("cannot read the contexts in {}: {error}", path.display()));
        match fs::read_to_string(path) {
            Ok(text) if text.trim().is_empty() => Ok(Self::default()),
            Ok(text) => file::parse(&path.display().to_string(), &text),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(cannot(&error)),
        }
    }

    /// Replaces the file, whole or not at all; only its owner can read it.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn write(&self, path: &Path) -> Result<(), Failure> {
        let write = || -> io::Result<()> {
            if let Some(dir) = path.parent() {
                DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
            }
            let new = path.with_added_extension(format!("{}.new", std::process::id()));
            let text = serde_yaml::to_string(self).map_err(io::Error::other)?;
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, path)
        };
        write().map_err(|error| Failure::new(Exit::Error, format!("cannot write the contexts to {}: {error}", path.display())))
    }

    /// The context of this name.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn named(&self, name: &str) -> Result<&Entry, Failure> {
        self.contexts.get(name).ok_or_else(|| {
            let known: Vec<_> = self.contexts.keys().map(String::as_str).collect();
            let failure = Failure::new(Exit::NotFound, format!("there is no context {name:?}"));
            let near = crate::domain::did_you_mean(name, known.iter().copied());
            match near {
                Some(near) => failure.hint(format!("did you mean {near:?}?")),
                None if known.is_empty() => failure.hint("make one: slipway login URL"),
                None => failure.hint(format!("there are: {}", known.join(", "))),
            }
        })
    }

    /// The context of the server at this address.
    pub(super) fn of_url(&self, url: &str) -> Option<&Entry> {
        let plain = |url: &str| url.trim_end_matches('/').to_ascii_lowercase();
        self.contexts.values().find(|entry| plain(&entry.url) == plain(url))
    }
}

/// Whether a text could be a token.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.len() <= 16 << 10 && text.bytes().all(|b| b.is_ascii_graphic())
}

/// Whether a file of the caller's own can be read by others, who should not.
pub(super) fn is_open(path: &Path) -> bool {
    let own = nix::unistd::Uid::effective().as_raw();
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.uid() == own && meta.mode() & 0o044 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_its_owners_alone_and_comes_back_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("slipway/contexts.yaml");
        assert!(Contexts::read(&path).unwrap().contexts.is_empty());
        let entry = Entry {
            url: "https://slipway.acme.io".into(),
            token: Some("slw_secret".to_owned().into()),
            token_file: None,
            ca_file: Some("/ca.pem".into()),
            allow_plain_http: false,
        };
        let all = Contexts { current: Some("prod".into()), contexts: [("prod".to_owned(), entry)].into() };
        all.write(&path).unwrap();
        assert!(!is_open(&path));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(is_open(&path));
        all.write(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
        let read = Contexts::read(&path).unwrap();
        let prod = read.named("prod").unwrap();
        assert_eq!(prod.token.as_ref().map(ExposeSecret::expose_secret), Some("slw_secret"));
        assert_eq!((read.current.as_deref(), prod.ca_file.as_deref()), (Some("prod"), Some(Path::new("/ca.pem"))));
        assert!(read.of_url("https://SLIPWAY.acme.io/").is_some() && read.of_url("https://other").is_none());
        assert_eq!(read.named("prd").unwrap_err().hints, ["did you mean \"prod\"?"]);
        assert!(!format!("{read:?}").contains("slw_secret"), "nothing prints it");
        fs::write(&path, "contexts: {a: {url: x, tokn: y}}\n").unwrap();
        assert!(Contexts::read(&path).unwrap_err().message.unwrap().contains("contexts.yaml:1:"));
    }
}
