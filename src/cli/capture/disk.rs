//! What is on the disk of a repository, as one tree: files that git knows as they are now, files that it does not know and does
//! not ignore, and repositories within it.

use super::{
    super::exit::Failure,
    facts::Excluded,
    git::{self, Git},
    index::{self, Belief, Entry},
    rules::{self, Limits, Rules, Sorted},
    shadow::{Copied, Shadow},
    submodules::{self, Addresses},
};
use std::{
    collections::BTreeSet,
    future::Future,
    path::{Component, Path},
    pin::Pin,
};

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Disk {
    /// The tree, in the shadow.
    pub(super) tree: String,
    /// The commit that is checked out; none before the first.
    pub(super) head: Option<String>,
    /// Whether the tree is that of the commit.
    pub(super) clean: bool,
    /// Files that differ from the commit.
    pub(super) changed: usize,
    /// Files that git does not know and does not ignore, of those that travel.
    pub(super) untracked: usize,
    /// What stays behind.
    pub(super) excluded: Vec<Excluded>,
    /// Submodules that are fetched where the task runs.
    pub(super) submodules: usize,
    /// Repositories within that travel as plain files.
    pub(super) plain: Vec<String>,
    /// Files under Git LFS that travel as what git stores for them.
    pub(super) pointers: usize,
    /// Symbolic links that lead out of it.
    pub(super) outside: Vec<String>,
}

/// What is looked for, and how much of it was found.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) shadow: Shadow,
    pub(super) limits: Limits,
    /// Every file that git does not know, over all repositories.
    pub(super) weighed: Sorted,
}

impl Look {
    /// Looks at the repository with its top at `top`.
    pub(super) fn at<'a>(&'a mut self, top: &'a Path) -> Pin<Box<dyn Future<Output = Result<Disk, Failure>> + Send + 'a>> {
        // A repository may have others within.
        Box::pin(self.look(top))
    }

    async fn look(&mut self, top: &Path) -> Result<Disk, Failure> {
        let copied = self.shadow.copy(top).await?;
        let head = copied.user.line(&["rev-parse", "-q", "--verify", "HEAD^{commit}"]).await?;
        let mut disk = Disk { head, ..Disk::default() };

        let entries = copied.entries().await?;
        let (links, files): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(Entry::is_link);
        // `git add -u` would start git in each submodule, under its own settings.
        copied.drop(git::list(links.iter().map(|link| &*link.path))).await?;
        copied.doubt(copied.hidden(&files)).await?;
        copied.convert(true)?;
        if !files.is_empty() {
            copied.update().await?;
        }
        let grafts = self.links(&copied, links, &mut disk).await?;
        let changed = changed(&copied, disk.head.as_deref()).await?;
        disk.changed += changed.len();
        let converted = converted(&copied, &files, &changed).await?;
        disk.pointers += converted.pointers;
        copied.convert(false)?;
        if !converted.files.is_empty() {
            // git compares these after a conversion, and the task gets what is on the disk.
            copied.doubt(converted.files).await?;
            copied.update().await?;
        }
        for (path, tree) in grafts {
            copied.drop(git::list([&*path])).await?;
            copied.graft(&path, &tree).await?;
        }
        self.untracked(&copied, &mut disk).await?;
        disk.tree = copied.tree().await?;
        disk.outside = outside(&copied).await?;
        let tree = copied.user.line(&["rev-parse", "-q", "--verify", "HEAD^{tree}"]).await?;
        disk.clean = tree.is_some_and(|tree| tree == disk.tree);
        Ok(disk)
    }

    /// Puts submodules back: as commits where the task can fetch them; the trees of the others are returned.
    async fn links(&mut self, copied: &Copied, links: Vec<Entry>, disk: &mut Disk) -> Result<Vec<(Vec<u8>, String)>, Failure> {
        let addresses = if links.is_empty() { Addresses::default() } else { Addresses::of(&copied.user, &copied.top).await? };
        let (mut grafts, mut kept) = (Vec::new(), Vec::new());
        for link in links {
            let top = copied.top.join(git::path(&link.path));
            if !top.join(".git").exists() {
                // Not checked out, so empty here and there; one that is gone is taken out.
                if top.is_dir() || link.belief == Belief::Absent {
                    kept.push(link);
                }
                continue;
            }
            let within = self.at(&top).await?;
            let id = within.head.clone().unwrap_or_else(|| link.id.clone());
            let fetched =
                within.clean && within.head.is_some() && addresses.reach(&link.path) && submodules::pushed(&Git::of(&top)).await?;
            if fetched {
                disk.submodules += 1 + within.submodules;
            } else {
                grafts.push((link.path.clone(), disk.take(&link.path, within)));
            }
            kept.push(Entry { id, ..link });
        }
        copied.put(index::info(&kept)).await?;
        Ok(grafts)
    }

    /// Adds what git does not know.
    async fn untracked(&mut self, copied: &Copied, disk: &mut Disk) -> Result<(), Failure> {
        let listed = copied.user.run(&["ls-files", "-z", "-o", "--exclude-standard"]).await?;
        let (nested, files): (Vec<_>, Vec<_>) = git::items(&listed).partition(|path| path.ends_with(b"/"));
        let mut sorted = rules::sort(&copied.top, files.into_iter().map(<[u8]>::to_vec), self.limits);
        disk.excluded.append(&mut sorted.left);
        disk.untracked += sorted.taken.len();
        for (bytes, path) in &sorted.largest {
            self.weighed.remember(path, *bytes);
        }
        self.weighed.bytes += sorted.bytes;
        self.weighed.within(self.limits)?;
        copied.add(git::list(sorted.taken.iter().map(Vec::as_slice))).await?;

        let mut rules = Rules::of(&copied.top);
        for path in nested.into_iter().map(|path| &path[..path.len() - 1]) {
            let relative = git::path(path);
            let top = copied.top.join(&relative);
            if rules.named(&relative, true).is_some() {
                disk.excluded.push(Excluded::measured(&copied.top, &relative, rules::FILE));
            } else {
                let within = self.at(&top).await?;
                let tree = disk.take(path, within);
                copied.graft(path, &tree).await?;
            }
        }
        Ok(())
    }
}

impl Disk {
    /// Takes what was found in a repository within as plain files below `path`; its tree is returned.
    fn take(&mut self, path: &[u8], within: Disk) -> String {
        let below = String::from_utf8_lossy(path).into_owned();
        self.changed += within.changed;
        self.untracked += within.untracked;
        self.submodules += within.submodules;
        self.pointers += within.pointers;
        self.excluded.extend(within.excluded.into_iter().map(|left| Excluded { path: format!("{below}/{}", left.path), ..left }));
        self.plain.extend(within.plain.into_iter().map(|path| format!("{below}/{path}")));
        self.plain.push(below);
        within.tree
    }
}

/// The most things of a kind that are named.
const NAMED: usize = 3;

impl Disk {
    /// What the task sees otherwise than the user.
    pub(super) fn told(&self, lfs: bool) -> Vec<String> {
        let few = |names: &[String]| match names.len().checked_sub(NAMED) {
            None | Some(0) => names.join(", "),
            Some(more) => format!("{} and {more} more", names[..NAMED].join(", ")),
        };
        let mut told = Vec::new();
        if !self.plain.is_empty() {
            told.push(format!("without their history, as plain files: {}", few(&self.plain)));
        }
        if self.pointers > 0 && !lfs {
            told.push(format!(
                "under Git LFS, as the pointers to them (--lfs fetches them): {} {}",
                self.pointers,
                if self.pointers == 1 { "file" } else { "files" }
            ));
        }
        if !self.outside.is_empty() {
            told.push(format!("links to what does not travel: {}", few(&self.outside)));
        }
        told
    }
}

/// Links that lead out of the repository.
async fn outside(copied: &Copied) -> Result<Vec<String>, Failure> {
    let links = copied.entries().await?.into_iter().filter(|entry| entry.mode == "120000");
    let out = |path: &Path, target: &Path| {
        let mut depth = path.components().count().saturating_sub(1);
        target.is_absolute()
            || target.components().any(|part| match part {
                Component::ParentDir if depth == 0 => true,
                Component::ParentDir => {
                    depth -= 1;
                    false
                }
                Component::Normal(_) => {
                    depth += 1;
                    false
                }
                _ => false,
            })
    };
    let targets = links.filter_map(|link| {
        let path = git::path(&link.path);
        let target = std::fs::read_link(copied.top.join(&path)).ok()?;
        out(&path, &target).then(|| format!("{} → {}", path.display(), target.display()))
    });
    Ok(targets.collect())
}

/// The files that differ from the commit; all of them where there is none.
async fn changed(copied: &Copied, head: Option<&str>) -> Result<BTreeSet<Vec<u8>>, Failure> {
    let listed = match head {
        Some(head) => copied.git.run(&["diff-index", "--cached", "-z", "--name-only", "--no-renames", head]).await?,
        None => copied.git.run(&["ls-files", "-z"]).await?,
    };
    Ok(git::items(&listed).map(<[u8]>::to_vec).collect())
}

/// What git converts on its way to and from the disk.
#[derive(Debug, Default)]
struct Converted<'a> {
    files: Vec<&'a Entry>,
    /// How many are under Git LFS and did not change: these stay as git stores them.
    pointers: usize,
}

/// What can make git convert a file.
const CONVERSIONS: [&str; 6] = ["text", "crlf", "eol", "ident", "working-tree-encoding", "filter"];

async fn converted<'a>(copied: &Copied, files: &'a [Entry], changed: &BTreeSet<Vec<u8>>) -> Result<Converted<'a>, Failure> {
    let files: Vec<_> = files.iter().filter(|entry| entry.is_file() && copied.looked_at(entry)).collect();
    let everywhere = copied.user.line(&["config", "core.autocrlf"]).await?.is_some_and(|value| value != "false");
    let args = [&["check-attr", "-z", "--stdin"][..], &CONVERSIONS].concat();
    let told = copied.user.feed(&args, git::list(files.iter().map(|entry| &*entry.path))).await?;
    // path, attribute, value; six times for each file, in order. A value may be empty.
    let values: Vec<&[u8]> = told.split(|byte| *byte == 0).collect();
    let mut converted = Converted::default();
    for (entry, told) in files.into_iter().zip(values.chunks(3 * CONVERSIONS.len())) {
        let on = |told: &[&[u8]]| !matches!(told, [_, _, b"unspecified" | b"unset"]);
        let lfs = |told: &[&[u8]]| matches!(told, [_, b"filter", b"lfs"]);
        if told.chunks(3).any(lfs) {
            converted.pointers += usize::from(!changed.contains(&entry.path));
        } else if everywhere || told.chunks(3).any(on) {
            converted.files.push(entry);
        }
    }
    Ok(converted)
}
