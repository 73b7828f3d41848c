//! Where the task gets the commits from: which remote, by which address, and what that remote is known to have.

use super::{
    super::exit::{Exit, Failure},
    git::Git,
};
use crate::domain::{is_reference, is_repository};

/// The most commits that a pack may build on.
const BASES: usize = 16;

/// A remote that a task can reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remote {
    pub(super) name: String,
    /// Without anything secret.
    pub(super) url: String,
    /// The branch of the remote that the user's branch follows, as `main`.
    upstream: Option<String>,
}

/// What the remote has of the commit that is checked out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Base {
    /// The newest commits that it has.
    pub(super) commits: Vec<String>,
    /// A branch of it with the first of them.
    pub(super) reference: Option<String>,
    /// Whether it has the commit itself.
    pub(super) whole: bool,
}

impl Remote {
    /// The remote of the branch, else `origin`, else the only one.
    ///
    /// # Errors
    /// Why a task cannot use one, in a sentence without any address, within the failure of git itself.
    pub(super) async fn of(user: &Git, branch: Option<&str>) -> Result<Result<Self, String>, Failure> {
        let listed = user.line(&["remote"]).await?.unwrap_or_default();
        let remotes: Vec<&str> = listed.lines().collect();
        let mut own = None;
        let mut upstream = None;
        if let Some(branch) = branch {
            own = user.line(&["config", &format!("branch.{branch}.remote")]).await?;
            let merge = user.line(&["config", &format!("branch.{branch}.merge")]).await?;
            upstream = merge.and_then(|name| name.strip_prefix("refs/heads/").map(str::to_owned));
        }
        let own = own.filter(|name| remotes.contains(&name.as_str()));
        let upstream = upstream.filter(|_| own.is_some());
        let name = match own {
            Some(name) => name,
            None if remotes.contains(&"origin") => "origin".to_owned(),
            None => match remotes[..] {
                [] => return Ok(Err("the repository has no remote".into())),
                [one] => one.to_owned(),
                _ => return Ok(Err("the repository has several remotes, and none is called origin".into())),
            },
        };
        let url = clean(&user.line(&["remote", "get-url", &name]).await?.unwrap_or_default());
        Ok(match is_repository(&url) {
            Ok(()) => Ok(Self { name, url, upstream }),
            Err(why) => Err(format!("the remote {name} cannot be used: {why}")),
        })
    }

    /// What it is known to have of the commit `head`.
    ///
    /// # Errors
    /// It has too many loose ends of it, or git fails.
    pub(super) async fn base(&self, user: &Git, head: &str, branch: Option<&str>) -> Result<Option<Base>, Failure> {
        let remotes = format!("--remotes={}", self.name);
        let mut args = vec!["rev-list", "--boundary", head, "--not", &remotes];
        // Where a shallow clone ends, a remote gave the commit away.
        let shallow = user.line(&["rev-parse", "--path-format=absolute", "--git-path", "shallow"]).await?;
        let ends = shallow.and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
        args.extend(ends.lines());
        let listed = user.line(&args).await?.unwrap_or_default();
        let whole = listed.lines().all(|line| line.starts_with('-'));
        let commits: Vec<String> = if whole {
            vec![head.to_owned()]
        } else {
            listed.lines().filter_map(|line| line.strip_prefix('-').map(str::to_owned)).collect()
        };
        if commits.len() > BASES {
            let what = format!("the commits that {} lacks build on {} others, and at most {BASES} can be named", self.name, commits.len());
            return Err(Failure::new(Exit::Usage, what).hint(format!("push them first: git push {} HEAD", self.name)));
        }
        let Some(first) = commits.first() else { return Ok(None) };
        let reference = self.reference(user, first, branch).await?;
        Ok(Some(Base { commits, reference, whole }))
    }

    /// A branch of the remote with a commit: the one that the user's follows, else one of the same name, else any.
    async fn reference(&self, user: &Git, commit: &str, branch: Option<&str>) -> Result<Option<String>, Failure> {
        let space = format!("refs/remotes/{}/", self.name);
        let listed = user.line(&["for-each-ref", "--contains", commit, "--format=%(refname)", &space]).await?.unwrap_or_default();
        let known: Vec<&str> =
            listed.lines().filter_map(|line| line.strip_prefix(&space)).filter(|name| *name != "HEAD" && is_reference(name)).collect();
        let wanted = [self.upstream.as_deref(), branch];
        let found = wanted.into_iter().flatten().find(|name| known.contains(name)).or(known.first().copied());
        Ok(found.map(str::to_owned))
    }
}

/// The address without user name and password, where ssh does not need the name, and without a query.
fn clean(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_once('/').map_or((rest, String::new()), |(authority, path)| (authority, format!("/{path}")));
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let user = user.split(':').next().filter(|user| scheme == "ssh" && !user.is_empty()).map(|user| format!("{user}@")).unwrap_or_default();
    format!("{scheme}://{user}{host}{path}")
}

/// The short name of a repository: `acme/vision`.
pub(super) fn short(url: &str) -> String {
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or(rest, |(_, path)| path),
        None => url.split_once(':').map_or(url, |(_, path)| path),
    };
    let path = path.trim_matches('/');
    path.strip_suffix(".git").unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_stays_in_an_address() {
        for (given, kept) in [
            ("https://me:hunter2@git.example.com/a/b.git", "https://git.example.com/a/b.git"),
            ("https://token@git.example.com/a?private_token=x", "https://git.example.com/a"),
            ("https://git.example.com:8443/a", "https://git.example.com:8443/a"),
            ("ssh://git:pw@host:2222/a/b", "ssh://git@host:2222/a/b"),
            ("git@host:a/b.git", "git@host:a/b.git"),
            ("/srv/git/a@b:c", "/srv/git/a@b:c"),
        ] {
            assert_eq!(clean(given), kept);
        }
    }

    #[test]
    fn a_repository_is_called_by_its_path() {
        for (url, name) in [
            ("https://git.example.com/acme/vision.git", "acme/vision"),
            ("ssh://git@host:22/acme/vision", "acme/vision"),
            ("git@host:acme/vision.git", "acme/vision"),
        ] {
            assert_eq!(short(url), name);
        }
    }
}
