//! The processes of the attempt: everything that descends from the agent's init, the agent itself excepted.
//!
//! Init is a child subreaper, so whatever the command starts stays its descendant, also after a double fork, `setsid`
//! or a cleared environment.

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::{Pid, getpid, getppid},
};
use std::{collections::BTreeMap, fs, time::Duration};

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

/// The living descendants of `root`, without `spare` itself (but with what `spare` started).
fn descendants(of: &[Process], root: i32, spare: i32) -> Vec<Pid> {
    let mut children: BTreeMap<i32, Vec<&Process>> = BTreeMap::new();
    for process in of {
        children.entry(process.parent).or_default().push(process);
    }
    let (mut found, mut open) = (Vec::new(), vec![root]);
    while let Some(parent) = open.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            open.push(child.pid);
            if child.pid != spare && !child.zombie {
                found.push(Pid::from_raw(child.pid));
            }
        }
    }
    found
}

/// The attempt's processes, seen from one of the agent's own two.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tree {
    init: Pid,
}

impl Tree {
    /// The tree below this process, which is init.
    pub(super) fn of_init() -> Self {
        Self { init: getpid() }
    }

    /// The tree below this process's parent, which must be the init that started it.
    pub(super) fn of_worker(init: Pid) -> Option<Self> {
        (getppid() == init).then_some(Self { init })
    }

    /// What lives of it now.
    pub(super) fn alive(self) -> Vec<Pid> {
        let this = getpid();
        // Were init gone, its number could be anybody's: then only what this process started counts as ours.
        let root = if self.init == this || getppid() == self.init { self.init } else { this };
        descendants(&processes(), root.as_raw(), this.as_raw())
    }

    /// Sends `signal` to every process of it. Says how many there were, without those that are not ours to signal
    /// (a set-uid program of another user): waiting for them would be for ever.
    pub(super) fn signal(self, signal: Signal) -> usize {
        self.alive().into_iter().filter(|pid| kill(*pid, signal) != Err(Errno::EPERM)).count()
    }

    /// Kills everything and waits until nothing is left. A process that cannot die (it waits for a disk or a GPU) is
    /// waited for: only then is it true that nothing of the attempt runs.
    pub(super) async fn kill_all(self) {
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
    pub(super) async fn end_all(self, grace: Duration) {
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
    fn descendants_are_found_behind_the_spared_and_the_dead() {
        let process = |pid, parent, zombie| Process { pid, parent, zombie };
        let table = [
            process(2, 1, false),
            process(3, 2, false),
            process(4, 1, true),
            process(5, 4, false),
            process(6, 99, false),
            process(7, 3, true),
        ];
        let mut found: Vec<_> = descendants(&table, 1, 2).into_iter().map(Pid::as_raw).collect();
        found.sort_unstable();
        assert_eq!(found, [3, 5]);
    }
}
