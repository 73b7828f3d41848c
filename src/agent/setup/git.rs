//! Checking a commit out, and putting what its author changed on top of it.

use super::{
    Fault, Site,
    cache::{Mirror, Use},
    fetch, scratch,
    tools::{Ran, Tools},
};
use crate::{
    domain::{is_commit, is_reference, is_repository},
    wire::{GitCode, Reason, Snapshot},
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::sleep;

/// Bytes as they were on the disk, whatever the attributes of the files say.
const RAW: &str = "* -text -ident -filter -working-tree-encoding\n";
/// How often a repository that cannot be reached is tried.
const TRIES: u32 = 4;

/// git at work in one repository.
struct Git<'a> {
    program: PathBuf,
    dir: &'a Path,
    tools: &'a Tools,
}

/// Makes `dir` what was on the screen of whoever submitted the task: HEAD is the commit, the files are those of the snapshot.
/// What it borrows of the cache is lent for as long as the answer lives.
pub(super) async fn check_out(code: &GitCode, dir: &Path, site: &Site<'_>, tools: &Tools) -> Result<Option<Use>, Fault> {
    sound(code)?;
    let fix = "take an image that has it, or send the files along: slipway submit --upload";
    let git = Git { program: tools.need("git", fix)?, dir, tools };
    git.does(&["init", "--quiet"]).await?;
    git.does(&["remote", "add", "origin", &code.url]).await?;
    let wanted: Vec<&str> = match &code.snapshot {
        Some(snapshot) => snapshot.bases.iter().map(String::as_str).collect(),
        None => vec![&code.commit],
    };
    let lent = if let Some(mirror) = site.cache.as_ref().and_then(|cache| cache.mirror(&code.url)) {
        git.borrow(mirror, code, &wanted, site).await?
    } else {
        git.fetch(code, &wanted, true, site).await?;
        None
    };
    if let Some(snapshot) = &code.snapshot {
        git.restore(code, snapshot, site).await?;
    } else {
        git.does(&["checkout", "--quiet", "--detach", &code.commit]).await?;
        git.submodules(code, site).await?;
    }
    if let Some(sum) = &code.diff {
        let diff = fetch::upload(sum, site).await?;
        git.apply(&diff).await?;
        let _ = fs::remove_file(diff);
    }
    if code.lfs {
        tools.need("git-lfs", "take an image that has it, or submit without --lfs")?;
        git.does(&["lfs", "install", "--local", "--skip-smudge"]).await?;
        git.reach(&["lfs", "pull"], site).await?;
    }
    Ok(lent)
}

/// What the server has checked is checked once more where it becomes an argument.
fn sound(code: &GitCode) -> Result<(), Fault> {
    let commits = code.snapshot.iter().flat_map(|s| s.bases.iter().chain([&s.commit])).chain([&code.commit]);
    let fine = is_repository(&code.url).is_ok()
        && code.reference.as_deref().is_none_or(is_reference)
        && commits.into_iter().all(|commit| is_commit(commit));
    if fine { Ok(()) } else { Err(Fault::new(Reason::SetupFailed, "the task names a repository or commit that git must not be given")) }
}

impl Git<'_> {
    async fn run(&self, args: &[&str]) -> Result<Ran, Fault> {
        self.tools.call(&self.program, self.dir).args(args).run().await
    }

    /// Something that only a broken machine can refuse.
    async fn does(&self, args: &[&str]) -> Result<(), Fault> {
        let ran = self.run(args).await?;
        let what = args.first().copied().unwrap_or_default();
        if ran.ok { Ok(()) } else { Err(Fault::new(Reason::SetupFailed, format!("git {what}: {}", ran.last()))) }
    }

    /// Something that needs the repository; tried again while that cannot be reached.
    async fn reach(&self, args: &[&str], site: &Site<'_>) -> Result<(), Fault> {
        let mut tries = 0;
        loop {
            let ran = self.run(args).await?;
            if ran.ok {
                return Ok(());
            }
            tries += 1;
            let fault = told(&ran);
            if fault.reason != Reason::RepositoryUnreachable || tries >= TRIES {
                return Err(fault);
            }
            let pause = site.link.times.retry_backoff_ms.saturating_mul(1 << tries).min(site.link.times.call_retry_max_ms);
            site.log.notice(&format!("set-up: {}; trying again", fault.message));
            sleep(Duration::from_millis(pause)).await;
        }
    }

    async fn has(&self, commits: &[&str]) -> Result<bool, Fault> {
        for commit in commits {
            let object = format!("{commit}^{{commit}}");
            if !self.tools.call(&self.program, self.dir).args(&["cat-file", "-e", &object]).quiet().run().await?.ok {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Gets commits: as little as the server gives, and all of it where it gives no commit by its id.
    async fn fetch(&self, code: &GitCode, commits: &[&str], shallow: bool, site: &Site<'_>) -> Result<(), Fault> {
        let common = ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules"];
        let depth: &[&str] = if shallow { &["--depth=1"] } else { &[] };
        let by_id = [&common[..], depth, &["origin"], commits].concat();
        let fault = match self.reach(&by_id, site).await {
            Ok(()) => return Ok(()),
            Err(fault) if matches!(fault.reason, Reason::GitAuthFailed | Reason::RepositoryUnreachable) => return Err(fault),
            Err(fault) => fault,
        };
        site.log.notice(&format!("set-up: the repository gives no commit by its id ({}); fetching its branches", fault.message));
        let branch = code.reference.as_ref().map(|name| format!("+refs/heads/{name}:refs/remotes/origin/{name}"));
        for refs in branch.iter().map(String::as_str).chain(["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"]) {
            let fetched = self.reach(&[&common[..], &["origin", refs]].concat(), site).await;
            if self.has(commits).await? {
                return Ok(());
            }
            if let Err(fault) = fetched
                && matches!(fault.reason, Reason::GitAuthFailed | Reason::RepositoryUnreachable)
            {
                return Err(fault);
            }
        }
        let which = commits.first().copied().unwrap_or_default();
        Err(Fault::new(Reason::CommitNotFound, format!("the repository has no commit {which}: it was never pushed, or is gone")))
    }

    /// Takes commits from the copy of the repository in the cache, which gets what it lacks first.
    async fn borrow(&self, mut mirror: Mirror, code: &GitCode, commits: &[&str], site: &Site<'_>) -> Result<Option<Use>, Fault> {
        let dir = mirror.dir.clone();
        let kept = Git { program: self.program.clone(), dir: &dir, tools: self.tools };
        if mirror.fetch.is_some() && !dir.join("HEAD").exists() {
            kept.does(&["init", "--quiet", "--bare"]).await?;
            kept.does(&["remote", "add", "origin", &code.url]).await?;
        }
        let there = kept.has(commits).await?;
        if !there && mirror.fetch.is_none() {
            self.fetch(code, commits, true, site).await?;
            return Ok(None);
        }
        if !there {
            kept.fetch(code, commits, false, site).await?;
            if let Some(name) = &code.reference {
                // So that later fetches know what is there; where the branch is gone nothing is lost.
                let branch = format!("+refs/heads/{name}:refs/remotes/origin/{name}");
                let _ = kept.run(&["fetch", "--quiet", "--no-tags", "origin", &branch]).await?;
            }
            mirror.fetched().map_err(|e| Fault::io("keep the repository", &e))?;
            if let Some(cache) = &site.cache {
                cache.tend(Vec::new());
            }
        }
        let alternates = self.dir.join(".git/objects/info/alternates");
        let line = format!("{}\n", dir.join("objects").display());
        fs::write(alternates, line).map_err(|e| Fault::io("use the cached repository", &e))?;
        Ok(mirror.lend())
    }

    /// Puts on the disk what was on the submitter's: HEAD is the commit, and the rest is change.
    async fn restore(&self, code: &GitCode, snapshot: &Snapshot, site: &Site<'_>) -> Result<(), Fault> {
        let pack = fetch::upload(&snapshot.pack, site).await?;
        let indexed =
            self.tools.call(&self.program, self.dir).args(&["index-pack", "--stdin", "--fix-thin"]).stdin(&pack).quiet().run().await?;
        if !indexed.ok {
            return Err(Fault::new(Reason::SetupFailed, format!("what was sent along does not fit the repository: {}", indexed.last())));
        }
        let _ = fs::remove_file(pack);
        let info = self.dir.join(".git/info");
        let attributes = info.join("attributes");
        fs::create_dir_all(&info).and_then(|()| fs::write(&attributes, RAW)).map_err(|e| Fault::io("write git's attributes", &e))?;
        self.does(&["read-tree", "--reset", "-u", &snapshot.commit]).await?;
        // By the index of the snapshot: where a submodule travels as files the commit has a link still.
        self.submodules(code, site).await?;
        self.does(&["update-ref", "--no-deref", "HEAD", &code.commit]).await?;
        self.does(&["reset", "--quiet", "--mixed"]).await?;
        fs::remove_file(attributes).map_err(|e| Fault::io("remove git's attributes", &e))
    }

    async fn apply(&self, diff: &Path) -> Result<(), Fault> {
        let ran = self.tools.call(&self.program, self.dir).args(&["apply", "--whitespace=nowarn", "--"]).arg(diff).run().await?;
        if ran.ok {
            return Ok(());
        }
        let line = ran.line(&["error: patch failed:", "error:"]).unwrap_or_else(|| ran.last());
        let place = line.trim_start_matches("error: ").trim_start_matches("patch failed: ");
        Err(Fault::new(Reason::PatchDoesNotApply, place))
    }

    async fn submodules(&self, code: &GitCode, site: &Site<'_>) -> Result<(), Fault> {
        if !code.submodules {
            return Ok(());
        }
        let args = ["submodule", "update", "--init", "--recursive", "--quiet"];
        match self.reach(&[&args[..], &["--depth=1"]].concat(), site).await {
            Err(fault) if fault.reason == Reason::CommitNotFound => self.reach(&args, site).await,
            done => done,
        }
    }
}

/// What git said, as a reason. Its messages are English, the environment sees to that.
fn told(ran: &Ran) -> Fault {
    let text = ran.tail.to_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let line = ran.line(&["fatal:", "remote:", "error:"]).unwrap_or_else(|| ran.last());
    let auth = [
        "could not read username",
        "could not read password",
        "authentication failed",
        "permission denied (",
        "host key verification failed",
        "returned error: 401",
        "returned error: 403",
        "access denied",
    ];
    let lost = ["not our ref", "unadvertised object", "couldn't find remote ref", "could not find remote ref", "no such remote ref"];
    // Those who may not read a repository are told that there is none.
    let absent = ["repository not found", "returned error: 404", "does not appear to be a git repository", "not found"];
    let reason = if any(&auth) {
        Reason::GitAuthFailed
    } else if any(&lost) {
        Reason::CommitNotFound
    } else if any(&absent) {
        Reason::GitAuthFailed
    } else {
        Reason::RepositoryUnreachable
    };
    Fault::new(reason, line)
}

/// Removes what the set-up had of credentials; a Secret that is mounted stays where it is.
pub(in crate::agent) fn forget_credentials(site: &Site<'_>) {
    for name in ["git-credentials", "ssh-key"] {
        let _ = fs::remove_file(scratch(site, name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_says_has_a_reason() {
        use Reason as R;
        let table = [
            ("fatal: could not read Username for 'https://h': terminal prompts disabled", R::GitAuthFailed),
            ("git@h: Permission denied (publickey).\nfatal: Could not read from remote repository.", R::GitAuthFailed),
            ("Host key verification failed.\nfatal: Could not read from remote repository.", R::GitAuthFailed),
            ("remote: Repository not found.\nfatal: repository 'https://h/x' not found", R::GitAuthFailed),
            ("fatal: remote error: upload-pack: not our ref 4f2a", R::CommitNotFound),
            ("error: Server does not allow request for unadvertised object 4f2a", R::CommitNotFound),
            ("fatal: unable to access 'https://h/x': Could not resolve host: h", R::RepositoryUnreachable),
            ("fatal: unable to access 'https://h/x': Failed to connect to h port 443", R::RepositoryUnreachable),
            ("fatal: the remote end hung up unexpectedly", R::RepositoryUnreachable),
        ];
        for (tail, reason) in table {
            assert_eq!(told(&Ran { ok: false, tail: tail.into() }).reason, reason, "{tail}");
        }
    }

    #[test]
    fn nothing_that_could_be_an_option_reaches_git() {
        let fine = GitCode { url: "https://h/x".into(), commit: "a".repeat(40), ..GitCode::default() };
        assert_eq!(sound(&fine), Ok(()));
        for bad in [
            GitCode { url: "--upload-pack=id".into(), ..fine.clone() },
            GitCode { commit: "--output=x".into(), ..fine.clone() },
            GitCode { reference: Some("--exec=x".into()), ..fine.clone() },
        ] {
            assert!(sound(&bad).is_err(), "{bad:?}");
        }
    }
}
