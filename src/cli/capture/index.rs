//! An index, as `git ls-files -s -v -z` lists it.

use super::git;

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// What git is told to believe of the file on the disk.
    pub(super) belief: Belief,
    pub(super) mode: String,
    pub(super) id: String,
    pub(super) path: Vec<u8>,
}

/// What git is told to believe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Belief {
    /// Nothing: it looks.
    Looks,
    /// That the file is as the index has it (`assume-unchanged`).
    Unchanged,
    /// That it is not there (`skip-worktree`, of sparse checkouts).
    Absent,
}

impl Entry {
    /// Whether it is another repository's commit.
    pub(super) fn is_link(&self) -> bool {
        self.mode == "160000"
    }

    /// Whether it is a file, not a symbolic link.
    pub(super) fn is_file(&self) -> bool {
        self.mode.starts_with("100")
    }
}

/// Reads a listing.
pub(super) fn entries(listing: &[u8]) -> Vec<Entry> {
    git::items(listing).filter_map(entry).collect()
}

/// `H 100644 <id> 0\t<path>`
fn entry(line: &[u8]) -> Option<Entry> {
    let tab = line.iter().position(|byte| *byte == b'\t')?;
    let mut words = std::str::from_utf8(&line[..tab]).ok()?.split(' ');
    let belief = match words.next()? {
        "S" | "s" => Belief::Absent,
        tag if tag.chars().all(|c| c.is_ascii_lowercase()) => Belief::Unchanged,
        _ => Belief::Looks,
    };
    Some(Entry { belief, mode: words.next()?.into(), id: words.next()?.into(), path: line[tab + 1..].to_vec() })
}

/// Entries in the form that `git update-index -z --index-info` reads. What it puts there is taken to be stale, so that the next
/// `git add -u` reads the file.
pub(super) fn info<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Vec<u8> {
    let mut info = Vec::new();
    for Entry { mode, id, path, .. } in entries {
        info.extend_from_slice(format!("{mode} {id}\t").as_bytes());
        info.extend_from_slice(path);
        info.push(0);
    }
    info
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_read_with_what_git_believes() {
        let listing = b"H 100644 aa 0\ta b\0h 100755 bb 0\tc\td\0S 120000 cc 0\te\xff\0M 160000 dd 2\tf\0";
        let read = entries(listing);
        let beliefs: Vec<_> = read.iter().map(|entry| entry.belief).collect();
        assert_eq!(beliefs, [Belief::Looks, Belief::Unchanged, Belief::Absent, Belief::Looks]);
        assert_eq!(read[1].path, b"c\td");
        assert!(read[0].is_file() && !read[2].is_file() && read[3].is_link());
        assert_eq!(info(&read[1..3]), b"100755 bb\tc\td\x00120000 cc\te\xff\0");
    }
}
