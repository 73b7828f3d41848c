//! What is said of the code before anything is sent.

use super::super::{get::size, style::clean};
use serde::Serialize;
use std::path::Path;

/// How code travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Kind {
    /// As a commit of a repository, and what changed since.
    Git,
    /// Whole, as one archive.
    Upload,
    /// Not at all.
    #[default]
    None,
}

/// Something that stays behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Excluded {
    /// From the top; a directory ends with a slash. What is no UTF-8 is replaced by �.
    pub(crate) path: String,
    pub(crate) bytes: u64,
    /// The file with the rule, or the limit.
    pub(crate) why: String,
}

/// The file that the environment is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Lock {
    pub(crate) file: String,
    pub(crate) sha256: String,
}

/// The preflight, as `--dry-run -o json` prints it. Sizes are bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Facts {
    pub(crate) kind: Kind,
    /// A short name: the path of the address, or the directory's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) repository: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) branch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) commit: Option<String>,
    /// Whether the remote is known to have the commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remote_has_commit: Option<bool>,
    /// Files that differ from HEAD, staged or not.
    pub(crate) changed: usize,
    /// Files unknown to git and not ignored.
    pub(crate) untracked: usize,
    /// All files of an archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) files: Option<usize>,
    /// What is to be sent.
    pub(crate) bytes: u64,
    /// Why it travels whole though there is a repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    /// The largest first.
    pub(crate) excluded: Vec<Excluded>,
    /// What the task sees otherwise than the user.
    pub(crate) unfaithful: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lock: Option<Lock>,
}

/// How many of the things that stay behind are named on the line.
const SHOWN: usize = 3;
/// What git ignores is named on the line from this size on.
const NOTABLE: u64 = 1 << 20;
/// How many of the things that stay behind are listed.
const LISTED: usize = 100;
/// How many files are looked at to tell how large what stays behind is.
const MEASURED: usize = 100_000;

/// Why what git ignores stays behind.
pub(super) const IGNORED: &str = "ignored by git";

impl Excluded {
    /// A file or directory below `top`, with its size.
    pub(super) fn measured(top: &Path, path: &Path, why: &str) -> Self {
        let mut left = MEASURED;
        let whole = top.join(path);
        let shown = path.to_string_lossy();
        let slash = if whole.is_dir() && !shown.ends_with('/') { "/" } else { "" };
        Self { path: format!("{shown}{slash}"), bytes: measure(&whole, &mut left), why: why.to_owned() }
    }

    fn notable(&self) -> bool {
        self.why != IGNORED || self.bytes >= NOTABLE
    }
}

/// The bytes of the files below; where there are more than `left`, of the first of them.
pub(super) fn measure(path: &Path, left: &mut usize) -> u64 {
    let Ok(meta) = path.symlink_metadata() else { return 0 };
    if !meta.is_dir() {
        return meta.len();
    }
    let Ok(entries) = std::fs::read_dir(path) else { return 0 };
    let mut bytes = 0;
    for entry in entries.flatten() {
        let Some(less) = left.checked_sub(1) else { break };
        *left = less;
        bytes += measure(&entry.path(), left);
    }
    bytes
}

impl Facts {
    /// Puts what stays behind into order, and leaves the smallest out where it is much.
    pub(super) fn order(mut self) -> Self {
        self.excluded.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.path.cmp(&b.path)));
        self.excluded.truncate(LISTED);
        self
    }

    /// The lines for people.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.kind != Kind::None {
            lines.push(format!("code      {}{}", self.what(), self.left()));
        }
        if let Some(why) = self.why.as_ref().filter(|_| self.kind == Kind::Upload) {
            lines.push(format!("          the files travel whole: {}", clean(why)));
        }
        lines.extend(self.unfaithful.iter().map(|what| format!("          {}", clean(what))));
        if let Some(lock) = &self.lock {
            lines.push(format!("env       {} {}…", clean(&lock.file), &lock.sha256[..lock.sha256.len().min(7)]));
        }
        lines
    }

    fn what(&self) -> String {
        let name = clean(self.repository.as_deref().unwrap_or("."));
        if self.kind == Kind::Upload {
            return format!("{name}, {} ({})", count(self.files.unwrap_or_default(), "file"), size(self.bytes));
        }
        let commit: String = self.commit.iter().flat_map(|id| id.chars()).take(7).collect();
        let branch = self.branch.as_ref().map(|branch| format!(" ({})", clean(branch))).unwrap_or_default();
        let more = match (self.changed, self.untracked) {
            (0, 0) => None,
            (changed, 0) => Some(format!("{changed} changed {}", noun(changed, "file"))),
            (0, untracked) => Some(format!("{untracked} untracked {}", noun(untracked, "file"))),
            (changed, untracked) => Some(format!("{changed} changed, {untracked} untracked {}", noun(untracked, "file"))),
        };
        let unpushed = (self.remote_has_commit == Some(false)).then(|| "commits not pushed".to_owned());
        let parts: Vec<String> = unpushed.into_iter().chain(more).collect();
        let sent = if self.bytes > 0 { format!(" ({})", size(self.bytes)) } else { String::new() };
        let plus = if parts.is_empty() { String::new() } else { format!(" + {}", parts.join(", ")) };
        format!("{name} @ {commit}{branch}{plus}{sent}")
    }

    fn left(&self) -> String {
        let notable: Vec<_> = self.excluded.iter().filter(|left| left.notable()).collect();
        if notable.is_empty() {
            return String::new();
        }
        let mut named: Vec<_> =
            notable.iter().take(SHOWN).map(|left| format!("{} ({}, {})", clean(&left.path), size(left.bytes), left.why)).collect();
        if notable.len() > SHOWN {
            named.push(format!("{} more", notable.len() - SHOWN));
        }
        format!("   excluded: {}", named.join(", "))
    }
}

fn noun(count: usize, what: &str) -> String {
    if count == 1 { what.to_owned() } else { format!("{what}s") }
}

fn count(count: usize, what: &str) -> String {
    format!("{count} {}", noun(count, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_say_what_travels_and_what_stays() {
        let left = |path: &str, bytes, why: &str| Excluded { path: path.into(), bytes, why: why.into() };
        let git = Facts {
            kind: Kind::Git,
            repository: Some("acme/vision".into()),
            branch: Some("main".into()),
            commit: Some("4f2a91c07e".repeat(4)),
            remote_has_commit: Some(true),
            changed: 3,
            untracked: 1,
            bytes: 12_000,
            excluded: vec![left("data/", 2 << 30, ".slipwayignore"), left("__pycache__/", 900, IGNORED)],
            lock: Some(Lock { file: "uv.lock".into(), sha256: "9be1".repeat(16) }),
            ..Facts::default()
        };
        let clean = Facts { changed: 0, untracked: 0, bytes: 0, branch: None, lock: None, excluded: Vec::new(), ..git.clone() };
        let ahead = Facts { remote_has_commit: Some(false), untracked: 0, changed: 1, bytes: 900, ..clean.clone() };
        let many = ["a", "b", "c", "d", "e"].map(|path| left(path, 200 << 20, "larger than 100.0 MiB")).into();
        let upload = Facts {
            kind: Kind::Upload,
            repository: Some("vision".into()),
            files: Some(14),
            bytes: 120_000,
            why: Some("the repository has no remote".into()),
            unfaithful: vec!["libs/a travels as plain files".into()],
            excluded: many,
            ..Facts::default()
        };
        let all: Vec<_> = [git, clean, ahead, upload, Facts::default()].iter().map(|facts| facts.lines().join("\n")).collect();
        insta::assert_snapshot!(all.join("\n\n"));
    }
}
