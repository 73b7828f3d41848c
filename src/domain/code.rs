//! The code of a task: where it comes from, and the environment that is made for it.

use super::{
    git::{is_commit, is_hex, is_inside, is_reference, is_repository},
    state::EnvironmentKind,
};
use serde::{Deserialize, Deserializer, Serialize};
use std::{collections::BTreeMap, fmt};

/// The SHA-256 of an upload's bytes, which is also its name: 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "server", schema(value_type = String, pattern = "^[0-9a-f]{64}$"))]
pub struct Sha256(String);

impl Sha256 {
    /// The name of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest;
        Self::from_raw(sha2::Sha256::digest(bytes).into())
    }

    /// A finished sum.
    #[must_use]
    pub fn from_raw(sum: [u8; 32]) -> Self {
        let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
        Self(sum.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect())
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Sha256 {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if is_hex(text, &[64]) { Ok(Self(text.to_owned())) } else { Err("a SHA-256 is 64 lower-case hexadecimal digits".into()) }
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        String::deserialize(de)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Where a task's code comes from: exactly one of the three.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Code {
    /// A commit of a repository, with what its author changed since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git: Option<GitCode>,
    /// An upload: a tar archive with the files. Needs no git where the task runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload: Option<Sha256>,
    /// The text of each file by its path.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub inline: BTreeMap<String, String>,
}

/// A commit, and how to get from it to what was on its author's disk.
///
/// The commit is checked out exactly. Then comes either the `snapshot`, whose tree is what was on the disk, byte for byte, or
/// the `diff`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GitCode {
    /// The repository: `https://…`, `ssh://…` or `user@host:path`. Never with a password in it.
    pub url: String,
    /// The commit, in full.
    pub commit: String,
    /// The branch or tag that it came from; where the server does not give commits away by their ids, it is fetched whole.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// What the repository does not have yet: an upload with a pack of git objects, and what in it is to be checked out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Snapshot>,
    /// An upload with the changes as `git diff --binary` writes them, applied to the commit; this or `snapshot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<Sha256>,
    /// Whether the submodules that the commit names are fetched too; default no.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub submodules: bool,
    /// Whether files under Git LFS are fetched; without it they stay the pointers that the commit has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lfs: bool,
}

/// What was on the disk, as objects of git.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Snapshot {
    /// An upload: a pack (`git pack-objects --thin`) of the snapshot and of the commits that the repository lacks.
    pub pack: Sha256,
    /// The commit whose tree was on the disk; its parent is the task's `commit`.
    pub commit: String,
    /// The commits of the repository that the pack builds on, 1 to 16.
    pub bases: Vec<String>,
}

/// The environment of a task's command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Environment {
    /// How it is made.
    pub kind: EnvironmentKind,
    /// The Python that it needs, as `3.12` or `3.12.4`; default the image's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub python: Option<String>,
    /// What is installed, a line of pip's requirements format each, in place of what the code names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<String>,
    /// A script that runs after the code is there and before the environment is made, as a task's `script` would.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setup_script: Option<String>,
}

/// What is set up before a command starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Setup {
    /// The code that it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// Where in the code it runs; the top where this says nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// The environment that is made for it; none where there is no code either.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
}

impl Setup {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The uploads that it names.
    pub fn uploads(&self) -> impl Iterator<Item = &Sha256> {
        self.code.iter().flat_map(Code::uploads)
    }

    /// What is wrong with it; pointers are those of a submitted task.
    pub(super) fn violations(&self, check: &mut impl FnMut(bool, String, String)) {
        if let Some(code) = &self.code {
            code.violations(check);
        }
        if let Some(environment) = &self.environment {
            environment.violations(check);
        }
        if let Some(dir) = &self.working_dir {
            let fine = is_inside(dir) && dir.len() <= bounds::PATH;
            check(fine, "/workingDir".into(), "a directory inside the code, as src/train".into());
            check(self.code.is_some(), "/workingDir".into(), "a task without code has no directory of its own to name".into());
        }
    }
}

mod bounds {
    pub(super) const BASES: usize = 16;
    pub(super) const FILES: usize = 1_000;
    pub(super) const PATH: usize = 1_000;
    pub(super) const LINES: usize = 2_000;
    pub(super) const LINE: usize = 2_000;
}

impl Code {
    /// The uploads that it names.
    pub fn uploads(&self) -> impl Iterator<Item = &Sha256> {
        let git = self.git.iter().flat_map(|git| git.diff.iter().chain(git.snapshot.iter().map(|s| &s.pack)));
        git.chain(&self.upload)
    }

    /// What is wrong with it; pointers are below `/code`.
    pub(super) fn violations(&self, check: &mut impl FnMut(bool, String, String)) {
        let given = usize::from(self.git.is_some()) + usize::from(self.upload.is_some()) + usize::from(!self.inline.is_empty());
        check(given == 1, "/code".into(), "code has exactly one of git, upload and inline".into());
        if let Some(git) = &self.git {
            git.violations(check);
        }
        check(self.inline.len() <= bounds::FILES, "/code/inline".into(), format!("at most {} files", bounds::FILES));
        for path in self.inline.keys() {
            let fine = is_inside(path) && path.len() <= bounds::PATH;
            check(fine, format!("/code/inline/{}", super::task::escape(path)), format!("{path:?} is no path inside the code"));
        }
    }
}

impl GitCode {
    fn violations(&self, check: &mut impl FnMut(bool, String, String)) {
        let at = |field: &str| format!("/code/git/{field}");
        if let Err(wrong) = is_repository(&self.url) {
            check(false, at("url"), wrong.into());
        }
        let hash = "a commit's id in full: 40 or 64 lower-case hexadecimal digits";
        check(is_commit(&self.commit), at("commit"), hash.into());
        if let Some(reference) = &self.reference {
            check(is_reference(reference), at("ref"), format!("{reference:?} is no name of a branch or tag"));
        }
        check(self.snapshot.is_none() || self.diff.is_none(), at("diff"), "a diff or a snapshot, not both".into());
        if let Some(snapshot) = &self.snapshot {
            check(is_commit(&snapshot.commit), at("snapshot/commit"), hash.into());
            check((1..=bounds::BASES).contains(&snapshot.bases.len()), at("snapshot/bases"), format!("1 to {} commits", bounds::BASES));
            for (i, base) in snapshot.bases.iter().enumerate() {
                check(is_commit(base), at(&format!("snapshot/bases/{i}")), hash.into());
            }
        }
    }
}

impl Environment {
    /// What is wrong with it; pointers are below `/environment`.
    pub(super) fn violations(&self, check: &mut impl FnMut(bool, String, String)) {
        if let Some(python) = &self.python {
            let parts: Vec<&str> = python.split('.').collect();
            let fine =
                (1..=3).contains(&parts.len()) && parts.iter().all(|p| (1..=3).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()));
            check(fine, "/environment/python".into(), "a version, as 3.12".into());
        }
        let lines = &self.requirements;
        let installs = self.kind != EnvironmentKind::Image || lines.is_empty();
        check(installs, "/environment/requirements".into(), "nothing is installed into an environment of kind image".into());
        check(lines.len() <= bounds::LINES, "/environment/requirements".into(), format!("at most {} lines", bounds::LINES));
        for (i, line) in lines.iter().enumerate() {
            let fine = line.len() <= bounds::LINE && !line.chars().any(char::is_control);
            check(fine, format!("/environment/requirements/{i}"), format!("one line of at most {} bytes", bounds::LINE));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(code: &Code) -> Vec<String> {
        let mut found = Vec::new();
        code.violations(&mut |ok, pointer, _| {
            if !ok {
                found.push(pointer);
            }
        });
        found
    }

    fn git(url: &str) -> Code {
        let git = GitCode { url: url.into(), commit: "a".repeat(40), ..GitCode::default() };
        Code { git: Some(git), ..Code::default() }
    }

    #[test]
    fn code_is_one_thing_and_its_faults_have_places() {
        assert_eq!(found(&Code::default()), ["/code"]);
        assert_eq!(found(&git("https://h/x")), [""; 0]);
        let mut both = git("file:///x");
        both.inline.insert("../a".into(), String::new());
        both.git.as_mut().unwrap().commit = "main".into();
        assert_eq!(found(&both), ["/code", "/code/git/url", "/code/git/commit", "/code/inline/..~1a"]);
        let mut two = git("https://h/x");
        let of = two.git.as_mut().unwrap();
        of.diff = Some(Sha256::of(b"d"));
        of.snapshot = Some(Snapshot { pack: Sha256::of(b"p"), commit: "b".repeat(40), bases: vec![] });
        assert_eq!(found(&two), ["/code/git/diff", "/code/git/snapshot/bases"]);
        assert_eq!(two.uploads().count(), 2);
    }

    #[test]
    fn an_environment_says_what_can_be() {
        let found = |of: Environment| {
            let mut found = Vec::new();
            of.violations(&mut |ok, pointer, _| {
                if !ok {
                    found.push(pointer);
                }
            });
            found
        };
        let lines = vec!["six".to_owned()];
        let fine = Environment { python: Some("3.12".into()), requirements: lines.clone(), ..Environment::default() };
        assert_eq!(found(fine), [""; 0]);
        let image =
            Environment { kind: EnvironmentKind::Image, requirements: lines, python: Some("three".into()), ..Environment::default() };
        assert_eq!(found(image), ["/environment/python", "/environment/requirements"]);
        let torn = Environment { requirements: vec!["a\nb".into()], ..Environment::default() };
        assert_eq!(found(torn), ["/environment/requirements/0"]);
    }

    #[test]
    fn a_sum_is_64_digits() {
        let sum = Sha256::of(b"abc");
        assert!(sum.as_str().starts_with("ba7816bf") && sum.as_str().parse::<Sha256>() == Ok(sum));
        for bad in ["", "BA7816BF", &"g".repeat(64)] {
            assert!(bad.parse::<Sha256>().is_err());
        }
    }
}
