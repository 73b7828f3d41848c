//! Which submodules a task can fetch by itself.

use super::{
    super::exit::Failure,
    git::{self, Git},
};
use crate::domain::is_repository;
use std::{collections::BTreeMap, path::Path};

/// The addresses that `.gitmodules` gives, by path.
#[derive(Debug, Default)]
pub(super) struct Addresses(BTreeMap<Vec<u8>, String>);

impl Addresses {
    /// Reads them as they are on the disk.
    pub(super) async fn of(user: &Git, top: &Path) -> Result<Self, Failure> {
        if !top.join(".gitmodules").is_file() {
            return Ok(Self::default());
        }
        let listed = user.found(&["config", "-z", "-f", ".gitmodules", "--get-regexp", r"^submodule\..*\.(path|url)$"]).await?;
        Ok(Self::read(&listed.unwrap_or_default()))
    }

    /// `submodule.<name>.<field>\n<value>` each.
    fn read(listed: &[u8]) -> Self {
        let mut modules: BTreeMap<&[u8], (Vec<u8>, String)> = BTreeMap::new();
        for item in git::items(listed) {
            let Some(line) = item.iter().position(|byte| *byte == b'\n') else { continue };
            let (key, value) = (&item[..line], &item[line + 1..]);
            if let Some(name) = key.strip_suffix(b".path") {
                modules.entry(name).or_default().0 = value.to_vec();
            } else if let Some(name) = key.strip_suffix(b".url") {
                modules.entry(name).or_default().1 = String::from_utf8_lossy(value).into_owned();
            }
        }
        Self(modules.into_values().collect())
    }

    /// Whether a task can reach the submodule at a path: over https or ssh, or beside its repository.
    pub(super) fn reach(&self, path: &[u8]) -> bool {
        let relative = |url: &str| url.starts_with("./") || url.starts_with("../");
        self.0.get(path).is_some_and(|url| relative(url) || is_repository(url).is_ok())
    }
}

/// Whether a remote has the commit that is checked out there, as far as is known here.
pub(super) async fn pushed(submodule: &Git) -> Result<bool, Failure> {
    let refs = submodule.line(&["for-each-ref", "--count=1", "--contains", "HEAD", "--format=%(refname)", "refs/remotes"]).await?;
    Ok(refs.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_reached_is_left_to_be_fetched() {
        let listed = b"submodule.a.path\nlibs/a\0submodule.a.url\nhttps://git.example.com/a.git\0submodule.b.url\n../b.git\0\
            submodule.b.path\nb\0submodule.c.path\nc\0submodule.c.url\n/srv/c.git\0";
        let addresses = Addresses::read(listed);
        assert!(addresses.reach(b"libs/a") && addresses.reach(b"b"));
        assert!(!addresses.reach(b"c") && !addresses.reach(b"d"));
    }
}
