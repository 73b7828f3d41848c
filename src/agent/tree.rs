//! The processes of the attempt: everything that descends from the agent's init, the agent itself excepted.
//!
//! Init is a child subreaper, so whatever the command starts stays its descendant, also after a double fork, `setsid`
//! or a cleared environment. Programs that the agent runs for itself ([`Tree::lend`]) are no part of it.

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::{Pid, getpid, getppid},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// One line of `/proc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Process {
    pid: i32,
    parent: i32,
    zombie: bool,
}

/// Reads `/proc/<pid>/stat`: `pid (name) state ppid …`, where the name may hold anything, also `)`.
fn parse(stat: &str) -> Option<Process> {
    let (pid, rest) = stat.split_once(' ')?;
    let mut fields = rest[rest.rfind(')')? + 1..].split_ascii_whitespace();
    let state = fields.next()?;
    Some(Process { pid: pid.parse().ok()?, parent: fields.next()?.parse().ok()?, zombie: matches!(state, "Z" | "X") })
}

fn processes() -> Vec<Process> {
    let Ok(proc) = fs::read_dir("/proc") else { return Vec::new() };
    proc.flatten()
        .filter(|entry| entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit))
        // A process may end while we look at it: then there is nothing to see.
        .filter_map(|entry| parse(&String::from_utf8_lossy(&fs::read(entry.path().join("stat")).ok()?)))
        .collect()
}

/// The descendants of `root`, parents before their children, without `agent` itself (but with what it started), and without
/// those `aside` and what they started.
fn descendants(of: &[Process], root: i32, agent: i32, aside: &BTreeSet<i32>) -> Vec<Process> {
    let mut children: BTreeMap<i32, Vec<&Process>> = BTreeMap::new();
    for process in of {
        children.entry(process.parent).or_default().push(process);
    }
    let (mut found, mut open) = (Vec::new(), vec![root]);
    while let Some(parent) = open.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            if aside.contains(&child.pid) {
                continue;
            }
            open.push(child.pid);
            if child.pid != agent {
                found.push(*child);
            }
        }
    }
    found
}

/// The attempt's processes, seen from one of the agent's own two.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    init: Pid,
    aside: Arc<Mutex<BTreeSet<i32>>>,
}

impl Tree {
    /// The tree below this process, which is init.
    pub(super) fn of_init() -> Self {
        Self { init: getpid(), aside: Arc::default() }
    }

    /// The tree below this process's parent, which must be the init that started it.
    pub(super) fn of_worker(init: Pid) -> Option<Self> {
        (getppid() == init).then(|| Self { init, aside: Arc::default() })
    }

    /// Leaves out a child of this process that works for the agent and not for the command, with all that descends from it.
    /// Call it before anything is awaited. It lasts until [`Self::forget`], which must come once the child is reaped:
    /// then its number may be anybody's.
    pub(super) fn lend(&self, helper: i32) {
        self.aside().insert(helper);
    }

    /// The end of [`Self::lend`].
    pub(super) fn forget(&self, helper: i32) {
        self.aside().remove(&helper);
    }

    fn aside(&self) -> std::sync::MutexGuard<'_, BTreeSet<i32>> {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is above all of it: init.
    fn root(&self) -> Pid {
        let this = getpid();
        // Were init gone, its number could be anybody's: then only what this process started counts as ours.
        if self.init == this || getppid() == self.init { self.init } else { this }
    }

    fn found(&self) -> Vec<Process> {
        descendants(&processes(), self.root().as_raw(), getpid().as_raw(), &self.aside())
    }

    /// All of it by process ids: init, and what descends from it, parents before their children, also who is dead and not
    /// reaped yet.
    pub(super) fn members(&self) -> Vec<i32> {
        [self.root().as_raw()].into_iter().chain(self.found().into_iter().map(|process| process.pid)).collect()
    }

    /// What lives of it now.
    pub(super) fn alive(&self) -> Vec<Pid> {
        self.found().into_iter().filter(|process| !process.zombie).map(|process| Pid::from_raw(process.pid)).collect()
    }

    /// Sends `signal` to every process of it. Says how many there were, without those that are not ours to signal
    /// (a set-uid program of another user): waiting for them would be for ever.
    pub(super) fn signal(&self, signal: Signal) -> usize {
        self.alive().into_iter().filter(|pid| kill(*pid, signal) != Err(Errno::EPERM)).count()
    }

    /// Kills everything and waits until nothing is left. A process that cannot die (it waits for a disk or a GPU) is
    /// waited for: only then is it true that nothing of the attempt runs.
    pub(super) async fn kill_all(&self) {
        let mut pause = Duration::from_millis(1);
        let mut rounds = 0_u32;
        while self.signal(Signal::SIGKILL) > 0 {
            rounds += 1;
            if rounds == 20 {
                tracing::warn!(left = ?self.alive(), "processes of the command do not die; waiting for them");
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }

    /// Asks everything that is left to end, and kills what has not within `grace`.
    pub(super) async fn end_all(&self, grace: Duration) {
        if self.signal(Signal::SIGTERM) > 0 {
            let gone = async {
                let mut pause = Duration::from_millis(1);
                while !self.alive().is_empty() {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_millis(50));
                }
            };
            let _ = tokio::time::timeout(grace, gone).await;
        }
        self.kill_all().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_cannot_confuse_the_reader() {
        let odd = "12 (a) R 1 (b) S 7 12 12 0 -1";
        assert_eq!(parse(odd), Some(Process { pid: 12, parent: 7, zombie: false }));
        assert_eq!(parse("12 (a) Z 7 12").map(|p| p.zombie), Some(true));
        assert_eq!(parse("nonsense"), None);
    }

    #[test]
    fn descendants_are_found_behind_the_agent_and_the_dead() {
        let process = |pid, parent, zombie| Process { pid, parent, zombie };
        let table = [
            process(3, 2, false),
            process(2, 1, false),
            process(4, 1, true),
            process(5, 4, false),
            process(6, 99, false),
            process(7, 3, true),
            process(8, 2, false),
            process(9, 8, false),
        ];
        let found = |aside: &[i32]| -> Vec<_> {
            descendants(&table, 1, 2, &aside.iter().copied().collect()).iter().map(|process| process.pid).collect()
        };
        let all = found(&[]);
        assert_eq!(all.iter().copied().collect::<BTreeSet<_>>(), [3, 4, 5, 7, 8, 9].into());
        let place = |pid| all.iter().position(|found| *found == pid);
        assert!(place(4) < place(5) && place(3) < place(7) && place(8) < place(9), "{all:?}");
        assert_eq!(found(&[8]).into_iter().collect::<BTreeSet<_>>(), [3, 4, 5, 7].into(), "nor what a helper started");
    }
}
