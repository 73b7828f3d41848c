//! How often the kernel has killed for want of memory in the cgroup of this process.

use super::cgroup::Home;
use std::{fs, path::PathBuf};

/// The count of one cgroup. Both versions of cgroups keep it under the same name in different files.
#[derive(Clone, Debug)]
pub(super) struct Counter {
    file: Option<PathBuf>,
}

impl Counter {
    /// That of this process's own cgroup; one that cannot be found never counts.
    pub(super) fn own() -> Self {
        let file = Home::own("memory").map(|home| home.dir.join(if home.unified { "memory.events" } else { "memory.oom_control" }));
        if file.is_none() {
            tracing::info!("no cgroup of this process can be found; kills for want of memory will look like others");
        }
        Self { file }
    }

    /// The kills so far.
    pub(super) fn read(&self) -> u64 {
        self.file.as_ref().and_then(|file| count(&fs::read_to_string(file).ok()?)).unwrap_or(0)
    }
}

/// Whether kills that happened while the command ran explain its end.
///
/// A container is the command's own. On a machine others may share the cgroup: there only a command that was itself
/// ended by SIGKILL, or says so as shells do, is believed to be the victim.
pub(super) fn explains(kills: u64, alone: bool, exit_code: Option<i32>, signal: Option<i32>) -> bool {
    let killed = signal == Some(9) || exit_code == Some(137);
    kills > 0 && exit_code != Some(0) && (alone || killed)
}

/// The number in `memory.events` or `memory.oom_control`.
fn count(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests;
