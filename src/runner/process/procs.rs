//! The processes of attempts, found by what they carry: the marker in their environment, or a working directory below
//! the attempt's. Works for attempts whose agents are dead and whose processes belong to nobody.

use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, getpid},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    time::Duration,
};

/// How an attempt's processes are known.
#[derive(Clone, Debug)]
pub(super) struct Sign {
    /// The whole entry of the environment, `NAME=value`.
    pub(super) marker: String,
    /// The attempt's directory, absolute and without symbolic links.
    pub(super) dir: PathBuf,
}

/// One look at a process.
struct Look {
    environ: Vec<u8>,
    cwd: Option<PathBuf>,
    parent: i32,
}

impl Look {
    fn carries(&self, sign: &Sign) -> bool {
        self.environ.split(|b| *b == 0).any(|entry| entry == sign.marker.as_bytes())
            || self.cwd.as_ref().is_some_and(|cwd| cwd.starts_with(&sign.dir))
    }
}

fn looks() -> BTreeMap<i32, Look> {
    let this = getpid().as_raw();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .filter(|(pid, _)| *pid != this)
        .filter_map(|(pid, path)| Some((pid, look(&path)?)))
        .collect()
}

/// Others' processes cannot be read, and none of ours are among them. Zombies carry nothing and are dead.
fn look(path: &Path) -> Option<Look> {
    let stat = fs::read(path.join("stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    let cwd = fs::read_link(path.join("cwd")).ok().map(|cwd| {
        // The kernel adds this to a directory that was removed.
        let bytes = cwd.as_os_str().as_bytes();
        PathBuf::from(OsStr::from_bytes(bytes.strip_suffix(b" (deleted)").unwrap_or(bytes)))
    });
    Some(Look { environ: fs::read(path.join("environ")).unwrap_or_default(), cwd, parent: fields.next()?.parse().ok()? })
}

/// For each of `signs`, whether a living process carries it.
pub(super) fn carried(signs: &[Sign]) -> Vec<bool> {
    let looks = looks();
    signs.iter().map(|sign| looks.values().any(|look| look.carries(sign))).collect()
}

/// Kills everything that carries `sign`, and what descends from it, until a look finds nothing; gives up after some
/// seconds (a process may wait for a disk), and says whether nothing is left.
pub(super) fn kill_all(sign: &Sign) -> bool {
    for _ in 0..100 {
        let looks = looks();
        let mut found: BTreeSet<i32> = looks.iter().filter(|(_, look)| look.carries(sign)).map(|(pid, _)| *pid).collect();
        if found.is_empty() {
            return true;
        }
        loop {
            let more: Vec<_> =
                looks.iter().filter(|(pid, l)| found.contains(&l.parent) && !found.contains(*pid)).map(|(p, _)| *p).collect();
            if more.is_empty() {
                break;
            }
            found.extend(more);
        }
        for pid in found {
            // It may have ended meanwhile.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}
