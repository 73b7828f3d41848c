//! What stays behind of the files that git does not know: what `.slipwayignore` names, and what is too large.

use super::{
    super::exit::{Exit, Failure},
    facts::Excluded,
    git,
};
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The name of the files whose lines, in the form of `.gitignore`, name what is not sent along.
pub(super) const FILE: &str = ".slipwayignore";

/// How much may travel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The largest file that git does not know; larger ones stay behind.
    pub(crate) file: u64,
    /// All of it; beyond that nothing is sent.
    pub(crate) total: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file: 100 << 20, total: 1 << 30 }
    }
}

/// The `.slipwayignore` files of one tree, read where they are met.
#[derive(Debug)]
pub(super) struct Rules {
    top: PathBuf,
    read: BTreeMap<PathBuf, Option<Gitignore>>,
}

impl Rules {
    pub(super) fn of(top: &Path) -> Self {
        Self { top: top.to_owned(), read: BTreeMap::new() }
    }

    /// The part of a path, counted from the top, that a rule names: the path itself or a directory above it.
    pub(super) fn named<'a>(&mut self, path: &'a Path, is_dir: bool) -> Option<&'a Path> {
        let mut parts: Vec<&Path> = path.ancestors().filter(|part| !part.as_os_str().is_empty()).collect();
        parts.reverse();
        parts.into_iter().find(|part| self.names(part, is_dir || *part != path))
    }

    /// Whether the nearest rule for exactly this path excludes it.
    fn names(&mut self, path: &Path, is_dir: bool) -> bool {
        for dir in path.ancestors().skip(1) {
            let top = &self.top;
            let rules = self.read.entry(dir.to_owned()).or_insert_with(|| read(&top.join(dir)));
            if let Some(rules) = rules {
                let found = rules.matched(self.top.join(path), is_dir);
                if !found.is_none() {
                    return found.is_ignore();
                }
            }
        }
        false
    }
}

fn read(dir: &Path) -> Option<Gitignore> {
    let file = dir.join(FILE);
    if !file.is_file() {
        return None;
    }
    let mut builder = GitignoreBuilder::new(dir);
    // A line that is no pattern is left out, as git does.
    let _ = builder.add(file);
    builder.build().ok()
}

/// Files that travel, with their sizes, and what of them does not.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// Paths from the top.
    pub(super) taken: Vec<Vec<u8>>,
    /// Their sizes in all.
    pub(super) bytes: u64,
    /// The largest, for a refusal.
    pub(super) largest: Vec<(u64, String)>,
    /// What stays.
    pub(super) left: Vec<Excluded>,
}

impl Sorted {
    /// Takes the size of a file into account.
    pub(super) fn weigh(&mut self, path: &[u8], bytes: u64) {
        self.bytes += bytes;
        self.remember(&String::from_utf8_lossy(path), bytes);
    }

    /// Remembers a file where it is among the five largest.
    pub(super) fn remember(&mut self, path: &str, bytes: u64) {
        self.largest.push((bytes, path.to_owned()));
        self.largest.sort_by(|a, b| b.cmp(a));
        self.largest.truncate(5);
    }

    /// # Errors
    /// There is more than may travel; the largest are named.
    pub(super) fn within(&self, limits: Limits) -> Result<(), Failure> {
        if self.bytes <= limits.total {
            return Ok(());
        }
        let size = super::super::get::size;
        let named: Vec<_> =
            self.largest.iter().map(|(bytes, path)| format!("{} {}", super::super::style::clean(path), size(*bytes))).collect();
        let what = format!(
            "the code is {}, and {} may travel with a task; the largest: {}",
            size(self.bytes),
            size(limits.total),
            named.join(", ")
        );
        Err(Failure::new(Exit::Usage, what)
            .hint(format!("name what the task does not need in {FILE}, one pattern a line as in .gitignore")))
    }
}

/// Sorts files that git does not know by what is done with them.
pub(super) fn sort(top: &Path, files: impl Iterator<Item = Vec<u8>>, limits: Limits) -> Sorted {
    let mut rules = Rules::of(top);
    let mut sorted = Sorted::default();
    let mut folders: BTreeMap<PathBuf, u64> = BTreeMap::new();
    for file in files {
        let path = git::path(&file);
        // A file that went away meanwhile is none.
        let Ok(meta) = top.join(&path).symlink_metadata() else { continue };
        if let Some(part) = rules.named(&path, meta.is_dir()) {
            let shown = if part == path { part.to_owned() } else { part.join("") };
            *folders.entry(shown).or_default() += meta.len();
        } else if meta.is_file() && meta.len() > limits.file {
            let why = format!("larger than {}", super::super::get::size(limits.file));
            sorted.left.push(Excluded { path: path.to_string_lossy().into_owned(), bytes: meta.len(), why });
        } else {
            sorted.weigh(&file, meta.len());
            sorted.taken.push(file);
        }
    }
    let named = folders.into_iter().map(|(path, bytes)| Excluded { path: path.to_string_lossy().into_owned(), bytes, why: FILE.into() });
    sorted.left.extend(named);
    sorted
}
