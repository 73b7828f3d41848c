//! Meters of the attempt's processes, one by one, where no cgroup is the attempt's alone.
//!
//! When a process is reaped, what it used is added to what its reaper's children used. So nothing is lost with processes that end
//! between two looks: it is found with their parents, at last with the agent's own two processes. What those used themselves is
//! left out. A parent that does not want to hear of its children's ends loses what they used since the last look.

use super::sheet::Look;
use crate::agent::tree::Tree;
use nix::unistd::getpid;
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// The kernel counts processor time for programs in hundredths of a second, everywhere.
const TICK_US: u64 = 10_000;

/// Where the processes together have no more memory than this, the kernel is asked how they share it. It looks at every page for
/// that, some 25 ms of each GiB. Of more, what forked processes share until one writes it counts for each.
const SHARING: u64 = 1 << 30;

/// The processes of an attempt, and what was found of them.
#[derive(Debug)]
pub(super) struct Processes {
    tree: Tree,
    processor: Ledger,
    read: Ledger,
    written: Ledger,
    /// Processor time of helpers that this process has reaped, in µs; it is among what its children used.
    helpers_us: Arc<AtomicU64>,
}

/// What one process used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Times {
    own_us: u64,
    /// What its ended children used, and theirs.
    reaped_us: u64,
}

impl Processes {
    pub(super) fn new(tree: Tree, helpers_us: Arc<AtomicU64>) -> Self {
        Self { tree, processor: Ledger::default(), read: Ledger::default(), written: Ledger::default(), helpers_us }
    }

    /// Looks at each. Parents come before their children: who is reaped in between is missed, and found by the next look, and
    /// nobody is counted twice. This process reaps nobody while it looks.
    pub(super) fn look(&mut self) -> Look {
        let this = getpid().as_raw();
        let members = self.tree.members();
        let init = members.first().copied().unwrap_or(this);
        let (mut us, mut memory) = (0, Vec::new());
        let mut disk = Some((0_u64, 0_u64));
        for pid in members.iter().copied().chain([this]) {
            let agents = pid == this || pid == init;
            let Some(used) = times_of(pid) else { continue };
            us += used.reaped_us + if agents { 0 } else { used.own_us };
            // What ended programs did is told by whoever reaped them; without those two the sum would mean nothing.
            match io_of(pid, pid == this) {
                Some((read, written)) => disk = disk.map(|(r, w)| (r + read, w + written)),
                None if agents => disk = None,
                None => {}
            }
            if !agents {
                memory.extend(fs::read_to_string(format!("/proc/{pid}/status")).ok().as_deref().and_then(memory_in).map(|of| (pid, of)));
            }
        }
        let (disk_read_bytes, disk_written_bytes) = disk.map(|(r, w)| (self.read.enter(r), self.written.enter(w))).unzip();
        Look {
            cpu_us: Some(self.processor.enter(us.saturating_sub(self.helpers_us.load(Ordering::Relaxed)))),
            memory_bytes: together(&memory, parts_of),
            disk_read_bytes,
            disk_written_bytes,
            ..Look::default()
        }
    }
}

/// What a process and its ended children used so far, in µs; nothing where it is gone.
pub(super) fn used_us(pid: i32) -> u64 {
    times_of(pid).map_or(0, |used| used.own_us + used.reaped_us)
}

fn times_of(pid: i32) -> Option<Times> {
    times_in(&String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/stat")).ok()?))
}

/// From `/proc/<pid>/stat`, whose second field is a name in brackets that may hold anything.
fn times_in(stat: &str) -> Option<Times> {
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace().skip(11).map(|field| field.parse::<u64>().ok());
    let mut ticks = || Some(fields.next()??.saturating_mul(TICK_US));
    let (user, system, children_user, children_system) = (ticks()?, ticks()?, ticks()?, ticks()?);
    Some(Times { own_us: user.saturating_add(system), reaped_us: children_user.saturating_add(children_system) })
}

/// Bytes that a process and its ended children read from disks and wrote to them. Of this very process what its children did.
fn io_of(pid: i32, children_alone: bool) -> Option<(u64, u64)> {
    let read = |path: String| io_in(&fs::read_to_string(path).ok()?);
    let all = read(format!("/proc/{pid}/io"))?;
    if !children_alone {
        return Some(all);
    }
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten();
    let own = threads.filter_map(|thread| read(thread.path().join("io").display().to_string()));
    let own = own.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    Some((all.0.saturating_sub(own.0), all.1.saturating_sub(own.1)))
}

fn io_in(text: &str) -> Option<(u64, u64)> {
    let number = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.trim().parse::<u64>().ok());
    Some((number("read_bytes:")?, number("write_bytes:")?.saturating_sub(number("cancelled_write_bytes:").unwrap_or(0))))
}

/// Memory of a process in bytes: its own, and what it shares with others as such. Files that are mapped can be taken back.
/// Absent for one that is dead.
fn memory_in(status: &str) -> Option<(u64, u64)> {
    Some((kib(status, "RssAnon:")?, kib(status, "RssShmem:")?))
}

/// What processes hold together, of which each has memory of its own and shared memory; `parts` says what a process holds when
/// each page that several have is divided among them. Nothing where there is none.
fn together(all: &[(i32, (u64, u64))], parts: impl Fn(i32) -> Option<u64>) -> Option<u64> {
    let sum: u64 = all.iter().map(|(_, (own, shared))| own + shared).sum();
    if all.len() > 1 && sum <= SHARING {
        return Some(all.iter().map(|(pid, (own, shared))| parts(*pid).unwrap_or(own + shared)).sum());
    }
    let shared = all.iter().map(|(_, (_, shared))| *shared).max()?;
    Some(all.iter().map(|(_, (own, _))| own).sum::<u64>() + shared)
}

fn parts_of(pid: i32) -> Option<u64> {
    parts_in(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?)
}

fn parts_in(smaps: &str) -> Option<u64> {
    Some(kib(smaps, "Pss_Anon:")?.saturating_add(kib(smaps, "Pss_Shmem:")?))
}

/// A number of KiB behind a word, in bytes.
fn kib(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.trim().strip_suffix(" kB")?.parse::<u64>().ok())?.checked_mul(1_024)
}

/// A total made anew by each look from those who live and those who were reaped.
///
/// A look that comes in between misses somebody, and the next one finds it again: a lower total is passed over. One that stays
/// lower is a true loss, and counting goes on from there.
#[derive(Clone, Copy, Debug, Default)]
struct Ledger {
    told: u64,
    /// What was told of those who were lost.
    lost: u64,
    low: bool,
}

impl Ledger {
    /// Enters what a look found; the total, which never becomes less.
    fn enter(&mut self, found: u64) -> u64 {
        let sum = self.lost + found;
        if sum >= self.told {
            self.low = false;
            self.told = sum;
        } else if std::mem::replace(&mut self.low, true) {
            self.lost += self.told - sum;
            self.low = false;
        }
        self.told
    }
}

#[cfg(test)]
mod tests;
